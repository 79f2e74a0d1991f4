//! One object, by its id.

use std::marker::PhantomData;

use dxos_base::query::Deleted;
use dxos_base::schema::Step;
use dxos_base::typed::{Field, Object, Property, Ref, Text, read_field, update_writes};
use dxos_base::{ObjectId, ObjectWrite, Query, TextChange, Value};
use dxos_services::TextAddress;

use super::{Error, Found, Space, Watch};
use crate::client::Client;
use crate::session::{TextSession, TextSink};

/// An object of type `T`, whether it is there (yet) or not. Holds no values: reading gives those of now.
pub struct ObjectHandle<T> {
    space: Space,
    id: ObjectId,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for ObjectHandle<T> {
    fn clone(&self) -> Self {
        ObjectHandle {
            space: self.space.clone(),
            id: self.id,
            of: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for ObjectHandle<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ObjectHandle({})", self.id)
    }
}

impl<T> ObjectHandle<T> {
    pub(super) fn new(space: Space, id: ObjectId) -> Self {
        ObjectHandle {
            space,
            id,
            of: PhantomData,
        }
    }

    /// The object's id.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// Its space.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// A reference to it from within its space.
    pub fn to_ref(&self) -> Ref<T> {
        Ref::to(self.id)
    }

    /// Deletes it, restorably.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn delete(&self) -> Result<(), Error> {
        self.space.delete(self.id).await
    }

    /// Brings it back.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn restore(&self) -> Result<(), Error> {
        self.space.restore(self.id).await
    }
}

impl<T: Object> ObjectHandle<T> {
    /// The object now.
    ///
    /// # Errors
    /// [`Error::NoObject`] when it is not there or deleted.
    pub async fn get(&self) -> Result<Found<T>, Error> {
        let found = self.space.get(self.id).await?;
        found.ok_or(Error::NoObject {
            space: self.space.id(),
            object: self.id,
        })
    }

    /// Its Rust value now.
    ///
    /// # Errors
    /// As [`ObjectHandle::get`]; [`Error::Misfits`] with the path that does not fit.
    pub async fn value(&self) -> Result<T, Error> {
        self.get().await?.into_value()
    }

    /// Changes it: what `change` makes other is written, at the deepest path, all in one entry. Counters are counted,
    /// sets and lists change by member and element, so changes that others make meanwhile stand.
    ///
    /// # Errors
    /// As [`ObjectHandle::value`]; [`Error::Misfits`] when it does not fit afterwards.
    pub async fn update(&self, change: impl FnOnce(&mut T)) -> Result<(), Error> {
        let found: Found<T> = self.get().await?;
        let writes = changes(self.space.client(), &found, change)?;
        self.space.write(writes).await
    }

    /// Sets one property, whatever it was.
    ///
    /// # Errors
    /// [`Error::Misfits`] when the value does not fit; [`Error::Node`] when the role does not allow it.
    pub async fn set<V: Property>(
        &self,
        field: Field<T, V>,
        value: impl Into<V>,
    ) -> Result<(), Error> {
        let value = checked_value(field, value.into())?;
        let write = set_write(self.id, field, value);
        self.space.write(vec![write]).await
    }

    /// The object now and whenever it changes; `None` while it is not there or deleted.
    pub fn watch(&self) -> Watch<Option<Found<T>>>
    where
        T: Clone + PartialEq,
    {
        let query = Query::of_ids([self.id]).deleted(Deleted::Include);
        let (client, space) = (self.space.client(), self.space.id());
        Watch::new(client, |teller| {
            client.subscribe(space, query, move |views| {
                let view = views.first().filter(|view| view.shown);
                teller.tell(view.map(Found::read));
            })
        })
    }

    /// One property now and whenever it changes.
    pub fn watch_property<V: Property + PartialEq + 'static>(
        &self,
        field: Field<T, V>,
    ) -> PropertyWatch<V> {
        let query = Query::of_ids([self.id]).deleted(Deleted::Include);
        let (client, space) = (self.space.client(), self.space.id());
        let watch = Watch::new(client, |teller| {
            client.subscribe(space, query, move |views| {
                let view = views.first().filter(|view| view.shown);
                let value = view.and_then(|view| {
                    let schema = T::schema().field_named(field.name());
                    let aliases = schema.map_or(&[][..], |field| &field.aliases);
                    let aliases: Vec<&str> = aliases.iter().map(String::as_str).collect();
                    read_field::<V>(&view.values, field.name(), &aliases, None).ok()
                });
                teller.tell(value);
            })
        });
        PropertyWatch { watch, told: None }
    }

    /// Opens a collaborative text of it for an editor.
    ///
    /// # Errors
    /// [`Error::Node`] when there is no such object, or the text engine fails.
    pub async fn open_text(
        &self,
        field: Field<T, Text>,
        sink: TextSink,
    ) -> Result<TextSession, Error> {
        let address = self.text_address(field.name());
        Ok(self.space.client().open_text(address, sink).await?)
    }

    /// The content of a collaborative text now.
    ///
    /// # Errors
    /// As [`ObjectHandle::open_text`].
    pub async fn read_text(&self, field: Field<T, Text>) -> Result<String, Error> {
        let sink = TextSink::new(|_| {}, |_| {}, |_| {});
        Ok(self.open_text(field, sink).await?.content())
    }

    fn text_address(&self, property: &str) -> TextAddress {
        TextAddress {
            space: self.space.id(),
            object: self.id,
            property: property.to_owned(),
        }
    }

    /// Writes the first content of a text; what others wrote meanwhile stays behind it.
    pub(super) async fn begin_text(&self, property: &str, content: String) -> Result<(), Error> {
        let sink = TextSink::new(|_| {}, |_| {}, |_| {});
        let client = self.space.client();
        let session = client.open_text(self.text_address(property), sink).await?;
        let begin = TextChange {
            from: 0,
            delete: 0,
            insert: content,
        };
        // An insertion at the start fits every text; only its length can be refused.
        session.edit(vec![begin]).map_err(|error| {
            Error::Node(dxos_services::Failure {
                kind: dxos_services::FailureKind::Malformed,
                message: format!("The text was not written: {error}."),
                hint: "Use a shorter text.".into(),
            })
        })
    }
}

/// One property's values; dropping it ends the subscription.
#[must_use = "dropping it ends the subscription at once"]
#[derive(Debug)]
pub struct PropertyWatch<V> {
    watch: Watch<Option<V>>,
    told: Option<Option<V>>,
}

impl<V: Clone + PartialEq + 'static> PropertyWatch<V> {
    /// The next value, other than the last one; inside it, `None`: the object or the property is not there, or does
    /// not fit. Outside, `None`: the client is closed.
    pub async fn next(&mut self) -> Option<Option<V>> {
        loop {
            let value = self.watch.next().await?;
            if self.told.as_ref() != Some(&value) {
                self.told = Some(value.clone());
                return Some(value);
            }
        }
    }
}

/// A property's value as it is stored; `None`: absent.
///
/// # Errors
/// [`Error::Misfits`] when the schema does not allow it.
pub(super) fn checked_value<T: Object, V: Property>(
    field: Field<T, V>,
    value: V,
) -> Result<Option<Value>, Error> {
    let value = value.to_value();
    let path = [field.name().to_owned()];
    let misfits = T::schema().misfits_at(&path, value.as_ref());
    if !misfits.is_empty() {
        let type_name = T::type_ref().to_string();
        return Err(Error::Misfits { type_name, misfits });
    }
    Ok(value)
}

/// The write that makes a property this value, or absent.
pub(super) fn set_write<T, V>(
    object: ObjectId,
    field: Field<T, V>,
    value: Option<Value>,
) -> ObjectWrite {
    match value {
        Some(value) => ObjectWrite::set(object, field.name(), value),
        None => ObjectWrite::remove(object, field.name()),
    }
}

/// The writes that make of an object what `change` makes of its value.
///
/// # Errors
/// [`Error::Misfits`] when it does not fit now, or what changed does not afterwards.
pub(super) fn changes<T: Object>(
    client: &Client,
    found: &Found<T>,
    change: impl FnOnce(&mut T),
) -> Result<Vec<ObjectWrite>, Error> {
    let misfits = |misfits| Error::Misfits {
        type_name: T::type_ref().to_string(),
        misfits,
    };
    let mut value = T::from_view(found.view()).map_err(|misfit| misfits(vec![misfit]))?;
    let before = value.to_values();
    change(&mut value);
    let after = value.to_values();
    let changed = |path: &[Step]| match path.first() {
        Some(Step::Name(name)) => before.get(name) != after.get(name),
        _ => true,
    };
    let wrong = T::schema().misfits(&after).into_iter();
    let wrong: Vec<_> = wrong.filter(|misfit| changed(&misfit.path)).collect();
    if !wrong.is_empty() {
        return Err(misfits(wrong));
    }
    let mut new_element = || client.new_element_id();
    let fields = &T::schema().fields;
    Ok(update_writes(
        found.view(),
        fields,
        &before,
        &after,
        &mut new_element,
    ))
}
