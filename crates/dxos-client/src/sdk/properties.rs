//! What all members see of a space as a whole.

use dxos_base::typed::Object as _;
use dxos_base::{ObjectId, ObjectWrite, Value};
use dxos_macros::Object;

use super::{Error, Found, ObjectHandle, Space, Watch};

/// A space's name, icon and colour, in an object whose id every device derives, so that there is one.
#[derive(Object, Debug, Clone, PartialEq, Default)]
#[object(type = "org.dxos.type.SpaceProperties", version = "0.1.0", crate = crate)]
pub struct SpaceProperties {
    /// Shown instead of the name it was made with.
    #[object(label)]
    pub name: Option<String>,
    /// A sentence about it.
    pub description: Option<String>,
    /// An icon's name.
    pub icon: Option<String>,
    /// Colour, 0–359 degrees.
    pub hue: Option<u16>,
}

/// The properties of one space; any other field can be kept beside the known ones.
#[derive(Debug, Clone)]
pub struct Properties {
    space: Space,
}

impl Properties {
    pub(super) fn new(space: Space) -> Properties {
        Properties { space }
    }

    /// The object's id.
    pub fn id(&self) -> ObjectId {
        let name = SpaceProperties::type_ref();
        ObjectId::well_known(&self.space.id(), &name.name, &name.version.to_string())
    }

    fn handle(&self) -> ObjectHandle<SpaceProperties> {
        self.space.object(self.id())
    }

    /// The properties now; all absent while nobody has set any.
    ///
    /// # Errors
    /// [`Error::Node`] when the space is not here.
    pub async fn get(&self) -> Result<SpaceProperties, Error> {
        let found = self.space.get::<SpaceProperties>(self.id()).await?;
        Ok(found.and_then(Found::ok).unwrap_or_default())
    }

    /// The same now and whenever they change.
    pub fn watch(&self) -> Watch<Option<Found<SpaceProperties>>> {
        self.handle().watch()
    }

    /// Changes them; see [`ObjectHandle::update`].
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it.
    pub async fn update(&self, change: impl FnOnce(&mut SpaceProperties)) -> Result<(), Error> {
        self.make().await?;
        self.handle().update(change).await
    }

    /// A free field; `None` when it is absent.
    ///
    /// # Errors
    /// [`Error::Node`] when the space is not here.
    pub async fn get_field(&self, name: &str) -> Result<Option<Value>, Error> {
        let view = self.space.get_view(self.id()).await?;
        Ok(view.and_then(|view| view.values.get(name).cloned()))
    }

    /// Sets a free field, or removes it.
    ///
    /// # Errors
    /// [`Error::Node`] when the role does not allow it; [`Error::Misfits`] when it is a known one and does not fit.
    pub async fn set_field(&self, name: &str, value: Option<Value>) -> Result<(), Error> {
        let misfits = SpaceProperties::schema().misfits_at(&[name.to_owned()], value.as_ref());
        if !misfits.is_empty() {
            let type_name = SpaceProperties::type_ref().to_string();
            return Err(Error::Misfits { type_name, misfits });
        }
        self.make().await?;
        let write = match value {
            Some(value) => ObjectWrite::set(self.id(), name, value),
            None => ObjectWrite::remove(self.id(), name),
        };
        self.space.write(vec![write]).await
    }

    /// The object is made by whoever first sets something; made by two at once, it is one all the same.
    async fn make(&self) -> Result<(), Error> {
        match self.space.get_view(self.id()).await? {
            Some(view) if view.shown => Ok(()),
            Some(_) => self.space.restore(self.id()).await,
            None => self
                .space
                .add_as(self.id(), SpaceProperties::default())
                .await
                .map(drop),
        }
    }
}
