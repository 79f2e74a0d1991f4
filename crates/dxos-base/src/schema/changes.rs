//! Changes of a type's fields at run time. Each is all or nothing and leaves a sound schema.
//!
//! What becomes of stored data: nothing is rewritten. A removed field's values stay and show as unknown ones; a
//! renamed field reads values, and queries find them, under its former names; a retyped field's old values are misfits until written anew.

use super::{Field, FieldType, Notes, SchemaError, TypeSchema};

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldChange {
    /// A new field, before the one at this place, or last.
    Add {
        /// The field.
        field: Field,
        /// Its place; `None`: last.
        at: Option<usize>,
    },
    /// Another name; the present one becomes an alias.
    Rename {
        /// Present name.
        from: String,
        /// New name.
        to: String,
    },
    /// No field any more.
    Remove {
        /// Its name.
        name: String,
    },
    /// Takes other values.
    Retype {
        /// Its name.
        name: String,
        /// The new kind. A default that no longer fits goes.
        kind: FieldType,
    },
    /// Other annotations.
    Annotate {
        /// Its name.
        name: String,
        /// All of them, anew.
        notes: Notes,
    },
    /// Objects without it do not fit, or do.
    Require {
        /// Its name.
        name: String,
        /// Whether it is needed.
        required: bool,
    },
    /// Another place in the order.
    Move {
        /// Its name.
        name: String,
        /// Its place when it is taken out; beyond the end: last.
        to: usize,
    },
    /// Another field titles objects, or none.
    Label {
        /// The field.
        name: Option<String>,
    },
}

/// Why a change was refused; the schema is as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldChangeError {
    /// No such field.
    #[error("{schema} has no field \"{name}\"")]
    NoField {
        /// The type's name.
        schema: String,
        /// The name given.
        name: String,
    },
    /// The schema would not be sound.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl TypeSchema {
    /// Makes a change.
    ///
    /// # Errors
    /// When there is no such field, or the schema would not be sound; then nothing is changed.
    pub fn change(&mut self, change: FieldChange) -> Result<(), FieldChangeError> {
        let mut changed = self.clone();
        changed.change_unchecked(change)?;
        changed.check()?;
        *self = changed;
        Ok(())
    }

    fn place(&self, name: &str) -> Result<usize, FieldChangeError> {
        let found = self.fields.iter().position(|field| field.name == name);
        found.ok_or_else(|| FieldChangeError::NoField {
            schema: self.name.clone(),
            name: name.to_owned(),
        })
    }

    fn change_unchecked(&mut self, change: FieldChange) -> Result<(), FieldChangeError> {
        match change {
            FieldChange::Add { field, at } => {
                let at = at.unwrap_or(usize::MAX).min(self.fields.len());
                self.fields.insert(at, field);
            }
            FieldChange::Rename { from, to } => {
                let at = self.place(&from)?;
                if self.label.as_ref() == Some(&from) {
                    self.label = Some(to.clone());
                }
                let field = &mut self.fields[at];
                field.aliases.retain(|alias| *alias != to);
                if from != to {
                    field.aliases.push(from);
                }
                field.name = to;
            }
            FieldChange::Remove { name } => {
                let at = self.place(&name)?;
                self.fields.remove(at);
                if self.label.as_ref() == Some(&name) {
                    self.label = None;
                }
            }
            FieldChange::Retype { name, kind } => {
                let at = self.place(&name)?;
                let field = &mut self.fields[at];
                let default = field.notes.default.take();
                field.notes.default =
                    default.filter(|value| super::misfit::misfits_of_item(&kind, value).is_empty());
                field.kind = kind;
            }
            FieldChange::Annotate { name, notes } => {
                let at = self.place(&name)?;
                self.fields[at].notes = notes;
            }
            FieldChange::Require { name, required } => {
                let at = self.place(&name)?;
                self.fields[at].required = required;
            }
            FieldChange::Move { name, to } => {
                let at = self.place(&name)?;
                let field = self.fields.remove(at);
                self.fields.insert(to.min(self.fields.len()), field);
            }
            FieldChange::Label { name } => self.label = name,
        }
        Ok(())
    }
}
