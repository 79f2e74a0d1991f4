//! Values that change, one after another: what a subscription gives.
//!
//! Invariants
//! * a slow reader gets the latest value and skips those between: nothing piles up;
//! * it ends when the client is closed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::client::Client;
use crate::listen::Subscription;

struct Slot<T> {
    value: Option<T>,
    ended: bool,
    waker: Option<Waker>,
}

/// The writing end.
pub(super) struct Teller<T>(Rc<RefCell<Slot<T>>>);

impl<T> Clone for Teller<T> {
    fn clone(&self) -> Self {
        Teller(self.0.clone())
    }
}

impl<T> Teller<T> {
    /// Replaces what was not read yet.
    pub(super) fn tell(&self, value: T) {
        self.change(|slot| slot.value = Some(value));
    }

    fn end(&self) {
        self.change(|slot| slot.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut Slot<T>)) {
        let waker = {
            let mut slot = self.0.borrow_mut();
            change(&mut slot);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// A value that changes; dropping it ends the subscription.
#[must_use = "dropping it ends the subscription at once"]
pub struct Watch<T> {
    slot: Rc<RefCell<Slot<T>>>,
    _subscriptions: [Subscription; 2],
}

impl<T> std::fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl<T: 'static> Watch<T> {
    /// Of a subscription that `begin` starts.
    pub(super) fn new(client: &Client, begin: impl FnOnce(Teller<T>) -> Subscription) -> Self {
        let slot = Rc::new(RefCell::new(Slot {
            value: None,
            ended: client.is_ended(),
            waker: None,
        }));
        let teller = Teller(slot.clone());
        let subscription = begin(teller.clone());
        let end = client.on_end(move || teller.end());
        Watch {
            slot,
            _subscriptions: [subscription, end],
        }
    }

    /// The next value; the first is the present one. `None`: the client is closed.
    pub async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| {
            let mut slot = self.slot.borrow_mut();
            if let Some(value) = slot.value.take() {
                return Poll::Ready(Some(value));
            }
            if slot.ended {
                return Poll::Ready(None);
            }
            slot.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// The next value if there is one already.
    pub fn try_next(&mut self) -> Option<T> {
        self.slot.borrow_mut().value.take()
    }
}
