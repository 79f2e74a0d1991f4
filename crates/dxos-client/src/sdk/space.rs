//! A space: its objects, its members and its life on this device.

use std::collections::BTreeMap;

use dxos_base::typed::Object;
use dxos_base::{ObjectId, ObjectView, ObjectWrite, SpaceId, Value};
use dxos_services::{MemberView, Request, Role, SpaceLife, SpaceView, UndoMark};

use super::{Asked, Error, Found, Invitation, ObjectHandle, Properties, Types, Wanted, Watch};
use crate::client::Client;

/// How long an invitation lives unless told otherwise: an hour.
const INVITATION_TTL_MS: u64 = 3_600_000;

/// How far [`Space::flush`] waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// The node has acknowledged all writes of this client: they survive a kill.
    Saved,
    /// They survive power loss.
    Disk,
    /// Queries of every client find them. Indexes are written with what they index, so this is soon.
    Indexes,
}

/// A space on this device. Clones are the same space.
#[derive(Debug, Clone)]
pub struct Space {
    pub(super) client: Client,
    pub(super) id: SpaceId,
    /// How writes can be undone.
    pub(super) mark: Option<UndoMark>,
}

impl PartialEq for Space {
    fn eq(&self, other: &Space) -> bool {
        self.id == other.id
    }
}

impl Space {
    pub(super) fn new(client: Client, id: SpaceId) -> Space {
        Space {
            client,
            id,
            mark: None,
        }
    }

    /// Its id.
    pub fn id(&self) -> SpaceId {
        self.id
    }

    /// The client it was got from.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// All the node tells about it; `None` once it is no longer on this device.
    pub fn view(&self) -> Option<SpaceView> {
        let status = self.client.status()?;
        status
            .spaces
            .iter()
            .find(|space| space.space == self.id)
            .cloned()
    }

    /// The same now and whenever it changes.
    pub fn watch(&self) -> Watch<Option<SpaceView>> {
        let id = self.id;
        Watch::new(&self.client, |teller| {
            let told = std::cell::RefCell::new(None);
            self.client.on_status(move |status| {
                let now = status
                    .spaces
                    .iter()
                    .find(|space| space.space == id)
                    .cloned();
                if told.borrow().as_ref() != Some(&now) {
                    *told.borrow_mut() = Some(now.clone());
                    teller.tell(now);
                }
            })
        })
    }

    /// Its name; empty once it is no longer on this device.
    pub fn name(&self) -> String {
        self.view().map(|view| view.name).unwrap_or_default()
    }

    /// Members, oldest first, with roles and presence.
    pub fn members(&self) -> Vec<MemberView> {
        self.view().map(|view| view.members).unwrap_or_default()
    }

    /// What this identity may do in it; `None` once it is no longer on this device.
    pub fn role(&self) -> Option<Role> {
        self.view().map(|view| view.role)
    }

    /// Name, icon, colour and free fields that all members see.
    pub fn properties(&self) -> Properties {
        Properties::new(self.clone())
    }

    // ---- life on this device ----

    /// How far it is open on this device; `None` once it is no longer here.
    pub fn life(&self) -> Option<SpaceLife> {
        self.view().map(|view| view.life)
    }

    /// Waits until its objects can be read.
    ///
    /// # Errors
    /// [`Error::NoSpace`] when it is not, or no longer, on this device; [`Error::SpaceLife`] when it is closed or cannot
    /// be opened; [`Error::Closed`].
    pub async fn wait_until_ready(&self) -> Result<(), Error> {
        let space = self.id;
        let mut views = self.watch();
        while let Some(view) = views.next().await {
            match view.ok_or(Error::NoSpace { space })?.life {
                SpaceLife::Ready => return Ok(()),
                SpaceLife::Opening | SpaceLife::ControlOnly => {}
                life => return Err(Error::SpaceLife { space, life }),
            }
        }
        Err(Error::Closed)
    }

    /// Opens it on this device, or tries again what failed. It stays open over restarts.
    ///
    /// # Errors
    /// [`Error::Node`] when it cannot be opened.
    pub async fn open(&self) -> Result<(), Error> {
        let space = self.id;
        self.client.call(Request::OpenSpace { space }).await?;
        Ok(())
    }

    /// Closes it on this device: it stays in the list and costs nothing until it is opened again.
    ///
    /// # Errors
    /// [`Error::Node`] when what was written cannot be kept.
    pub async fn close(&self) -> Result<(), Error> {
        let space = self.id;
        self.client.call(Request::CloseSpace { space }).await?;
        Ok(())
    }

    /// Ends this identity's membership, on all its devices. What it wrote stays with the others; the copy on this
    /// device can be read until [`delete_here`](Self::delete_here).
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`](super::ErrorKind::NotAllowed) for the personal space, the last owner, and who is no
    /// member.
    pub async fn leave(&self) -> Result<(), Error> {
        Ok(self.client.leave_space(self.id).await?)
    }

    /// Asks all members to delete it: from when they hear of it nobody writes in it any more. Every device keeps its
    /// copy until somebody removes it there ([`delete_here`](Self::delete_here)).
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`](super::ErrorKind::NotAllowed) for the personal space and for whoever is no owner.
    pub async fn delete_for_all(&self) -> Result<(), Error> {
        let space = self.id;
        self.client.call(Request::DeleteSpace { space }).await?;
        Ok(())
    }

    /// Settles the forks of devices that do not settle them themselves, because they are gone: of each feed that was
    /// written to by two copies of a device the longest branch shows. The rest comes back if the device does. Tells of
    /// how many devices there was something to settle.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`](super::ErrorKind::NotAllowed) for devices of others, unless one is an admin.
    pub async fn settle_forks(&self) -> Result<usize, Error> {
        let space = self.id;
        let open = |view: SpaceView| view.forks.into_iter().filter(|fork| fork.open);
        let devices: Vec<_> = self.view().into_iter().flat_map(open).collect();
        for fork in &devices {
            let device = fork.device;
            let request = Request::SettleForks { space, device };
            self.client.call(request).await?;
        }
        Ok(devices.len())
    }

    /// Removes it with all its data from this device. Other devices and members keep theirs, and this identity stays a
    /// member: an invitation brings it back.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`](super::ErrorKind::NotAllowed) for the personal space.
    pub async fn delete_here(&self) -> Result<(), Error> {
        let space = self.id;
        self.client.call(Request::RemoveSpace { space }).await?;
        Ok(())
    }

    // ---- objects ----

    /// Adds an object. Its collaborative texts begin with what they were made with.
    ///
    /// # Errors
    /// [`Error::Misfits`] when a value does not fit the schema; [`Error::Node`] when the role does not allow it or it
    /// cannot be kept.
    pub async fn add<T: Object>(&self, value: T) -> Result<ObjectHandle<T>, Error> {
        self.add_as(self.client.new_object_id(), value).await
    }

    /// The same below a parent of this space: with it, it is deleted and comes back.
    ///
    /// # Errors
    /// As [`Space::add`].
    pub async fn add_child<T: Object>(
        &self,
        parent: ObjectId,
        value: T,
    ) -> Result<ObjectHandle<T>, Error> {
        self.add_below(self.client.new_object_id(), Some(parent), value)
            .await
    }

    /// The same under a known id, such as one derived from what is imported. An object of this id that is there
    /// already gets these values.
    ///
    /// # Errors
    /// As [`Space::add`].
    pub async fn add_as<T: Object>(
        &self,
        object: ObjectId,
        value: T,
    ) -> Result<ObjectHandle<T>, Error> {
        self.add_below(object, None, value).await
    }

    async fn add_below<T: Object>(
        &self,
        object: ObjectId,
        parent: Option<ObjectId>,
        value: T,
    ) -> Result<ObjectHandle<T>, Error> {
        self.client
            .with_registry(|registry| registry.register(T::schema()))?;
        let values = value.to_values();
        let misfits = T::schema().misfits(&values);
        let type_name = T::type_ref().to_string();
        if !misfits.is_empty() {
            return Err(Error::Misfits { type_name, misfits });
        }
        let mut writes = vec![ObjectWrite::create(object, type_name, values)];
        writes.extend(parent.map(|parent| ObjectWrite::set_parent(object, Some(parent))));
        self.write(writes).await?;
        let handle = ObjectHandle::new(self.clone(), object);
        for (property, content) in value.texts() {
            handle.begin_text(property, content).await?;
        }
        Ok(handle)
    }

    /// Adds an object of a type known by name, or of none (`""`). Values are checked if the code or the space has the
    /// type.
    ///
    /// # Errors
    /// As [`Space::add`]; [`Error::NoType`] when `type_name` is not empty and no `name@version`.
    pub async fn add_values(
        &self,
        type_name: &str,
        values: BTreeMap<String, Value>,
    ) -> Result<ObjectId, Error> {
        if !type_name.is_empty() {
            let name: dxos_base::schema::TypeRef =
                type_name.parse().map_err(|_| Error::NoType {
                    type_name: type_name.to_owned(),
                })?;
            if let Some(found) = self.types().await?.get(&name) {
                let misfits = found.schema.misfits(&values);
                let type_name = type_name.to_owned();
                if !misfits.is_empty() {
                    return Err(Error::Misfits { type_name, misfits });
                }
            }
        }
        let object = self.client.new_object_id();
        self.write(vec![ObjectWrite::create(object, type_name, values)])
            .await?;
        Ok(object)
    }

    /// An object by id, whether it is there or not.
    pub fn object<T: Object>(&self, object: ObjectId) -> ObjectHandle<T> {
        ObjectHandle::new(self.clone(), object)
    }

    /// An object now; `None` when it is not there or deleted.
    ///
    /// # Errors
    /// [`Error::Node`] when the space is not here.
    pub async fn get<T: Object>(&self, object: ObjectId) -> Result<Option<Found<T>>, Error> {
        let view = self.client.get(self.id, object).await?;
        Ok(view
            .filter(|view| view.shown)
            .map(|view| Found::read(&view)))
    }

    /// The same without a Rust type, deleted or not.
    ///
    /// # Errors
    /// [`Error::Node`] when the space is not here.
    pub async fn get_view(&self, object: ObjectId) -> Result<Option<ObjectView>, Error> {
        Ok(self.client.get(self.id, object).await?)
    }

    /// Asks for objects: a typed query gives Rust values, any other one objects as shown.
    pub fn query<W: Wanted>(&self, wanted: W) -> Asked<W> {
        Asked::new(self.clone(), wanted)
    }

    /// Deletes an object, restorably.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn delete(&self, object: ObjectId) -> Result<(), Error> {
        self.write(vec![ObjectWrite::delete(object)]).await
    }

    /// Brings a deleted object back.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn restore(&self, object: ObjectId) -> Result<(), Error> {
        self.write(vec![ObjectWrite::restore(object)]).await
    }

    /// Writes as they are, all or nothing: one entry, unless they are too many for one.
    ///
    /// # Errors
    /// [`Error::Node`] with the reason; nothing was done.
    pub async fn write(&self, writes: Vec<ObjectWrite>) -> Result<(), Error> {
        if writes.is_empty() {
            return Ok(());
        }
        match self.mark.clone() {
            Some(mark) => Ok(self.client.write_marked(self.id, writes, mark).await?),
            None => Ok(self.client.write(self.id, writes).await?),
        }
    }

    /// Types of the code and of this space.
    ///
    /// # Errors
    /// [`Error::Node`] when the space is not here.
    pub async fn types(&self) -> Result<Types, Error> {
        Types::of(self.clone()).await
    }

    /// Waits until this client's writes are that safe.
    ///
    /// # Errors
    /// [`Error::Node`] when storage refuses, [`Error::Closed`].
    pub async fn flush(&self, how: Flush) -> Result<(), Error> {
        if how == Flush::Disk {
            // The node takes frames in order: what was written before is in it.
            return Ok(self.client.flush().await?);
        }
        let mut saving = Watch::new(&self.client, |teller| {
            teller.tell(self.client.unacknowledged());
            self.client.on_saving(move |count| teller.tell(count))
        });
        while let Some(count) = saving.next().await {
            if count == 0 {
                return Ok(());
            }
        }
        Err(Error::Closed)
    }

    // ---- members ----

    /// Invites somebody, for an hour; hand on [`Invitation::view`]'s code.
    ///
    /// # Errors
    /// [`ErrorKind::NotAllowed`](super::ErrorKind::NotAllowed) when the role does not allow it.
    pub async fn share(&self, role: Role) -> Result<Invitation, Error> {
        self.share_for(role, INVITATION_TTL_MS).await
    }

    /// The same for so many milliseconds, at most
    /// [`INVITE_TTL_MS_MAX`](dxos_base::limits::INVITE_TTL_MS_MAX).
    ///
    /// # Errors
    /// As [`Space::share`].
    pub async fn share_for(&self, role: Role, ttl_ms: u64) -> Result<Invitation, Error> {
        let view = self.client.invite(self.id, role, ttl_ms).await?;
        Ok(Invitation::new(self.client.clone(), view.invitation))
    }
}
