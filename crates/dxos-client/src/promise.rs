//! A value that comes later, on one thread. Dropping the sender without a value leaves the future pending for ever,
//! so whoever holds a sender must answer it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// The answering end.
pub(crate) struct Sender<T>(Rc<RefCell<Slot<T>>>);

/// The waiting end.
pub(crate) struct Promise<T>(Rc<RefCell<Slot<T>>>);

/// A new pair.
pub(crate) fn promise<T>() -> (Sender<T>, Promise<T>) {
    let slot = Rc::new(RefCell::new(Slot {
        value: None,
        waker: None,
    }));
    (Sender(slot.clone()), Promise(slot))
}

impl<T> Sender<T> {
    /// Gives the value and wakes who waits.
    pub(crate) fn send(self, value: T) {
        let waker = {
            let mut slot = self.0.borrow_mut();
            slot.value = Some(value);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Promise<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.0.borrow_mut();
        match slot.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
