//! Counters, sets and lists in the ledger: every step counts once, every member and element is another one.
//!
//! Invariants
//! * a counter shows all acknowledged steps, and of those without an answer any;
//! * an acknowledged member or element shows exactly once, unless somebody took it out; what an acknowledged edit took
//!   out stays out, whatever it was moved to or written into meanwhile;
//! * what was refused never shows.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::{ObjectId, ObjectView, SpaceId, Value};

use super::{Edit, EditId, Fate, Ledger, Register, What};
use crate::tap::CANARY;

/// A counter; steps are positive.
pub const VOTES: &str = "votes";
/// A set.
pub const MEMBERS: &str = "members";
/// A list of numbers.
pub const ITEMS: &str = "items";
/// A list of maps.
pub const PARTS: &str = "parts";
/// The set of tags.
pub const TAGS: &str = "@tags";

/// A member of a set, by its number.
pub fn named(number: i64) -> String {
    format!("{CANARY} {number}")
}

/// The numbers in a set or list, in the order shown; what is no number counts as 0, which nobody writes.
pub fn items(view: &ObjectView, name: &str) -> Vec<i64> {
    let of_name = |name: &str| {
        let number = name.rsplit(' ').next().and_then(|last| last.parse().ok());
        number.unwrap_or(0)
    };
    if name == TAGS {
        return view.meta.tags.iter().map(|tag| of_name(tag)).collect();
    }
    let number = |value: &Value| match value {
        Value::Map(values) => values.get("n").and_then(Value::as_int).unwrap_or(0),
        value => value.as_int().unwrap_or(0),
    };
    match view.values.get(name) {
        Some(Value::List(values)) => values.iter().map(number).collect(),
        Some(set @ Value::Map(_)) => set.members().map(of_name).collect(),
        _ => Vec::new(),
    }
}

impl Ledger {
    /// A counter is counted up.
    pub fn step(&mut self, peer: usize, register: Register, by: i64) -> EditId {
        self.record(peer, What::Step { register, by })
    }

    /// Something is put into a set or list, or taken out.
    pub fn item(
        &mut self,
        peer: usize,
        register: Register,
        added: Option<i64>,
        removed: Option<i64>,
    ) -> EditId {
        let what = What::Item {
            register,
            added,
            removed,
        };
        self.record(peer, what)
    }

    /// Whether counters, sets and lists at the end are what the edits allow.
    pub(super) fn check_collections(
        &self,
        space: SpaceId,
        views: &BTreeMap<ObjectId, &ObjectView>,
    ) -> Result<(), String> {
        let mut registers: BTreeMap<&Register, Vec<&Edit>> = BTreeMap::new();
        for edit in &self.edits {
            if let What::Step { register, .. } | What::Item { register, .. } = &edit.what
                && register.0 == space
            {
                registers.entry(register).or_default().push(edit);
            }
        }
        for (register, edits) in registers {
            let Some(view) = views.get(&register.1) else {
                continue;
            };
            let checked = match register.2.as_str() {
                VOTES => check_counter(view, &edits),
                name => check_items(&items(view, name), &edits),
            };
            checked.map_err(|words| format!("{}.{}: {words}", register.1, register.2))?;
        }
        Ok(())
    }
}

fn check_counter(view: &ObjectView, edits: &[&Edit]) -> Result<(), String> {
    let (mut least, mut most) = (0, 0);
    for edit in edits {
        let What::Step { by, .. } = &edit.what else {
            continue;
        };
        match edit.fate {
            Fate::Acknowledged { .. } => (least, most) = (least + by, most + by),
            Fate::Sent | Fate::Lost => most += by,
            Fate::Refused => {}
        }
    }
    let found = match view.values.get(VOTES) {
        Some(Value::Counter(count)) => *count,
        None => 0,
        other => return Err(format!("{other:?} is no counter")),
    };
    match (least..=most).contains(&found) {
        true => Ok(()),
        false => Err(format!("is {found}, not from {least} to {most}")),
    }
}

fn check_items(shown: &[i64], edits: &[&Edit]) -> Result<(), String> {
    let distinct: BTreeSet<i64> = shown.iter().copied().collect();
    if distinct.len() != shown.len() {
        return Err(format!("something shows more than once: {shown:?}"));
    }
    let (mut known, mut tried) = (BTreeSet::new(), BTreeSet::new());
    for edit in edits.iter().filter(|edit| edit.fate != Fate::Refused) {
        let What::Item { added, removed, .. } = &edit.what else {
            continue;
        };
        known.extend(*added);
        tried.extend(*removed);
    }
    if let Some(stranger) = distinct.difference(&known).next() {
        return Err(format!(
            "{stranger} shows, nobody wrote it or it was refused"
        ));
    }
    for edit in edits {
        let (Fate::Acknowledged { .. }, What::Item { added, removed, .. }) =
            (edit.fate, &edit.what)
        else {
            continue;
        };
        if let Some(lost) = added.filter(|item| !distinct.contains(item) && !tried.contains(item)) {
            return Err(format!("{lost} of peer {} is lost", edit.peer));
        }
        if let Some(back) = removed.filter(|item| distinct.contains(item)) {
            return Err(format!("{back} is back, peer {} took it out", edit.peer));
        }
    }
    Ok(())
}
