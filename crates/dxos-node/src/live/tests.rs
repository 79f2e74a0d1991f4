//! Live queries against the naive executor: objects of random schemas in two spaces, written here and on two other
//! replicas whose entries come in any order and number, and several random queries over one or both of the spaces,
//! subscribed to, ended and shared meanwhile. What the differences add up to is what reading every object gives.
//!
//! A case is a function of its seed; a failing one prints the line that runs it again.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use dxos_base::fuzz::SplitMix64;
use dxos_base::query::{GroupRow, Scope, row_order};
use dxos_base::{Entropy, FeedId, ObjectId, ObjectView, ObjectWrite, Query, SpaceId, Tick};
use dxos_echo::memory::MemoryStore;
use dxos_echo::query::{group_rows, naive, sample};
use dxos_echo::store::{Durability, Store};
use dxos_echo::{EchoError, Touched};
use dxos_halo::Identity;
use dxos_services::QueryAnswer;
use dxos_text::LoroEngine;

use super::*;
use crate::event::Context;
use crate::space::{SpaceRecord, transaction, write_context};

/// Cases of one run of the tests.
const CASES: u64 = 10_000;
/// Operations of a case.
const OPERATIONS: usize = 44;
/// Operations between two comparisons with the naive executor.
const COMPARE_EVERY: usize = 8;
/// Subscriptions at a time.
const LIVE: usize = 4;
/// Spaces of a replica.
const SPACES: usize = 2;
/// What is watched, and two others.
const REPLICAS: usize = 3;
const HERE: usize = 0;

/// What happens, each as often as it stands here.
const OPERATIONS_OF: [&str; 12] = [
    "write here",
    "write here",
    "write elsewhere",
    "write elsewhere",
    "write elsewhere",
    "seal",
    "seal",
    "entries come",
    "entries come",
    "entries go",
    "subscribe anew",
    "time passes",
];

struct Seeded(SplitMix64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill_with(|| self.0.number() as u8);
    }
}

/// A profile with some spaces, and copies of it as they are opened the first time.
struct Template {
    identity: Identity,
    spaces: [SpaceId; SPACES],
    stores: Vec<MemoryStore>,
}

impl Template {
    fn new() -> Template {
        let mut entropy = Seeded(SplitMix64::new(7));
        let made = dxos_halo::create_identity("Ada", "test", "test", &mut entropy).unwrap();
        let identity = made.identity;
        let mut store = MemoryStore::default();
        let spaces = ["Garden", "Kitchen"].map(|name| {
            let made = dxos_halo::create_space(&identity, name, "Ada", &mut entropy).unwrap();
            for credential in &made.credentials {
                (store.credential_put(made.space, credential.hash(), credential.bytes())).unwrap();
            }
            made.space
        });
        let mut template = Template {
            identity,
            spaces,
            stores: Vec::new(),
        };
        for number in 0..REPLICAS {
            // Each instance notes its marker, and takes the next feed of the device.
            template.stores.push(store);
            store = Replica::new(&template, number, 0).store;
        }
        template
    }
}

/// A copy of the profile: another instance of its device, with a feed of its own.
struct Replica {
    spaces: Spaces,
    store: MemoryStore,
    text: LoroEngine,
    entropy: Seeded,
    now: Tick,
    exist: BTreeMap<SpaceId, BTreeSet<ObjectId>>,
}

impl Replica {
    fn new(template: &Template, number: usize, seed: u64) -> Replica {
        let mut replica = Replica {
            spaces: Spaces::new(),
            store: template.stores[number].clone(),
            text: LoroEngine::default(),
            entropy: Seeded(SplitMix64::new(seed ^ (number as u64) << 40)),
            now: Tick(1_700_000_000_000),
            exist: BTreeMap::new(),
        };
        let record = SpaceRecord {
            order: 0,
            personal: false,
        };
        let (device, agreement) = (template.identity.device(), template.identity.agreement());
        for id in template.spaces {
            let opened = replica.run(|cx, _| {
                let marker = [number as u8 + 1; 16];
                SpaceState::open(id, record.clone(), device, agreement, marker, cx)
            });
            replica.spaces.insert(id, opened.unwrap());
        }
        replica
    }

    fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Context<'_>, &mut Spaces) -> Result<T, EchoError>,
    ) -> Result<T, EchoError> {
        let mut cx = Context {
            now: self.now,
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        let spaces = &mut self.spaces;
        transaction(&mut cx, Durability::Synced, |cx| work(cx, spaces))
    }

    fn write(&mut self, id: SpaceId, writes: &[ObjectWrite]) -> Option<Touched> {
        let wrote = self.run(|cx, spaces| {
            let space = spaces.get_mut(&id).expect("opened above");
            let heads = space.control_heads();
            (space.data).write(&mut write_context(cx), &heads, writes)
        });
        match wrote {
            Ok(touched) => {
                self.found(id, &touched);
                Some(touched)
            }
            // A random move under a parent may close a circle.
            Err(EchoError::BadValue { path, .. }) if path == "@parent" => {
                let (store, space) = (&mut self.store, self.spaces.get_mut(&id));
                space.expect("opened above").data.reload(store).unwrap();
                None
            }
            Err(error) => panic!("{writes:?}: {error}"),
        }
    }

    fn found(&mut self, id: SpaceId, touched: &Touched) {
        let exist = self.exist.entry(id).or_default();
        exist.extend(&touched.objects);
    }

    /// Reads every object there is.
    fn naive(
        &mut self,
        here: SpaceId,
        query: &Query,
    ) -> (Vec<(SpaceId, ObjectView)>, Vec<GroupRow>) {
        let whole = Query {
            skip: 0,
            limit: 0,
            group: None,
            ..query.clone()
        };
        let mut rows = Vec::new();
        for (id, space) in &self.spaces {
            if !query.scope.includes(here, *id) {
                continue;
            }
            let found = naive::answer(&space.data, &mut self.store, &whole).unwrap();
            for (rank, view) in found.rows.into_iter().enumerate() {
                let rank = if query.ranked() { rank } else { 0 };
                rows.push(((rank, row_order(&query.order, &view), *id), view));
            }
        }
        let (skip, count) = (query.skip as usize, query.rows_max());
        if let Some(group) = &query.group {
            let groups = group_rows(group, rows.iter().map(|(_, view)| view)).into_iter();
            return (Vec::new(), groups.skip(skip).take(count).collect());
        }
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        let rows = rows.into_iter().map(|((_, _, id), view)| (id, view));
        (rows.skip(skip).take(count).collect(), Vec::new())
    }
}

/// A subscription, and what it has told.
struct Subscription {
    here: SpaceId,
    query: Query,
    told: QueryAnswer,
}

struct Case<'t> {
    template: &'t Template,
    random: SplitMix64,
    sample: sample::Sample,
    replicas: Vec<Replica>,
    live: Live,
    subscriptions: BTreeMap<u64, Subscription>,
    made: u64,
    counts: Counted,
}

/// What a case, or all of them, were made of.
#[derive(Default)]
struct Counted {
    parts: BTreeMap<&'static str, u64>,
    operations: BTreeMap<&'static str, u64>,
    queries: u64,
    told: u64,
    compared: u64,
}

impl<'t> Case<'t> {
    fn new(template: &'t Template, seed: u64) -> Case<'t> {
        let replicas = (0..REPLICAS).map(|number| Replica::new(template, number, seed));
        let mut case = Case {
            template,
            random: SplitMix64::new(seed),
            sample: sample::Sample::new(seed),
            replicas: replicas.collect(),
            live: Live::default(),
            subscriptions: BTreeMap::new(),
            made: 0,
            counts: Counted::default(),
        };
        for id in template.spaces {
            let creations = case.sample.creations();
            let touched = case.replicas[HERE].write(id, &creations);
            assert!(touched.is_some(), "first objects stand in no circle");
        }
        case.seal(HERE);
        for other in HERE + 1..REPLICAS {
            case.deliver(HERE, other);
        }
        for _ in 0..LIVE {
            case.subscribe();
        }
        case
    }

    fn operate(&mut self, kind: &str) -> bool {
        let other = HERE + 1 + self.random.below(REPLICAS - 1);
        match kind {
            "write here" => self.write(HERE),
            "write elsewhere" => self.write(other),
            "seal" => {
                let who = self.random.below(REPLICAS);
                self.seal(who)
            }
            "entries come" => self.deliver(other, HERE),
            "entries go" => {
                let from = self.random.below(REPLICAS);
                from != other && self.deliver(from, other)
            }
            "subscribe anew" => {
                let at = self.random.below(self.subscriptions.len());
                let number = *self.subscriptions.keys().nth(at).expect("counted");
                self.live.unsubscribe((CHANNEL, number));
                self.subscriptions.remove(&number);
                self.subscribe();
                true
            }
            "time passes" => {
                let who = self.random.below(REPLICAS);
                self.replicas[who].now.0 += self.random.below(200) as u64;
                self.tell();
                true
            }
            other => panic!("no operation {other}"),
        }
    }

    /// Mostly the first space.
    fn space(&mut self) -> SpaceId {
        let [first, second] = self.template.spaces;
        if self.random.chance(75) {
            first
        } else {
            second
        }
    }

    fn subscribe(&mut self) {
        // Sometimes a second one of a query that is kept already.
        let known = self.subscriptions.values().next();
        let (here, query) = match known.filter(|_| self.random.chance(15)) {
            Some(known) => (known.here, known.query.clone()),
            None => {
                let mut query = self.sample.query();
                let (here, other) = (self.space(), self.space());
                let scopes = [Scope::Here, Scope::All, Scope::Spaces(vec![here, other])];
                let [one, all, these] = scopes;
                query.scope = match self.random.below(10) {
                    0..7 => one,
                    7 => all,
                    _ => these,
                };
                (here, query)
            }
        };
        let parts = &mut self.counts.parts;
        let scope = match query.scope {
            Scope::Here => "one space",
            Scope::All => "all spaces",
            Scope::Spaces(_) => "some spaces",
        };
        for part in sample::parts(&query).into_iter().chain([scope]) {
            *parts.entry(part).or_default() += 1;
        }
        self.counts.queries += 1;
        self.made += 1;
        (self.live).subscribe((CHANNEL, self.made), here, query.clone());
        let told = QueryAnswer::default();
        let subscription = Subscription { here, query, told };
        self.subscriptions.insert(self.made, subscription);
        for (id, space) in &mut self.replicas[HERE].spaces {
            space.data.set_views_wanted(self.live.looks_at(*id));
        }
    }

    fn write(&mut self, who: usize) -> bool {
        let id = self.space();
        let replica = &mut self.replicas[who];
        let exist = replica.exist.get(&id).into_iter().flatten();
        let mut exist: Vec<ObjectId> = exist.copied().collect();
        let count = 1 + self.random.below(3);
        let mut writes = Vec::new();
        for _ in 0..count {
            let write = self.sample.edit(&exist);
            exist.push(write.object());
            writes.push(write);
        }
        let Some(touched) = replica.write(id, &writes) else {
            return false;
        };
        if who == HERE {
            self.live.offer(id, &touched);
        }
        true
    }

    fn seal(&mut self, who: usize) -> bool {
        let identity = &self.template.identity;
        let sealed = self.replicas[who].run(|cx, spaces| {
            let mut any = false;
            for space in spaces.values_mut() {
                any |= !space.seal_entries(identity, cx)?.0.is_empty();
            }
            Ok(any)
        });
        sealed.unwrap()
    }

    /// Some of what is missing, feed by feed.
    fn deliver(&mut self, from: usize, to: usize) -> bool {
        let mut any = false;
        for id in self.template.spaces {
            any |= self.deliver_of(id, from, to);
        }
        any
    }

    fn deliver_of(&mut self, id: SpaceId, from: usize, to: usize) -> bool {
        let mut entries = Vec::new();
        let [source, target] = (self.replicas.get_disjoint_mut([from, to])).expect("two replicas");
        let held: BTreeMap<FeedId, u64> = target.spaces[&id].stored().into_iter().collect();
        for (feed, _) in source.spaces[&id].stored() {
            let first = held.get(&feed).map_or(1, |seq| seq + 1);
            let rows = (source.store.entries(id, feed, first, usize::MAX)).unwrap();
            let keep = self.random.below(rows.len() + 1) + 1;
            entries.extend(rows.into_iter().take(keep).map(|row| row.bytes));
        }
        let received = target.run(|cx, spaces| {
            let space = spaces.get_mut(&id).expect("opened");
            space.receive(&entries, cx)
        });
        let received = received.unwrap();
        assert_eq!(received.refused, []);
        target.found(id, &received.touched);
        if to == HERE {
            self.live.offer(id, &received.touched);
        }
        received.stored > 0
    }

    /// What is due is told.
    fn tell(&mut self) {
        let replica = &mut self.replicas[HERE];
        let (live, now) = (&mut self.live, replica.now);
        let told = replica.run(|cx, spaces| Ok(live.differences(now, spaces, cx.store)));
        for ((_, number), diff) in told.unwrap() {
            let subscription = self.subscriptions.get_mut(&number);
            let told = &mut subscription.expect("who left is told nothing").told;
            diff.apply(&mut told.rows, &mut told.groups).unwrap();
            self.counts.told += 1;
        }
    }

    /// Everything is told and compared.
    fn compare(&mut self) {
        self.tell();
        // What is run again is so after a pause.
        self.replicas[HERE].now.0 += RERUN_MS;
        self.tell();
        assert!(!self.live.is_dirty());
        let replica = &mut self.replicas[HERE];
        for subscription in self.subscriptions.values() {
            let query = &subscription.query;
            let (naive, groups) = replica.naive(subscription.here, query);
            let rows = subscription.told.rows.iter();
            let rows: Vec<_> = rows.map(|row| (row.space, &row.object)).collect();
            let expected: Vec<_> = naive.iter().map(|(id, view)| (*id, view)).collect();
            assert!(
                rows == expected,
                "{query:#?}\ntold {rows:#?}\nbut it is {expected:#?}"
            );
            assert_eq!(subscription.told.groups, groups, "{query:#?}");
            self.counts.compared += 1;
            if self.random.chance(25) {
                let (live, here) = (&mut self.live, subscription.here);
                let asked = replica.run(|cx, spaces| live.answer(query, here, spaces, cx.store));
                let asked = asked.unwrap();
                let rows = asked.rows.iter().map(|row| (row.space, &row.object));
                assert!(
                    rows.eq(naive.iter().map(|(id, view)| (*id, view))),
                    "{query:#?}"
                );
                assert_eq!(asked.groups, groups, "{query:#?}");
            }
        }
    }

    /// All entries come to all.
    fn end(&mut self) {
        for who in 0..REPLICAS {
            self.seal(who);
        }
        for _ in 0..2 {
            for from in 0..REPLICAS {
                for to in 0..REPLICAS {
                    while from != to && self.deliver(from, to) {}
                }
            }
        }
        self.compare();
        for id in self.template.spaces {
            let digest = |replica: &Replica| replica.spaces[&id].data.state_digest();
            let digests: BTreeSet<[u8; 16]> = self.replicas.iter().map(digest).collect();
            assert_eq!(digests.len(), 1, "replicas end alike");
        }
        for number in self.subscriptions.keys() {
            self.live.unsubscribe((CHANNEL, *number));
        }
        assert_eq!(self.live.sizes(), (0, 0));
    }
}

fn run(template: &Template, seed: u64) -> Counted {
    let mut case = Case::new(template, seed);
    let mut done = 0;
    while done < OPERATIONS {
        let kind = case.random.one(&OPERATIONS_OF);
        if !case.operate(kind) {
            continue;
        }
        *case.counts.operations.entry(kind).or_default() += 1;
        done += 1;
        if done.is_multiple_of(COMPARE_EVERY) {
            case.compare();
        }
    }
    case.end();
    case.counts
}

impl Counted {
    fn add(&mut self, other: Counted) {
        for (part, count) in other.parts {
            *self.parts.entry(part).or_default() += count;
        }
        for (kind, count) in other.operations {
            *self.operations.entry(kind).or_default() += count;
        }
        self.queries += other.queries;
        self.told += other.told;
        self.compared += other.compared;
    }
}

#[test]
fn what_is_told_adds_up_to_what_reading_everything_gives() {
    let given = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = given("DXOS_LIVE_SEED").unwrap_or(0);
    let cases = given("DXOS_LIVE_CASES").unwrap_or(CASES);
    let (next, total) = (AtomicU64::new(first), Mutex::new(Counted::default()));
    let work = || {
        let template = Template::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + cases {
                break;
            }
            match catch_unwind(AssertUnwindSafe(|| run(&template, seed))) {
                Ok(counted) => total.lock().expect("held for counting only").add(counted),
                Err(panic) => {
                    println!("replay: DXOS_LIVE_SEED={seed} DXOS_LIVE_CASES=1 {REPLAY}");
                    next.store(first + cases, Ordering::Relaxed);
                    resume_unwind(panic);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        for other in others {
            other.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    let counted = total.into_inner().expect("no thread died");
    println!(
        "{cases} cases of {OPERATIONS} operations: {} queries, {} differences told, {} answers compared",
        counted.queries, counted.told, counted.compared
    );
    for (counts, all) in [
        (&counted.operations, cases * OPERATIONS as u64),
        (&counted.parts, counted.queries),
    ] {
        for (name, count) in counts {
            println!("{:5.1} %  {name}", *count as f64 * 100.0 / all as f64);
            assert!(cases < 100 || count * 100 >= all, "{name} is under 1 %");
        }
    }
    if cases >= 100 {
        let kinds: BTreeSet<&str> = OPERATIONS_OF.into_iter().collect();
        assert_eq!(counted.operations.len(), kinds.len());
        assert_eq!(
            counted.parts.len(),
            sample::PARTS + 3,
            "every part and scope comes up"
        );
    }
}

const CHANNEL: ChannelId = ChannelId(1);
/// Runs the test above alone.
const REPLAY: &str = "cargo test -p dxos-node --lib what_is_told_adds_up";
