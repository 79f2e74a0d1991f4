//! What people did and what they were told of it: the measure of "no acknowledged edit is lost".
//!
//! Every character typed in a run is another one and every property value, member and element written is another one, so
//! each can be found again in what the replicas show at the end.
//!
//! Invariants
//! * an acknowledged insertion shows exactly once, unless somebody deleted it; an acknowledged deletion stays;
//! * a counter is the sum of the acknowledged steps, and of some of those whose fate is not known;
//! * what was refused never shows; what was sent and not answered may;
//! * the value of a property is that of a write nobody who had seen it has replaced (by a write that lasts).

mod collections;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{ObjectId, ObjectView, SpaceId, Value};
use dxos_services::TextAddress;

pub use collections::{ITEMS, MEMBERS, PARTS, TAGS, VOTES, items, named};

/// Names an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EditId(usize);

/// What became of an edit, as far as its author knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// No answer yet, or none will come: may show.
    Sent,
    /// Lasts. Stood on the peer's disk after so many commits.
    Acknowledged { commits: u64 },
    /// Acknowledged and gone with a power loss, before it was synced: may show.
    Lost,
    /// Taken back: never shows.
    Refused,
}

#[derive(Debug)]
struct Edit {
    peer: usize,
    fate: Fate,
    what: What,
}

#[derive(Debug)]
enum What {
    Text {
        address: TextAddress,
        inserted: Vec<char>,
        deleted: BTreeSet<char>,
    },
    Create {
        space: SpaceId,
        object: ObjectId,
    },
    Property {
        register: Register,
        value: Option<Value>,
        over: BTreeSet<EditId>,
    },
    Count {
        space: SpaceId,
        object: ObjectId,
        by: i64,
    },
    Shown {
        space: SpaceId,
        object: ObjectId,
        shown: bool,
        over: BTreeSet<EditId>,
    },
    Step {
        register: Register,
        by: i64,
    },
    Item {
        register: Register,
        added: Option<i64>,
        removed: Option<i64>,
    },
}

/// A property of an object.
pub type Register = (SpaceId, ObjectId, String);

/// First of the characters people type; each is used once. Planes 15 and 16 are for private use: nothing else has them.
const FIRST_CHARACTER: u32 = 0xF_0000;
/// Every third character is one UTF-16 unit, from the private use area of the first plane, as long as it lasts.
const FIRST_SHORT_CHARACTER: u32 = 0xE000;
const LAST_SHORT_CHARACTER: u32 = 0xF8FF;

/// See the module.
#[derive(Debug, Default)]
pub struct Ledger {
    edits: Vec<Edit>,
    characters: u32,
    values: i64,
}

/// Whether a character is one that [`Ledger::type_text`] gave.
pub fn is_typed(character: char) -> bool {
    (FIRST_SHORT_CHARACTER..=LAST_SHORT_CHARACTER).contains(&(character as u32))
        || (character as u32) >= FIRST_CHARACTER
}

impl Ledger {
    /// `count` characters that nobody typed before.
    pub fn type_text(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| {
                self.characters += 1;
                let short = FIRST_SHORT_CHARACTER + self.characters / 3;
                let code = if self.characters.is_multiple_of(3) && short <= LAST_SHORT_CHARACTER {
                    short
                } else {
                    FIRST_CHARACTER + self.characters
                };
                // Planes end with two code points that are no characters, but are scalar values all the same.
                char::from_u32(code).unwrap_or(char::MAX)
            })
            .collect()
    }

    /// A number that nobody wrote before.
    pub fn fresh_value(&mut self) -> i64 {
        self.values += 1;
        self.values
    }

    fn record(&mut self, peer: usize, what: What) -> EditId {
        self.edits.push(Edit {
            peer,
            fate: Fate::Sent,
            what,
        });
        EditId(self.edits.len() - 1)
    }

    /// A change of a text is sent: what it shows goes from `before` to `after`.
    pub fn text(&mut self, peer: usize, address: TextAddress, before: &str, after: &str) -> EditId {
        let old: BTreeSet<char> = before.chars().filter(|c| is_typed(*c)).collect();
        let inserted: Vec<char> = after
            .chars()
            .filter(|c| is_typed(*c) && !old.contains(c))
            .collect();
        let kept: BTreeSet<char> = after.chars().collect();
        let deleted = old.into_iter().filter(|c| !kept.contains(c)).collect();
        self.record(
            peer,
            What::Text {
                address,
                inserted,
                deleted,
            },
        )
    }

    /// An object is made.
    pub fn create(&mut self, peer: usize, space: SpaceId, object: ObjectId) -> EditId {
        self.record(peer, What::Create { space, object })
    }

    /// A property is written or removed by someone who has seen `seen` there and made the edits `own`.
    pub fn property(
        &mut self,
        peer: usize,
        register: Register,
        value: Option<Value>,
        seen: Option<&Value>,
        own: &[EditId],
    ) -> EditId {
        let mut over = BTreeSet::new();
        for (number, edit) in self.edits.iter().enumerate() {
            let What::Property {
                register: other,
                value,
                over: before,
            } = &edit.what
            else {
                continue;
            };
            let known = own.contains(&EditId(number)) || (seen.is_some() && value.as_ref() == seen);
            if *other == register && known {
                over.insert(EditId(number));
                over.extend(before);
            }
        }
        self.record(
            peer,
            What::Property {
                register,
                value,
                over,
            },
        )
    }

    /// The counter `steps` of an object is stepped.
    pub fn count(&mut self, peer: usize, space: SpaceId, object: ObjectId, by: i64) -> EditId {
        self.record(peer, What::Count { space, object, by })
    }

    /// An object is deleted or restored by someone who made the edits `own`.
    pub fn show(
        &mut self,
        peer: usize,
        space: SpaceId,
        object: ObjectId,
        shown: bool,
        own: &[EditId],
    ) -> EditId {
        let mut over = BTreeSet::new();
        for (number, edit) in self.edits.iter().enumerate() {
            if let What::Shown {
                space: in_space,
                object: of,
                over: before,
                ..
            } = &edit.what
                && (*in_space, *of) == (space, object)
                && own.contains(&EditId(number))
            {
                over.insert(EditId(number));
                over.extend(before);
            }
        }
        self.record(
            peer,
            What::Shown {
                space,
                object,
                shown,
                over,
            },
        )
    }

    /// The author was told that the edit lasts; the peer's store had made so many commits.
    pub fn acknowledged(&mut self, edit: EditId, commits: u64) {
        self.edits[edit.0].fate = Fate::Acknowledged { commits };
    }

    /// The author was told that the edit is taken back.
    pub fn refused(&mut self, edit: EditId) {
        self.edits[edit.0].fate = Fate::Refused;
    }

    /// A refusal that does not promise that nothing was stored: the edit may show.
    pub fn unsure(&mut self, edit: EditId) {
        self.edits[edit.0].fate = Fate::Sent;
    }

    /// A peer lost power: commits after the first `kept` are gone, and with them what was not synced.
    pub fn power_lost(&mut self, peer: usize, kept: u64) {
        for edit in &mut self.edits {
            if edit.peer == peer
                && let Fate::Acknowledged { commits } = edit.fate
                && commits > kept
            {
                edit.fate = Fate::Lost;
            }
        }
    }

    /// What a peer wrote becomes void though others have applied it: a step of a counter it began, or a member of a list it
    /// made, may go with it.
    pub fn doubt_collections(&mut self) {
        for edit in &mut self.edits {
            let within = matches!(edit.what, What::Step { .. } | What::Item { .. });
            if within && matches!(edit.fate, Fate::Acknowledged { .. }) {
                edit.fate = Fate::Lost;
            }
        }
    }

    /// How many edits last.
    pub fn lasting(&self) -> usize {
        self.edits
            .iter()
            .filter(|edit| matches!(edit.fate, Fate::Acknowledged { .. }))
            .count()
    }

    /// The texts somebody edited.
    pub fn texts(&self) -> BTreeSet<TextAddress> {
        let address = |edit: &Edit| match &edit.what {
            What::Text { address, .. } => Some(address.clone()),
            _ => None,
        };
        self.edits.iter().filter_map(address).collect()
    }

    /// Whether a text at the end is what the edits allow.
    pub fn check_text(&self, address: &TextAddress, text: &str) -> Result<(), String> {
        let places: BTreeMap<char, usize> =
            text.chars().enumerate().map(|(at, c)| (c, at)).collect();
        let typed = text.chars().filter(|c| is_typed(*c)).count();
        let distinct = places.keys().filter(|c| is_typed(**c)).count();
        if typed != distinct {
            return Err(format!(
                "{} characters show more than once",
                typed - distinct
            ));
        }
        let (mut known, mut deleted, mut tried) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let of_text =
            |edit: &&Edit| matches!(&edit.what, What::Text { address: of, .. } if of == address);
        for edit in self.edits.iter().filter(of_text) {
            let What::Text {
                inserted,
                deleted: gone,
                ..
            } = &edit.what
            else {
                continue;
            };
            known.extend(inserted.iter().copied());
            match edit.fate {
                Fate::Acknowledged { .. } => deleted.extend(gone.iter().copied()),
                Fate::Refused => continue,
                Fate::Sent | Fate::Lost => {}
            }
            tried.extend(gone.iter().copied());
        }
        if let Some(stranger) = places.keys().find(|c| is_typed(**c) && !known.contains(*c)) {
            return Err(format!(
                "U+{:X} shows and nobody typed it here",
                *stranger as u32
            ));
        }
        if let Some(back) = places.keys().find(|c| deleted.contains(*c)) {
            return Err(format!(
                "U+{:X} shows, an acknowledged edit deleted it",
                *back as u32
            ));
        }
        for (number, edit) in self.edits.iter().enumerate() {
            let What::Text {
                address: of,
                inserted,
                ..
            } = &edit.what
            else {
                continue;
            };
            if of == address {
                check_insertion(edit, number, inserted, &places, &tried)?;
            }
        }
        Ok(())
    }

    /// Whether the objects of a space at the end are what the edits allow; deleted ones are among them.
    pub fn check_objects(&self, space: SpaceId, views: &[ObjectView]) -> Result<(), String> {
        let views: BTreeMap<ObjectId, &ObjectView> =
            views.iter().map(|view| (view.object, view)).collect();
        let mut registers: BTreeMap<(ObjectId, &str), Vec<EditId>> = BTreeMap::new();
        let mut shown: BTreeMap<ObjectId, Vec<EditId>> = BTreeMap::new();
        for (number, edit) in self.edits.iter().enumerate() {
            match &edit.what {
                What::Create { space: of, object } if *of == space => {
                    let here = views.contains_key(object);
                    if matches!(edit.fate, Fate::Acknowledged { .. }) && !here {
                        return Err(format!(
                            "{object}: its creation (edit {number}) was acknowledged, it is gone"
                        ));
                    }
                }
                What::Property { register, .. } if register.0 == space => {
                    registers
                        .entry((register.1, register.2.as_str()))
                        .or_default()
                        .push(EditId(number));
                }
                What::Shown {
                    space: of, object, ..
                } if *of == space => {
                    shown.entry(*object).or_default().push(EditId(number));
                }
                _ => {}
            }
        }
        for (object, view) in &views {
            self.check_count(space, *object, view)?;
        }
        for ((object, property), edits) in &registers {
            let Some(view) = views.get(object) else {
                continue;
            };
            let found = view.values.get(*property);
            let explained = self.choices(edits).into_iter().any(|choice| match choice {
                None => found.is_none(),
                Some(edit) => {
                    matches!(&edit.what, What::Property { value, .. } if value.as_ref() == found)
                }
            });
            if !explained {
                return Err(format!(
                    "{object}.{property} is {found:?}: {}",
                    self.story(edits)
                ));
            }
        }
        self.check_collections(space, &views)?;
        for (object, edits) in &shown {
            // What stands below a deleted object is hidden, whatever was done to itself.
            let hidden_above = |view: &&&ObjectView| view.shown || view.meta.parent.is_none();
            let Some(view) = views.get(object).filter(hidden_above) else {
                continue;
            };
            let explained = self.choices(edits).into_iter().any(|choice| match choice {
                None => view.shown,
                Some(edit) => matches!(edit.what, What::Shown { shown, .. } if shown == view.shown),
            });
            if !explained {
                return Err(format!(
                    "{object} shown: {}: {}",
                    view.shown,
                    self.story(edits)
                ));
            }
        }
        Ok(())
    }

    fn check_count(
        &self,
        space: SpaceId,
        object: ObjectId,
        view: &ObjectView,
    ) -> Result<(), String> {
        let (mut least, mut most) = (0, 0);
        for edit in &self.edits {
            let What::Count {
                space: in_space,
                object: of,
                by,
            } = edit.what
            else {
                continue;
            };
            if (in_space, of) != (space, object) {
                continue;
            }
            match edit.fate {
                Fate::Acknowledged { .. } => (least, most) = (least + by, most + by),
                Fate::Sent | Fate::Lost => most += by,
                Fate::Refused => {}
            }
        }
        let found = match view.values.get("steps") {
            Some(Value::Counter(total)) => *total,
            None => 0,
            Some(other) => return Err(format!("{object}.steps is {other:?}")),
        };
        match (least..=most).contains(&found) {
            true => Ok(()),
            false => Err(format!(
                "{object}.steps is {found}, not between {least} and {most}"
            )),
        }
    }

    /// The edits of a register that may be the last, and `None` if it may be as it was before all.
    fn choices(&self, edits: &[EditId]) -> Vec<Option<&Edit>> {
        let lasts = |id: &&EditId| matches!(self.edits[id.0].fate, Fate::Acknowledged { .. });
        let mut replaced: BTreeSet<EditId> = BTreeSet::new();
        for id in edits.iter().filter(lasts) {
            replaced.extend(self.over(*id));
        }
        let mut choices: Vec<Option<&Edit>> = edits
            .iter()
            .filter(|id| !replaced.contains(id) && self.edits[id.0].fate != Fate::Refused)
            .map(|id| Some(&self.edits[id.0]))
            .collect();
        if !edits.iter().any(|edit| lasts(&edit)) {
            choices.push(None);
        }
        choices
    }

    fn over(&self, id: EditId) -> &BTreeSet<EditId> {
        static NONE: BTreeSet<EditId> = BTreeSet::new();
        match &self.edits[id.0].what {
            What::Property { over, .. } | What::Shown { over, .. } => over,
            _ => &NONE,
        }
    }

    fn story(&self, edits: &[EditId]) -> String {
        let tell = |id: &EditId| {
            let edit = &self.edits[id.0];
            let what = match &edit.what {
                What::Property { value, .. } => format!("{value:?}"),
                What::Shown { shown, .. } => format!("shown {shown}"),
                _ => String::new(),
            };
            let over: Vec<usize> = self.over(*id).iter().map(|id| id.0).collect();
            format!(
                "\n  edit {} of peer {}: {what}, {:?}, over {over:?}",
                id.0, edit.peer, edit.fate
            )
        };
        edits.iter().map(tell).collect()
    }
}

fn check_insertion(
    edit: &Edit,
    number: usize,
    inserted: &[char],
    places: &BTreeMap<char, usize>,
    deleted: &BTreeSet<char>,
) -> Result<(), String> {
    let who = || format!("edit {number} of peer {}", edit.peer);
    match edit.fate {
        Fate::Refused => {
            if let Some(back) = inserted.iter().find(|c| places.contains_key(c)) {
                return Err(format!(
                    "U+{:X} of {} shows, it was refused",
                    *back as u32,
                    who()
                ));
            }
        }
        Fate::Acknowledged { .. } => {
            if let Some(lost) = inserted
                .iter()
                .find(|c| !places.contains_key(c) && !deleted.contains(c))
            {
                return Err(format!(
                    "U+{:X} of {} is lost, it was acknowledged",
                    *lost as u32,
                    who()
                ));
            }
        }
        Fate::Sent | Fate::Lost => {}
    }
    Ok(())
}
