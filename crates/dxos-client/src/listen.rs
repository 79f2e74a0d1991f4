//! Listeners that live as long as their [`Subscription`].

use std::cell::RefCell;
use std::rc::Rc;

use litemap::LiteMap;

/// Ends what it stands for when dropped.
#[must_use = "dropping it ends the subscription at once"]
pub struct Subscription(Option<Box<dyn FnOnce()>>);

impl Subscription {
    pub(crate) fn new(end: impl FnOnce() + 'static) -> Self {
        Subscription(Some(Box::new(end)))
    }

    /// Never ends on its own: for listeners that live as long as the program.
    pub fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

struct Inner<T: ?Sized> {
    last: u64,
    listeners: LiteMap<u64, Rc<dyn Fn(&T)>>,
}

/// A set of listeners for values of one kind.
pub(crate) struct Listeners<T: ?Sized>(Rc<RefCell<Inner<T>>>);

impl<T: ?Sized> Clone for Listeners<T> {
    fn clone(&self) -> Self {
        Listeners(self.0.clone())
    }
}

impl<T: ?Sized> Default for Listeners<T> {
    fn default() -> Self {
        Listeners(Rc::new(RefCell::new(Inner {
            last: 0,
            listeners: LiteMap::new(),
        })))
    }
}

impl<T: ?Sized + 'static> Listeners<T> {
    pub(crate) fn add(&self, listener: impl Fn(&T) + 'static) -> Subscription {
        let id = {
            let mut inner = self.0.borrow_mut();
            inner.last += 1;
            let id = inner.last;
            inner.listeners.insert(id, Rc::new(listener));
            id
        };
        let inner = Rc::downgrade(&self.0);
        Subscription::new(move || {
            if let Some(inner) = inner.upgrade() {
                let listener = inner.borrow_mut().listeners.remove(&id);
                drop(listener);
            }
        })
    }

    /// Tells all; listeners may add and remove listeners meanwhile.
    pub(crate) fn tell(&self, value: &T) {
        let listeners: Vec<_> = self.0.borrow().listeners.values().cloned().collect();
        for listener in listeners {
            listener(value);
        }
    }
}
