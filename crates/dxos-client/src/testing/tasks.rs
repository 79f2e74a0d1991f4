//! Futures that run beside a test, whenever its world does.
//!
//! Invariants
//! * each is polled only after it was woken, in the order in which they were made;
//! * one that always wakes itself does not keep the world from going on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// Whether a future wants to be polled; at first it does.
pub(super) struct Woken(AtomicBool);

impl Woken {
    pub(super) fn new() -> Arc<Woken> {
        Arc::new(Woken(AtomicBool::new(true)))
    }

    /// Since this was asked last.
    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Futures may wake each other so often before the world goes on.
const ROUNDS_MAX: usize = 100;

struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    woken: Arc<Woken>,
}

/// All futures of a world that are not done.
#[derive(Default)]
pub(super) struct Tasks {
    open: RefCell<BTreeMap<u64, Task>>,
    made: Cell<u64>,
}

impl Tasks {
    /// Polls those that were woken, and those that they wake or make, until none is.
    pub(super) fn poll(&self) {
        for _ in 0..ROUNDS_MAX {
            if !self.poll_once() {
                return;
            }
        }
    }

    /// False: none was woken.
    fn poll_once(&self) -> bool {
        let is_woken = |(number, task): (&u64, &Task)| task.woken.take().then_some(*number);
        let woken: Vec<u64> = self.open.borrow().iter().filter_map(is_woken).collect();
        for number in &woken {
            // Out of the way meanwhile: it may make others.
            let Some(mut task) = self.open.borrow_mut().remove(number) else {
                continue;
            };
            let waker = Waker::from(task.woken.clone());
            let mut cx = Context::from_waker(&waker);
            if task.future.as_mut().poll(&mut cx).is_pending() {
                self.open.borrow_mut().insert(*number, task);
            }
        }
        !woken.is_empty()
    }

    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let number = self.made.get();
        self.made.set(number + 1);
        let task = Task {
            future: Box::pin(future),
            woken: Woken::new(),
        };
        self.open.borrow_mut().insert(number, task);
    }
}

/// Starts futures that run whenever a [`World`](super::World) does: for apps that start them themselves, which have to
/// be told how. Clones start them on the same world. Made with [`World::spawner`](super::World::spawner).
#[derive(Clone)]
pub struct Spawner(Weak<Tasks>);

impl std::fmt::Debug for Spawner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Spawner")
    }
}

impl Spawner {
    pub(super) fn new(tasks: &Rc<Tasks>) -> Spawner {
        Spawner(Rc::downgrade(tasks))
    }

    /// Starts one; dropped at once when its world is gone.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.spawn(future);
        }
    }
}
