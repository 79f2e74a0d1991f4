//! The virtual clock: one queue of what will happen, in the order of time, then of being asked for.
//!
//! Invariant: time never goes back, and ties keep the order in which they were pushed, so a run is one sequence.

use std::collections::BTreeMap;

/// Virtual milliseconds since the run began.
pub type Time = u64;

/// Everything that will happen.
#[derive(Debug)]
pub struct Queue<T> {
    now: Time,
    pushed: u64,
    items: BTreeMap<(Time, u64), T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue {
            now: 0,
            pushed: 0,
            items: BTreeMap::new(),
        }
    }
}

impl<T> Queue<T> {
    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Lets `item` happen at `at`, or now if that is past.
    pub fn push(&mut self, at: Time, item: T) {
        self.pushed += 1;
        self.items.insert((at.max(self.now), self.pushed), item);
    }

    /// The next thing to happen up to and with `until`; the clock moves to it (or to `until` if nothing does).
    pub fn pop(&mut self, until: Time) -> Option<T> {
        match self.items.first_key_value() {
            Some(((at, _), _)) if *at <= until => {
                let ((at, _), item) = self.items.pop_first().expect("seen above");
                self.now = at;
                Some(item)
            }
            _ => {
                self.now = self.now.max(until);
                None
            }
        }
    }

    /// How much waits.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_by_time_then_by_order_of_asking() {
        let mut queue = Queue::default();
        queue.push(5, 'b');
        queue.push(3, 'a');
        queue.push(5, 'c');
        queue.push(9, 'd');
        assert_eq!(
            std::iter::from_fn(|| queue.pop(5)).collect::<String>(),
            "abc"
        );
        assert_eq!((queue.now(), queue.len()), (5, 1));
        queue.push(1, 'e');
        assert_eq!(queue.pop(100), Some('e'), "the past is now");
        assert_eq!((queue.pop(100), queue.now()), (Some('d'), 9));
        assert_eq!(
            (queue.pop(100), queue.now(), queue.is_empty()),
            (None, 100, true)
        );
    }
}
