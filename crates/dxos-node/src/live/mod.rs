//! Live queries: rows kept up to date by what changes, told as differences.
//!
//! Invariants
//! * equal queries of equal spaces are kept once, however many channels and subscriptions want them, and are gone
//!   with the last of them;
//! * a change is offered only to the queries it can concern (`index`), and decided on the changed object alone where
//!   the query allows: no row is read for it. A window that has run short reads on from its last row;
//! * what was told plus the difference is what a query would answer now.
//!
//! Queries that look at other objects (references followed, semi-joins) and ranked ones are run again, each alone and
//! at most every [`RERUN_MS`].
//!
//! The parts: `window` rows kept in order, `counts` groups, `again` what is run again, `run` answers from the store,
//! `diff` differences, `former` names that fields of stored types had before, `index` which queries a change can
//! concern. Not here: channels, batches, transactions (`clients`).

mod again;
mod counts;
mod diff;
mod former;
mod index;
mod run;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::query::{Filter, Scope, Select};
use dxos_base::{Query, SpaceId, Tick};
use dxos_echo::store::Store;
use dxos_echo::{EchoError, Touched};
use dxos_services::{QueryAnswer, QueryDiff};

use crate::event::ChannelId;
use crate::space::SpaceState;
use again::Again;
use counts::Counts;
use diff::{Told, difference};
use former::FormerNames;
use index::{Equality, Index};
use run::run;
use window::Windows;

/// Shortest time between two runs of a query that is run again.
pub(crate) const RERUN_MS: u64 = 100;

/// Names a subscription of a channel.
pub(crate) type Member = (ChannelId, u64);

/// Spaces by id.
pub(crate) type Spaces = BTreeMap<SpaceId, SpaceState>;

/// What live queries did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counters {
    /// Objects read from the store for them.
    pub(crate) examined: u64,
    /// Changed objects decided on without reading.
    pub(crate) decided: u64,
    /// Whole runs: the first one of each, and runs again.
    pub(crate) runs: u64,
}

/// All live queries of a node.
#[derive(Debug, Default)]
pub(crate) struct Live {
    shared: BTreeMap<u64, Shared>,
    index: Index,
    keys: BTreeMap<Vec<u8>, u64>,
    members: BTreeMap<Member, u64>,
    made: u64,
    former: FormerNames,
    pub(crate) counters: Counters,
}

/// A query kept for all who want it.
#[derive(Debug)]
struct Shared {
    key: Vec<u8>,
    asked: Query,
    /// What is asked, with former names of fields.
    query: Query,
    here: SpaceId,
    /// The only type of objects that decide on its rows, if it names one.
    type_name: Option<String>,
    /// What a property of all its rows equals; of windows only, which say what they hold.
    equality: Option<Equality>,
    members: BTreeSet<Member>,
    /// Members that have been told nothing yet.
    fresh: BTreeSet<Member>,
    state: State,
    told: Told,
    /// Something may be to tell.
    dirty: bool,
    /// Types may say other former names than `query` has; then it is dirty too.
    types_unread: bool,
}

/// How the rows of a query are kept.
#[derive(Debug)]
enum State {
    Windows(Windows),
    Counts(Counts),
    Again(Again),
}

/// Whether a set can be decided on one object alone.
fn decided_alone(select: &Select) -> bool {
    fn filter_alone(filter: &Filter) -> bool {
        match filter {
            Filter::And(filters) | Filter::Or(filters) => filters.iter().all(filter_alone),
            Filter::Not(filter) => filter_alone(filter),
            Filter::ChildOf { transitive, .. } => !transitive,
            Filter::In { .. } => false,
            _ => true,
        }
    }
    match select {
        Select::Where(filter) => filter_alone(filter),
        Select::Within(from, filter) => decided_alone(from) && filter_alone(filter),
        Select::Union(sets) => sets.iter().all(decided_alone),
        Select::Difference(from, without) => decided_alone(from) && decided_alone(without),
        Select::Follow(..) => false,
    }
}

/// The spaces of this node that a query asked in `here` looks at.
pub(crate) fn spaces_of(query: &Query, here: SpaceId, spaces: &Spaces) -> BTreeSet<SpaceId> {
    match &query.scope {
        Scope::Here => [here].into(),
        Scope::All => spaces.keys().copied().collect(),
        Scope::Spaces(wanted) => {
            let known = wanted.iter().filter(|id| spaces.contains_key(id));
            known.copied().collect()
        }
    }
}

impl Shared {
    fn new(key: Vec<u8>, query: Query, here: SpaceId) -> Shared {
        let state = match (decided_alone(&query.select), query.ranked(), &query.group) {
            (true, false, None) => State::Windows(Windows::new(&query)),
            (true, _, Some(group)) => State::Counts(Counts::new(group.clone())),
            (alone, _, _) => State::Again(Again::new(alone)),
        };
        // What a query that follows references gives may be of any type on the way.
        let typed = !matches!(state, State::Again(_)) || decided_alone(&query.select);
        let type_name = dxos_echo::query::type_wanted(&query).filter(|_| typed);
        let window = matches!(state, State::Windows(_));
        Shared {
            key,
            type_name: type_name.map(str::to_owned),
            asked: query.clone(),
            equality: index::equality(&query).filter(|_| window),
            query,
            here,
            members: BTreeSet::new(),
            fresh: BTreeSet::new(),
            state,
            told: Told::default(),
            dirty: true,
            types_unread: true,
        }
    }

    fn looks_at(&self, space: SpaceId) -> bool {
        self.query.scope.includes(self.here, space)
    }

    /// The one space it is about is open, if it is about one.
    fn is_here(&self, spaces: &Spaces) -> bool {
        self.query.scope != Scope::Here || spaces.contains_key(&self.here)
    }

    /// Takes a change in; gives whether there may be something to tell.
    fn offer(&mut self, space: SpaceId, touched: &Touched, counters: &mut Counters) -> bool {
        if touched.views_left_out || touched.views.len() < touched.objects.len() {
            self.forget(space);
            return true;
        }
        let mut any = false;
        for view in touched.views.values() {
            counters.decided += 1;
            any |= match &mut self.state {
                State::Windows(windows) => windows.offer(&self.query, space, view),
                State::Counts(counts) => counts.offer(&self.query, space, view),
                State::Again(again) => again.offer(&self.query, space, view),
            };
        }
        any
    }

    /// Everything kept of a space is read again.
    fn forget(&mut self, space: SpaceId) {
        match &mut self.state {
            State::Windows(windows) => windows.forget(space),
            State::Counts(counts) => counts.forget(space),
            State::Again(again) => again.forget(),
        }
    }

    /// Everything kept is read again.
    fn forget_all(&mut self) {
        match &mut self.state {
            State::Windows(windows) => windows.forget_all(),
            State::Counts(counts) => *counts = Counts::new(counts.group().clone()),
            State::Again(again) => again.forget(),
        }
    }

    /// Tells the index what its window took in and let go.
    fn followed_by(&mut self, index: &mut Index, id: u64) {
        if let State::Windows(windows) = &mut self.state {
            let moves = windows.moves();
            if self.equality.is_some() {
                index.follow(id, moves);
            }
        }
    }

    /// Whether bringing it up to date reads the store.
    fn reads(&self, spaces: &Spaces) -> bool {
        let wanted = spaces_of(&self.query, self.here, spaces);
        let mut open = wanted.iter().filter(|space| spaces.contains_key(space));
        match &self.state {
            State::Windows(windows) => open.any(|space| windows.reads(space)),
            State::Counts(counts) => open.any(|space| counts.reads(space)),
            State::Again(again) => again.reads(),
        }
    }

    /// Reads what is needed; gives rows and groups of now, or `None` where it is too early to run again.
    fn refresh(
        &mut self,
        now: Tick,
        spaces: &Spaces,
        store: &mut dyn Store,
        counters: &mut Counters,
    ) -> Result<Option<Told>, EchoError> {
        let wanted = spaces_of(&self.query, self.here, spaces);
        match &mut self.state {
            State::Windows(windows) => {
                windows.fill(&self.query, &wanted, spaces, store, counters)?;
                Ok(Some(windows.rows(&self.query)))
            }
            State::Counts(counts) => {
                counts.fill(&self.query, &wanted, spaces, store, counters)?;
                Ok(Some(counts.groups(&self.query)))
            }
            State::Again(again) => again.run(now, &self.query, &wanted, spaces, store, counters),
        }
    }

    /// Stands in the index.
    fn enter(&self, index: &mut Index, id: u64) {
        index.add(id, self.type_name.as_deref(), self.equality.as_ref());
    }

    /// Stands in the index no more, and keeps nothing that does.
    fn leave(&mut self, index: &mut Index, id: u64) {
        index.remove(id, self.type_name.as_deref(), self.equality.as_ref());
        self.forget_all();
        self.followed_by(index, id);
    }

    /// When there is something to do, if it may not be done at once.
    fn due_at(&self) -> Option<Tick> {
        match &self.state {
            State::Again(again) if self.dirty => again.due_at(),
            _ => None,
        }
    }
}

impl Live {
    /// Begins a subscription; its first difference holds all rows.
    pub(crate) fn subscribe(&mut self, member: Member, here: SpaceId, query: Query) {
        let everywhere = query.scope != Scope::Here;
        let key = dxos_base::encode(&((!everywhere).then_some(here), &query));
        let id = *self.keys.entry(key.clone()).or_insert_with(|| {
            self.made += 1;
            self.made
        });
        let shared = self.shared.entry(id).or_insert_with(|| {
            let shared = Shared::new(key, query, here);
            shared.enter(&mut self.index, id);
            shared
        });
        shared.members.insert(member);
        shared.fresh.insert(member);
        shared.dirty = true;
        self.members.insert(member, id);
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, member: Member) {
        let Some(id) = self.members.remove(&member) else {
            return;
        };
        let Some(shared) = self.shared.get_mut(&id) else {
            return;
        };
        shared.members.remove(&member);
        shared.fresh.remove(&member);
        if shared.members.is_empty()
            && let Some(mut shared) = self.shared.remove(&id)
        {
            self.keys.remove(&shared.key);
            shared.leave(&mut self.index, id);
        }
    }

    /// Ends all subscriptions of a channel.
    pub(crate) fn close(&mut self, channel: ChannelId) {
        let of = self.members.range((channel, 0)..=(channel, u64::MAX));
        for member in of.map(|(member, _)| *member).collect::<Vec<_>>() {
            self.unsubscribe(member);
        }
    }

    /// Subscriptions of a channel.
    pub(crate) fn count_of(&self, channel: ChannelId) -> usize {
        self.members
            .range((channel, 0)..=(channel, u64::MAX))
            .count()
    }

    /// Whether any query looks at a space.
    pub(crate) fn looks_at(&self, space: SpaceId) -> bool {
        self.shared.values().any(|shared| shared.looks_at(space))
    }

    /// Queries kept, and subscriptions to them.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.shared.len(), self.members.len())
    }

    /// Objects changed; gives whether there may be something to tell.
    pub(crate) fn offer(&mut self, space: SpaceId, touched: &Touched) -> bool {
        if touched.objects.is_empty() {
            return false;
        }
        let mut any = false;
        if self.former.touched(space, touched) {
            for shared in self
                .shared
                .values_mut()
                .filter(|shared| shared.looks_at(space))
            {
                (shared.types_unread, shared.dirty) = (true, true);
                any = true;
            }
        }
        for id in self.index.concerned(space, touched) {
            let Some(shared) = self.shared.get_mut(&id) else {
                continue;
            };
            if shared.looks_at(space) && shared.offer(space, touched, &mut self.counters) {
                shared.dirty = true;
                any = true;
            }
            shared.followed_by(&mut self.index, id);
        }
        any
    }

    /// A space has come; gives whether there may be something to tell.
    pub(crate) fn space_added(&mut self, space: SpaceId) -> bool {
        self.former.forget(space);
        let mut any = false;
        for (id, shared) in &mut self.shared {
            if shared.looks_at(space) {
                shared.forget(space);
                shared.followed_by(&mut self.index, *id);
                (shared.types_unread, shared.dirty) = (true, true);
                any = true;
            }
        }
        any
    }

    /// Whether there may be something to tell.
    pub(crate) fn is_dirty(&self) -> bool {
        self.shared.values().any(|shared| shared.dirty)
    }

    /// Answers a query once.
    pub(crate) fn answer(
        &mut self,
        query: &Query,
        here: SpaceId,
        spaces: &Spaces,
        store: &mut dyn Store,
    ) -> Result<QueryAnswer, EchoError> {
        let wanted = spaces_of(query, here, spaces);
        self.former.read(&wanted, spaces, store)?;
        let query = self.former.completed(query, &wanted);
        run(&query, &wanted, spaces, store)
    }

    /// Queries look under names that fields had before, as the types of the spaces say now.
    fn complete(&mut self, spaces: &Spaces, store: &mut dyn Store) -> Result<(), EchoError> {
        for (id, shared) in self
            .shared
            .iter_mut()
            .filter(|(_, shared)| shared.types_unread)
        {
            let wanted = spaces_of(&shared.asked, shared.here, spaces);
            self.former.read(&wanted, spaces, store)?;
            let query = self.former.completed(&shared.asked, &wanted);
            if query != shared.query {
                shared.leave(&mut self.index, *id);
                *shared = Shared {
                    asked: shared.asked.clone(),
                    members: std::mem::take(&mut shared.members),
                    fresh: std::mem::take(&mut shared.fresh),
                    told: std::mem::take(&mut shared.told),
                    ..Shared::new(std::mem::take(&mut shared.key), query, shared.here)
                };
                shared.enter(&mut self.index, *id);
            }
            shared.types_unread = false;
        }
        Ok(())
    }

    /// Whether telling what there is to tell reads the store.
    pub(crate) fn reads(&self, spaces: &Spaces) -> bool {
        let due = |shared: &&Shared| shared.dirty && shared.is_here(spaces);
        let mut due = self.shared.values().filter(due);
        due.any(|shared| shared.types_unread || shared.reads(spaces))
    }

    /// What is to be told now, by subscription.
    pub(crate) fn differences(
        &mut self,
        now: Tick,
        spaces: &Spaces,
        store: &mut dyn Store,
    ) -> Vec<(Member, QueryDiff)> {
        let mut out = Vec::new();
        if let Err(error) = self.complete(spaces, store) {
            // Tried again with the next change.
            tracing::warn!(%error, "query.types_failed");
        }
        // Of a space that is not open the rows come when it is.
        let due = |(_, shared): &(&u64, &mut Shared)| shared.dirty && shared.is_here(spaces);
        for (id, shared) in self.shared.iter_mut().filter(due) {
            let refreshed = shared.refresh(now, spaces, store, &mut self.counters);
            shared.followed_by(&mut self.index, *id);
            let told = match refreshed {
                Ok(Some(told)) => told,
                Ok(None) => continue,
                Err(error) => {
                    // What it keeps is read again with the next change, of whatever object.
                    tracing::warn!(%error, "query.failed");
                    shared.leave(&mut self.index, *id);
                    shared.equality = None;
                    shared.enter(&mut self.index, *id);
                    shared.dirty = false;
                    continue;
                }
            };
            shared.dirty = false;
            let diff = difference(&shared.told, &told);
            let first = std::mem::take(&mut shared.fresh);
            if !diff.is_empty() {
                let known = shared.members.difference(&first);
                out.extend(known.map(|member| (*member, diff.clone())));
            }
            if !first.is_empty() {
                let all = difference(&Told::default(), &told);
                out.extend(first.into_iter().map(|member| (member, all.clone())));
            }
            shared.told = told;
        }
        out
    }

    /// When something that waits is due.
    pub(crate) fn due_at(&self) -> Option<Tick> {
        self.shared.values().filter_map(Shared::due_at).min()
    }
}
