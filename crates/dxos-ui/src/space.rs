//! A space that views can hold: `Copy`, and its writes need no `await`.

use dxos_base::typed::{Field, Object, Property, TypedQuery};
use dxos_base::{ObjectId, SpaceId};
use dxos_client::{Error, Space};

use crate::hooks::ClientRef;

/// A space on this page. What is refused is told to [`use_troubles`](crate::use_troubles).
#[derive(Clone, Copy)]
pub struct SpaceRef {
    client: ClientRef,
    id: SpaceId,
}

impl SpaceRef {
    /// Of a client's space.
    pub fn new(client: ClientRef, id: SpaceId) -> SpaceRef {
        SpaceRef { client, id }
    }

    /// Its id.
    pub fn id(self) -> SpaceId {
        self.id
    }

    /// The page's client.
    pub fn client(self) -> ClientRef {
        self.client
    }

    /// The space itself.
    ///
    /// # Errors
    /// [`Error::NoSpace`] once it is no longer on this device.
    pub fn get(self) -> Result<Space, Error> {
        self.client.get().spaces().get(self.id)
    }

    /// Does something with the space in the background.
    pub fn run<W>(self, work: impl FnOnce(Space) -> W + 'static)
    where
        W: Future<Output = Result<(), Error>> + 'static,
    {
        self.client.run(async move { work(self.get()?).await });
    }

    /// The same, with what it writes as one step of a scope, which can be undone; `label` is what a person would call it.
    pub fn step<W>(
        self,
        scope: &'static str,
        label: impl Into<String> + 'static,
        work: impl FnOnce(Space) -> W + 'static,
    ) where
        W: Future<Output = Result<(), Error>> + 'static,
    {
        self.run(move |space| work(space.undoable(scope, label)));
    }

    /// Takes back the last step of a scope.
    pub fn undo(self, scope: &'static str) {
        self.run(move |space| async move { space.undo(scope).await.map(drop) });
    }

    /// Adds an object.
    pub fn add<T: Object>(self, value: T) {
        self.run(|space| async move { space.add(value).await.map(drop) });
    }

    /// Adds an object below another: with it, it is deleted and comes back.
    pub fn add_child<T: Object>(self, parent: ObjectId, value: T) {
        self.run(move |space| async move { space.add_child(parent, value).await.map(drop) });
    }

    /// Changes an object: only what `change` makes other is written.
    pub fn update<T: Object>(self, object: ObjectId, change: impl FnOnce(&mut T) + 'static) {
        self.run(move |space| async move { space.object::<T>(object).update(change).await });
    }

    /// Sets one property of an object; shown at once.
    pub fn set<T: Object, V: Property + 'static>(
        self,
        object: ObjectId,
        field: Field<T, V>,
        value: impl Into<V> + 'static,
    ) {
        self.run(move |space| async move { space.object::<T>(object).set(field, value).await });
    }

    /// Changes all objects a query finds, at once.
    pub fn update_all<T: Object + Clone + PartialEq>(
        self,
        query: TypedQuery<T>,
        change: impl FnMut(&mut T) + 'static,
    ) {
        self.run(move |space| async move { space.query(query).update(change).await.map(drop) });
    }

    /// Sets one property of all objects a query finds, at once.
    pub fn set_all<T: Object + Clone + PartialEq, V: Property + 'static>(
        self,
        query: TypedQuery<T>,
        field: Field<T, V>,
        value: impl Into<V> + 'static,
    ) {
        self.run(move |space| async move { space.query(query).set(field, value).await.map(drop) });
    }

    /// Deletes an object, restorably.
    pub fn delete(self, object: ObjectId) {
        self.run(move |space| async move { space.delete(object).await });
    }

    /// Deletes all objects a query finds, restorably, at once.
    pub fn delete_all<T: Object + Clone + PartialEq>(self, query: TypedQuery<T>) {
        self.run(move |space| async move { space.query(query).delete().await.map(drop) });
    }

    /// Brings a deleted object back.
    pub fn restore(self, object: ObjectId) {
        self.run(move |space| async move { space.restore(object).await });
    }
}
