//! What people do: make and edit objects (what they write into them: `edits`), type, look.

use dxos_base::text::units;
use dxos_base::{SpaceId, TextChange};
use dxos_services::{FailureKind, Place, TextAddress};

use crate::ledger::EditId;
use crate::person::Done;
use crate::tap::{CANARY, count};
use crate::world::{Item, World};

/// Objects people make in a run.
const OBJECTS_MAX: usize = 10;
/// Texts a person keeps on the screen.
const TEXTS_OPEN_MAX: usize = 3;
/// Past this length people rather delete.
const TEXT_CHARS_MAX: usize = 160;

/// What a person does next.
#[derive(Debug, Clone, Copy)]
enum Act {
    Create,
    Set,
    Remove,
    Edit,
    Count,
    Delete,
    Restore,
    Type,
    Open,
    Close,
    Present,
    Flush,
    Get,
    Stats,
    Verify,
    Burst,
}

const ACTS: [(u64, Act); 16] = [
    (7, Act::Create),
    (26, Act::Set),
    (3, Act::Remove),
    (34, Act::Edit),
    (6, Act::Count),
    (3, Act::Delete),
    (3, Act::Restore),
    (38, Act::Type),
    (7, Act::Open),
    (2, Act::Close),
    (2, Act::Present),
    (1, Act::Flush),
    (1, Act::Get),
    (1, Act::Stats),
    (1, Act::Verify),
    (4, Act::Burst),
];

impl World {
    /// A person does something, and will again.
    pub fn work(&mut self, index: usize, person: usize) {
        if !self.chaos {
            return;
        }
        let after = self.random.between(20, 450);
        self.later(
            after,
            Item::Work {
                peer: index,
                person,
            },
        );
        let Some(space) = self.space.filter(|_| self.is_member(index)) else {
            return;
        };
        let act = self.random.weighted(&ACTS);
        let times = if matches!(act, Act::Burst) {
            self.random.between(3, 8)
        } else {
            1
        };
        for _ in 0..times {
            let act = match act {
                Act::Burst => *self.random.pick(&[Act::Set, Act::Edit, Act::Type]),
                act => act,
            };
            self.act(index, person, space, act);
        }
        self.pump(index, person, 0);
    }

    /// A person writes and types at once, if the space is on the screen.
    pub fn hurry(&mut self, index: usize, person: usize) {
        let Some(space) = self.space.filter(|_| self.is_member(index)) else {
            return;
        };
        self.act(index, person, space, Act::Set);
        self.act(index, person, space, Act::Type);
        self.pump(index, person, 0);
    }

    fn act(&mut self, index: usize, person: usize, space: SpaceId, act: Act) {
        let shown = self.peers[index].persons[person].rows();
        let some = if shown.is_empty() {
            None
        } else {
            Some(shown[self.random.index(shown.len())].object)
        };
        match (act, some) {
            (Act::Create, _) if self.objects.len() < OBJECTS_MAX => {
                self.create(index, person, space)
            }
            (_, None) if self.objects.len() < OBJECTS_MAX => self.create(index, person, space),
            (Act::Set | Act::Create | Act::Burst, Some(object)) => {
                self.set_property(index, person, space, object);
            }
            (Act::Remove, Some(object)) => self.remove_property(index, person, space, object),
            (Act::Edit, Some(object)) => self.edit(index, person, space, object),
            (Act::Count, Some(object)) => {
                let by = 1 + self.random.below(9) as i64;
                let edit = self.ledger.count(index, space, object, by);
                let path = dxos_base::key_path(&["steps"]);
                let write = dxos_base::ObjectWrite::Count { object, path, by };
                self.peers[index].persons[person].write(space, "count", vec![write], vec![edit]);
            }
            (Act::Delete, Some(object)) => self.show(index, person, space, object, false),
            (Act::Restore, Some(object)) => self.show(index, person, space, object, true),
            (Act::Type, _) => self.type_text(index, person),
            (Act::Open, Some(object)) => {
                let address = TextAddress {
                    space,
                    object,
                    property: "text".into(),
                };
                let hand = &mut self.peers[index].persons[person];
                if hand.editors.len() < TEXTS_OPEN_MAX && !hand.editors.contains_key(&address) {
                    hand.open_text(address);
                }
            }
            (Act::Close, _) => {
                let hand = &mut self.peers[index].persons[person];
                if let Some(address) = hand.editors.keys().next().cloned() {
                    hand.close_text(&address);
                }
            }
            (Act::Present, Some(object)) => {
                let place = self.random.chance(80).then_some(Place {
                    space,
                    object,
                    selection: None,
                });
                self.peers[index].persons[person].client.presence(place);
            }
            (Act::Flush, _) => self.peers[index].persons[person].flush(),
            (Act::Get, Some(object)) => self.peers[index].persons[person].get(space, object),
            (Act::Stats, _) => self.peers[index].persons[person].stats(),
            (Act::Verify, _) => self.peers[index].persons[person].verify(space),
            (_, None) => {}
        }
    }

    fn type_text(&mut self, index: usize, person: usize) {
        let hand = &self.peers[index].persons[person];
        let open: Vec<TextAddress> = hand.editors.keys().cloned().collect();
        if open.is_empty() {
            let Some(space) = self.space else { return };
            let rows = hand.rows();
            if let Some(row) = rows.first() {
                let address = TextAddress {
                    space,
                    object: row.object,
                    property: "text".into(),
                };
                self.peers[index].persons[person].open_text(address);
            }
            return;
        }
        let address = self.random.pick(&open).clone();
        let text = self.peers[index].persons[person]
            .text(&address)
            .unwrap_or_default();
        let delta = self.change(&text);
        let Self { peers, ledger, .. } = self;
        let typed = peers[index].persons[person].edit_text(&address, delta, index, ledger);
        if let Err(words) = typed {
            self.violate(format!("peer {index}: {words}"));
        }
        if self.random.chance(20) {
            let text = self.peers[index].persons[person]
                .text(&address)
                .unwrap_or_default();
            let place = self.place(&text);
            self.peers[index].persons[person].select(&address, place, place);
        }
    }

    /// A place between characters, in UTF-16 units.
    fn place(&mut self, text: &str) -> u32 {
        let at = self.random.index(text.chars().count() + 1);
        text.chars().take(at).map(|c| c.len_utf16() as u32).sum()
    }

    fn change(&mut self, text: &str) -> Vec<TextChange> {
        let chars = text.chars().count();
        let mut changes = Vec::new();
        let places = if self.random.chance(15) { 2 } else { 1 };
        let mut from_char = 0;
        for _ in 0..places {
            if from_char > chars {
                break;
            }
            let at = from_char + self.random.index(chars - from_char + 1);
            let left = chars - at;
            let long = chars > TEXT_CHARS_MAX;
            let delete = match self.random.below(if long { 3 } else { 10 }) {
                0..=1 => self.random.index(left.min(if long { 40 } else { 8 }) + 1),
                _ => 0,
            };
            let typed = self
                .random
                .between(u64::from(delete == 0), if long { 1 } else { 5 })
                as usize;
            let mut insert = self.ledger.type_text(typed);
            if self.random.chance(8) {
                insert.push_str(CANARY);
            }
            let from = units(&text.chars().take(at).collect::<String>());
            let gone: String = text.chars().skip(at).take(delete).collect();
            changes.push(TextChange {
                from,
                delete: units(&gone),
                insert,
            });
            // The next one stands behind, with a character between.
            from_char = at + delete + 1;
        }
        changes.retain(|change| change.delete > 0 || !change.insert.is_empty());
        changes
    }

    /// What a person asked for is answered.
    pub fn follow_up(&mut self, index: usize, person: usize, done: Done, commits: u64) {
        match done {
            Done::Identity(_) => {}
            Done::Space(Ok(space)) => {
                self.space.get_or_insert(space);
            }
            Done::Space(Err(_)) => {}
            Done::Invited(result) => self.invited(index, result),
            Done::Joining(result) => self.join_began(index, result),
            Done::Wrote(kind, edits, result) => self.wrote(index, kind, edits, result, commits),
            Done::Opened(_, result) => {
                if result.is_err() {
                    count(&mut self.notes, "texts not opened");
                }
            }
            Done::Objects(result) => {
                if let Ok(views) = result {
                    self.answers.insert((index, person), views);
                }
            }
            Done::Stats(result) => {
                if let Ok(figures) = result {
                    self.figures.insert(index, figures);
                }
            }
            Done::Verified(Ok(found)) => {
                count(&mut self.notes, "spaces verified");
                if !found.is_sound() {
                    self.violate(format!(
                        "peer {index}'s tables are not what entries make: {found:?}"
                    ));
                }
            }
            Done::Verified(Err(failure)) => {
                self.say(|| format!("peer {index}: verify: {failure}"));
            }
            Done::Other(name, result) => {
                if let Err(failure) = result {
                    self.say(|| format!("peer {index}: {name}: {failure}"));
                }
            }
        }
    }

    fn wrote(
        &mut self,
        index: usize,
        kind: &'static str,
        edits: Vec<EditId>,
        result: Result<(), dxos_services::Failure>,
        commits: u64,
    ) {
        match result {
            Ok(()) => {
                count(&mut self.writes, kind);
                edits
                    .into_iter()
                    .for_each(|edit| self.ledger.acknowledged(edit, commits));
            }
            Err(failure) => {
                edits.into_iter().for_each(|edit| self.ledger.refused(edit));
                count(
                    &mut self.notes,
                    match failure.kind {
                        FailureKind::Storage => "writes refused: storage",
                        FailureKind::StorageFull => "writes refused: storage full",
                        FailureKind::NotFound => "writes refused: not found",
                        FailureKind::NotAllowed => "writes refused: not allowed",
                        _ => "writes refused: other",
                    },
                );
                self.say(|| format!("peer {index}: {kind} is refused: {failure}"));
            }
        }
    }
}
