//! What came of an import or export: what was taken, what not, and why.

use dxos_base::limits;

/// What happened to something that a report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It was taken, but not quite as it was.
    Changed,
    /// It was not taken.
    Left,
}

/// One thing worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Which file, object, property or row.
    pub what: String,
    /// What happened to it.
    pub effect: Effect,
    /// Why, for people.
    pub why: String,
}

/// What came of an import or export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects (of an export: files or objects) that were written.
    pub taken: u64,
    /// Objects that were there already, just so.
    pub unchanged: u64,
    /// Objects that were there already, with other values, which stay.
    pub kept: u64,
    /// Things taken in another form.
    pub changed: u64,
    /// Things not taken.
    pub left: u64,
    notes: Vec<Note>,
}

impl Report {
    /// Something was taken, but not quite as it was.
    pub fn change(&mut self, what: impl Into<String>, why: impl ToString) {
        self.changed += 1;
        self.note(Effect::Changed, what.into(), why.to_string());
    }

    /// Something was not taken.
    pub fn leave(&mut self, what: impl Into<String>, why: impl ToString) {
        self.left += 1;
        self.note(Effect::Left, what.into(), why.to_string());
    }

    fn note(&mut self, effect: Effect, what: String, why: String) {
        if self.notes.len() < limits::REPORT_NOTES_MAX {
            self.notes.push(Note { what, effect, why });
        }
    }

    /// What was not taken, or not as it was, in order; at most [`limits::REPORT_NOTES_MAX`].
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How much of it [`notes`](Self::notes) does not name.
    pub fn notes_more(&self) -> u64 {
        self.changed + self.left - self.notes.len() as u64
    }

    /// Takes up what another report tells.
    pub fn merge(&mut self, other: Report) {
        self.taken += other.taken;
        self.unchanged += other.unchanged;
        self.kept += other.kept;
        self.changed += other.changed;
        self.left += other.left;
        let room = limits::REPORT_NOTES_MAX - self.notes.len();
        self.notes.extend(other.notes.into_iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_more_than_it_names() {
        let mut report = Report::default();
        for number in 0..limits::REPORT_NOTES_MAX + 7 {
            report.leave(number.to_string(), "odd");
        }
        assert_eq!(report.notes().len(), limits::REPORT_NOTES_MAX);
        assert_eq!(report.notes_more(), 7);
        let mut other = Report::default();
        other.change("a", "b");
        other.merge(report);
        assert_eq!(
            (other.changed, other.left),
            (1, limits::REPORT_NOTES_MAX as u64 + 7)
        );
    }
}
