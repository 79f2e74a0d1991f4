//! Capabilities: typed slots that plugins fill, any number of contributions each.
//!
//! Invariants
//! * a contribution is of the type its [`Capability`] names: the pair is made in one place, [`Capability::of`];
//! * order is that of the plugins' list, then of activation: switching one off and on again changes nothing.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;

use crate::observe::{Listeners, Observation};

/// Names a slot and the type of what is put there.
pub struct Capability<T> {
    id: &'static str,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Capability<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Capability<T> {}

impl<T: 'static> Capability<T> {
    /// A slot; `id` is its reverse-domain name.
    pub const fn new(id: &'static str) -> Self {
        Capability {
            id,
            kind: PhantomData,
        }
    }

    /// Its reverse-domain name.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// A contribution to it.
    pub fn of(&self, value: T) -> Contribution {
        Contribution {
            capability: self.id,
            value: Rc::new(value),
        }
    }
}

/// A value for a slot, as a module returns it.
pub struct Contribution {
    pub(crate) capability: &'static str,
    pub(crate) value: Rc<dyn Any>,
}

/// Who contributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The plugin.
    pub plugin: &'static str,
    /// Its module.
    pub module: &'static str,
}

struct Entry {
    capability: &'static str,
    value: Rc<dyn Any>,
    origin: Origin,
    /// Place of the plugin in the app's list.
    place: usize,
}

/// All contributions of an app.
#[derive(Default)]
pub(crate) struct Registry {
    entries: RefCell<Vec<Entry>>,
    version: Cell<u64>,
    listeners: Listeners<u64>,
}

impl Registry {
    pub fn add(&self, place: usize, origin: Origin, contributions: Vec<Contribution>) {
        {
            let mut entries = self.entries.borrow_mut();
            let at = entries.partition_point(|entry| entry.place <= place);
            let new = contributions.into_iter().map(|c| Entry {
                capability: c.capability,
                value: c.value,
                origin,
                place,
            });
            entries.splice(at..at, new);
        }
        self.changed();
    }

    /// Takes back everything of a plugin; the values are dropped after the change is told.
    pub fn remove_plugin(&self, plugin: &str) {
        let removed: Vec<Entry> = {
            let mut entries = self.entries.borrow_mut();
            let (gone, kept) = std::mem::take(&mut *entries)
                .into_iter()
                .partition(|e| e.origin.plugin == plugin);
            *entries = kept;
            gone
        };
        self.changed();
        drop(removed);
    }

    pub fn all<T: 'static>(&self, capability: &Capability<T>) -> Vec<(Origin, Rc<T>)> {
        self.entries
            .borrow()
            .iter()
            .filter(|e| e.capability == capability.id)
            .filter_map(|e| Some((e.origin, e.value.clone().downcast::<T>().ok()?)))
            .collect()
    }

    pub fn version(&self) -> u64 {
        self.version.get()
    }

    pub fn observe(&self, listener: impl Fn(&u64) + 'static) -> Observation {
        self.listeners.observe(listener)
    }

    fn changed(&self) {
        let version = self.version.get() + 1;
        self.version.set(version);
        self.listeners.tell(&version);
    }
}
