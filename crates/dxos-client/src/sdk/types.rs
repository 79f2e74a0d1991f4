//! Types of the code and of a space, and types made at run time.

use std::collections::BTreeMap;

use dxos_base::query::Deleted;
use dxos_base::schema::stored::{self, STORED_TYPE, STORED_TYPE_NAME, StoredType, StoredTypeError};
use dxos_base::schema::{
    FieldChange, Registered, Registry, TypeOrigin, TypeRef, TypeSchema, VersionRange,
};
use dxos_base::{ObjectId, ObjectWrite, Query, Value, key_path};

use super::{Error, Space};
use crate::client::Client;
use crate::promise::promise;

/// The types that objects of a space can have: those of the code, and those kept in the space. Kept up to date.
#[derive(Debug, Clone)]
pub struct Types {
    space: Space,
}

impl Client {
    /// Adds a type of the code to the registry. Types that objects are added with are added by themselves.
    ///
    /// # Errors
    /// [`Error::Register`] when it is not sound, or another one has its name and version.
    pub fn register<T: dxos_base::typed::Object>(&self) -> Result<(), Error> {
        Ok(self.with_registry(|registry| registry.register(T::schema()))?)
    }
}

impl Types {
    /// Follows the stored types of a space, and waits for the first ones.
    pub(super) async fn of(space: Space) -> Result<Types, Error> {
        let client = space.client();
        if !client.follows_types(space.id()) {
            // Refused here, before a subscription waits for a space that never comes.
            space.query(types_query()).first().await?;
            let (sender, first) = promise();
            let sender = std::cell::Cell::new(Some(sender));
            let (weak, id) = (client.downgrade(), space.id());
            let subscription = client.subscribe(id, types_query(), move |views| {
                let Some(client) = weak.upgrade() else { return };
                client.set_stored_types(id, views);
                if let Some(sender) = sender.take() {
                    sender.send(());
                }
            });
            first.await;
            client.follow_types(id, subscription);
        }
        Ok(Types { space })
    }

    /// Reads the stored types anew: what was written shows in the registry when this returns, also what the
    /// subscription is told later.
    async fn refresh(&self) -> Result<(), Error> {
        let client = self.space.client();
        let views = client.query(self.space.id(), types_query()).await?;
        client.set_stored_types(self.space.id(), &views);
        Ok(())
    }

    fn read<R>(&self, read: impl FnOnce(&Registry) -> R) -> R {
        self.space.client().with_registry(|registry| read(registry))
    }

    /// All types, by name and version.
    pub fn all(&self) -> Vec<Registered> {
        self.read(|registry| registry.all(Some(self.space.id())))
    }

    /// A type by exact name and version.
    pub fn get(&self, name: &TypeRef) -> Option<Registered> {
        self.read(|registry| registry.get(Some(self.space.id()), name))
    }

    /// The newest type of a name within a range of versions.
    pub fn newest(&self, name: &str, versions: &VersionRange) -> Option<Registered> {
        self.read(|registry| registry.newest(Some(self.space.id()), name, versions))
    }

    /// Objects of the space that should be types and are not sound, with the reason.
    pub fn unsound(&self) -> Vec<(ObjectId, StoredTypeError)> {
        self.read(|registry| {
            let unsound = registry.unsound(self.space.id()).into_iter();
            unsound
                .map(|(object, error)| (object, error.clone()))
                .collect()
        })
    }

    /// Keeps a new type in the space.
    ///
    /// # Errors
    /// [`Error::Schema`] when it is not sound, [`Error::TypeTaken`] when the space has it.
    pub async fn create(&self, schema: TypeSchema) -> Result<ObjectId, Error> {
        let name = schema.type_ref();
        let taken = || Error::TypeTaken {
            type_name: name.to_string(),
        };
        let stored = StoredType::new(schema)?;
        let object = stored::object_id(&self.space.id(), &name);
        let writes = match self.space.get_view(object).await? {
            Some(view) if view.shown => return Err(taken()),
            // Deleted before: it comes back as described now.
            Some(view) => {
                let mut writes = vec![ObjectWrite::restore(object)];
                let gone = view
                    .values
                    .keys()
                    .filter(|name| !stored.values().contains_key(*name));
                writes.extend(gone.map(|name| ObjectWrite::remove(object, name.as_str())));
                let values = stored.values().into_iter();
                writes.extend(values.map(|(name, value)| ObjectWrite::set(object, name, value)));
                writes
            }
            None => vec![ObjectWrite::create(object, STORED_TYPE, stored.values())],
        };
        self.space.write(writes).await?;
        self.refresh().await?;
        Ok(object)
    }

    /// Changes a stored type: fields are added, renamed, removed, retyped. Objects are not rewritten; see
    /// [`FieldChange`].
    ///
    /// # Errors
    /// [`Error::NoType`] when the space does not keep it, [`Error::FieldChange`] when it cannot be so.
    pub async fn change(
        &self,
        name: &TypeRef,
        changes: impl IntoIterator<Item = FieldChange>,
    ) -> Result<(), Error> {
        let object = stored::object_id(&self.space.id(), name);
        let stored = self.read(|registry| registry.stored(self.space.id(), object).cloned());
        let mut stored = stored.ok_or_else(|| Error::NoType {
            type_name: name.to_string(),
        })?;
        let mut schema = stored.schema().clone();
        for change in changes {
            schema.change(change)?;
        }
        let writes = stored.set_schema(schema)?.into_iter().map(|change| {
            let path = key_path(&change.path);
            match change.value {
                Some(value) => ObjectWrite::set(object, path, value),
                None => ObjectWrite::remove(object, path),
            }
        });
        self.space.write(writes.collect()).await?;
        self.refresh().await
    }

    /// Removes a stored type. Objects of it stay, as objects of a type nobody knows.
    ///
    /// # Errors
    /// [`Error::NoType`] when the space does not keep it.
    pub async fn delete(&self, name: &TypeRef) -> Result<(), Error> {
        match self.get(name) {
            Some(Registered {
                origin: TypeOrigin::Stored { object, .. },
                ..
            }) => {
                self.space.delete(object).await?;
                self.refresh().await
            }
            _ => Err(Error::NoType {
                type_name: name.to_string(),
            }),
        }
    }

    /// Changes properties of an object of any type, checked if its type is known.
    ///
    /// # Errors
    /// [`Error::NoObject`]; [`Error::Misfits`] when a value does not fit.
    pub async fn set(
        &self,
        object: ObjectId,
        values: BTreeMap<String, Option<Value>>,
    ) -> Result<(), Error> {
        let view = self.space.get_view(object).await?.ok_or(Error::NoObject {
            space: self.space.id(),
            object,
        })?;
        let known = self.read(|registry| registry.of_object(self.space.id(), &view.type_name));
        let mut misfits = Vec::new();
        let mut writes = Vec::new();
        for (name, value) in values {
            if let Some(known) = &known {
                misfits.extend(
                    known
                        .schema
                        .misfits_at(std::slice::from_ref(&name), value.as_ref()),
                );
            }
            writes.push(match value {
                Some(value) => ObjectWrite::set(object, name, value),
                None => ObjectWrite::remove(object, name),
            });
        }
        if !misfits.is_empty() {
            let type_name = view.type_name;
            return Err(Error::Misfits { type_name, misfits });
        }
        self.space.write(writes).await
    }
}

fn types_query() -> Query {
    Query::of_type(STORED_TYPE_NAME).deleted(Deleted::Exclude)
}
