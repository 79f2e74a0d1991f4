//! Callbacks on change, within one thread.
//!
//! Invariants
//! * a listener is called after the change is in place, never while a borrow of the changed thing is held;
//! * dropping the [`Observation`] ends it, also from within a callback.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

type Listener<E> = Rc<dyn Fn(&E)>;
type Table<E> = RefCell<BTreeMap<u64, Listener<E>>>;

/// Callbacks waiting for an `E`.
pub struct Listeners<E> {
    next: Cell<u64>,
    table: Rc<Table<E>>,
}

impl<E: 'static> Default for Listeners<E> {
    fn default() -> Self {
        Listeners {
            next: Cell::new(0),
            table: Rc::default(),
        }
    }
}

impl<E: 'static> Listeners<E> {
    /// Calls `listener` on every change until the observation is dropped.
    #[must_use = "dropping the observation ends it"]
    pub fn observe(&self, listener: impl Fn(&E) + 'static) -> Observation {
        let id = self.next.replace(self.next.get() + 1);
        self.table.borrow_mut().insert(id, Rc::new(listener));
        let table: Weak<Table<E>> = Rc::downgrade(&self.table);
        Observation {
            end: Some(Box::new(move || {
                let removed = table
                    .upgrade()
                    .and_then(|table| table.borrow_mut().remove(&id));
                // Dropped outside the borrow: its captures may own observations of the same table.
                drop(removed);
            })),
        }
    }

    /// Calls every listener; those added meanwhile wait for the next change.
    pub fn tell(&self, event: &E) {
        let ids: Vec<u64> = self.table.borrow().keys().copied().collect();
        for id in ids {
            let listener = self.table.borrow().get(&id).cloned();
            if let Some(listener) = listener {
                listener(event);
            }
        }
    }
}

/// A callback in place; ends when dropped.
pub struct Observation {
    end: Option<Box<dyn FnOnce()>>,
}

impl Observation {
    /// Wraps what ends another kind of subscription.
    pub fn new(end: impl FnOnce() + 'static) -> Self {
        Observation {
            end: Some(Box::new(end)),
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_observation_hears_nothing_more() {
        let listeners = Listeners::<u32>::default();
        let sum = Rc::new(Cell::new(0));
        let copy = sum.clone();
        let observation = listeners.observe(move |n| copy.set(copy.get() + n));
        listeners.tell(&2);
        drop(observation);
        listeners.tell(&40);
        assert_eq!(sum.get(), 2);
    }
}
