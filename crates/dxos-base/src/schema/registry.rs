//! All types a program knows: those of its code, and those stored in open spaces.
//!
//! Invariants
//! * within a space, (name, version) means one schema: the code's if it has one (the program relies on it), else the
//!   stored one;
//! * a stored type that is not sound is listed with the reason, and changes nothing else;
//! * at most [`limits::TYPES_MAX`] types.

use std::collections::BTreeMap;
use std::sync::Arc;

use litemap::LiteMap;

use super::stored::{StoredType, StoredTypeError};
use super::{SchemaError, TypeRef, TypeSchema};
use crate::ids::{ObjectId, SpaceId};
use crate::limits;
use crate::query::{Query, VersionRange};
use crate::value::Value;

/// Where a type is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TypeOrigin {
    /// The program's code.
    Code,
    /// An object of a space.
    Stored {
        /// The space.
        space: SpaceId,
        /// The object that keeps it.
        object: ObjectId,
    },
}

/// A type and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The schema.
    pub schema: Arc<TypeSchema>,
    /// Where it is from.
    pub origin: TypeOrigin,
}

/// Why a type of the code was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The schema is not sound.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The code has another schema of this name and version.
    #[error("two schemas are named {0}")]
    Twice(TypeRef),
    /// Too many types.
    #[error("more than {max} types")]
    Full {
        /// Types allowed.
        max: usize,
    },
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    code: LiteMap<TypeRef, Arc<TypeSchema>>,
    stored: LiteMap<SpaceId, BTreeMap<ObjectId, Stored>>,
}

type Stored = Result<(StoredType, Arc<TypeSchema>), StoredTypeError>;

impl Registry {
    /// Takes a type of the code. Taking the same again does nothing.
    ///
    /// # Errors
    /// When it is not sound, or another one has its name and version.
    pub fn register(&mut self, schema: &TypeSchema) -> Result<(), RegisterError> {
        schema.check()?;
        let name = schema.type_ref();
        match self.code.get(&name) {
            Some(known) if **known == *schema => return Ok(()),
            Some(_) => return Err(RegisterError::Twice(name)),
            None if self.code.len() >= limits::TYPES_MAX => {
                return Err(RegisterError::Full {
                    max: limits::TYPES_MAX,
                });
            }
            None => {}
        }
        self.code.insert(name, Arc::new(schema.clone()));
        Ok(())
    }

    /// Replaces the stored types of a space by what its objects of type `org.dxos.type.Schema` hold now; beyond the
    /// limit they are left out. Tells whether anything changed.
    pub fn set_stored<'a>(
        &mut self,
        space: SpaceId,
        objects: impl IntoIterator<Item = (ObjectId, &'a BTreeMap<String, Value>)>,
    ) -> bool {
        let read = |(object, values)| {
            let stored = StoredType::read(values).map(|stored| {
                let schema = Arc::new(stored.schema().clone());
                (stored, schema)
            });
            (object, stored)
        };
        let types = objects
            .into_iter()
            .take(limits::TYPES_MAX)
            .map(read)
            .collect();
        if self.stored.get(&space) == Some(&types) {
            return false;
        }
        self.stored.insert(space, types);
        true
    }

    /// Forgets the stored types of a space.
    pub fn remove_space(&mut self, space: &SpaceId) {
        self.stored.remove(space);
    }

    /// A type by exact name and version, as `space` sees it (`None`: the code's alone).
    pub fn get(&self, space: Option<SpaceId>, name: &TypeRef) -> Option<Registered> {
        if let Some(schema) = self.code.get(name) {
            return Some(Registered {
                schema: schema.clone(),
                origin: TypeOrigin::Code,
            });
        }
        let stored = self.stored_in(space);
        stored
            .into_iter()
            .find(|found| found.schema.name == name.name && found.schema.version == name.version)
    }

    /// The newest type of a name within a range of versions, as `space` sees it.
    pub fn newest(
        &self,
        space: Option<SpaceId>,
        name: &str,
        versions: &VersionRange,
    ) -> Option<Registered> {
        let fits = |found: &Registered| {
            found.schema.name == name && versions.contains(found.schema.version)
        };
        // `all` is in the order of names and versions.
        self.all(space).into_iter().rfind(fits)
    }

    /// The type an object names in `@type`; `None`: untyped, or unknown.
    pub fn of_object(&self, space: SpaceId, type_name: &str) -> Option<Registered> {
        self.get(Some(space), &type_name.parse().ok()?)
    }

    /// All types as `space` sees them, by name and version.
    pub fn all(&self, space: Option<SpaceId>) -> Vec<Registered> {
        let mut types: BTreeMap<TypeRef, Registered> = BTreeMap::new();
        for found in self.stored_in(space) {
            types.entry(found.schema.type_ref()).or_insert(found);
        }
        for (name, schema) in &self.code {
            let found = Registered {
                schema: schema.clone(),
                origin: TypeOrigin::Code,
            };
            types.insert(name.clone(), found);
        }
        types.into_values().collect()
    }

    /// Lets a query asked in `space` look under names that fields of known types had before.
    pub fn add_former_names(&self, space: SpaceId, query: &mut Query) {
        let mut known: Vec<&TypeSchema> = self.code.values().map(|schema| &**schema).collect();
        for (of, types) in &self.stored {
            if query.scope.includes(space, *of) {
                let types = types.values().flatten();
                known.extend(types.map(|(_, schema)| &**schema));
            }
        }
        known.retain(|schema| schema.fields.iter().any(|field| !field.aliases.is_empty()));
        query.add_former_names(known.into_iter().rev());
    }

    /// The stored type kept in an object.
    pub fn stored(&self, space: SpaceId, object: ObjectId) -> Option<&StoredType> {
        let stored = self.stored.get(&space)?.get(&object)?;
        stored.as_ref().ok().map(|(stored, _)| stored)
    }

    /// Objects of a space that should be types and are not sound, with the reason.
    pub fn unsound(&self, space: SpaceId) -> Vec<(ObjectId, &StoredTypeError)> {
        let types = self.stored.get(&space).into_iter().flatten();
        types
            .filter_map(|(object, stored)| Some((*object, stored.as_ref().err()?)))
            .collect()
    }

    fn stored_in(&self, space: Option<SpaceId>) -> Vec<Registered> {
        let Some(space) = space else {
            return Vec::new();
        };
        let registered = |(object, stored): (&ObjectId, &Stored)| {
            let (_, schema) = stored.as_ref().ok()?;
            Some(Registered {
                schema: schema.clone(),
                origin: TypeOrigin::Stored {
                    space,
                    object: *object,
                },
            })
        };
        let types = self.stored.get(&space).into_iter().flatten();
        types.filter_map(registered).collect()
    }
}
