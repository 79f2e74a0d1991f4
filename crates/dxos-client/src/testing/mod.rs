//! A test kit: several connected peers in one process, on virtual time. Native only.
//!
//! A [`World`] is made of the real parts: nodes over SQLite in memory, the text engine, clients, invitations, sessions,
//! replication. Only the clock, the randomness and the network are simulated, so a test needs no server, no thread and
//! no sleep, takes milliseconds, and runs the same every time.
//!
//! ```
//! use dxos_client::{Object, testing::World};
//!
//! #[derive(Object, Clone, Debug, PartialEq)]
//! #[object(type = "org.example.Task", version = "0.1.0")]
//! struct Task {
//!     #[object(label)]
//!     title: String,
//!     done: bool,
//! }
//!
//! let mut world = World::new(2);
//! let [ada, bob] = world.peers();
//! let [hers, his] = world.shared_space("Home", [&ada, &bob]);
//!
//! // Whatever the SDK gives as a future runs on the world.
//! let milk = Task { title: "Buy milk".into(), done: false };
//! let milk = world.run(hers.add(milk)).unwrap();
//! world.settle();
//! assert!(world.run(his.get::<Task>(milk.id())).unwrap().is_some());
//!
//! // Both change it, out of reach of each other.
//! world.disconnect(&bob);
//! world.run(milk.update(|task| task.title = "Buy oat milk".into())).unwrap();
//! world.run(his.object::<Task>(milk.id()).update(|task| task.done = true)).unwrap();
//! world.connect(&bob);
//! world.settle();
//!
//! let rows = world.same_rows(&hers, Task::all());
//! let task = Task { title: "Buy oat milk".into(), done: true };
//! assert_eq!(rows[0].value(), Ok(&task));
//! ```
//!
//! What the seed gives: [`World::new`] always plays the same run. [`World::seeded`] with other seeds plays others, with
//! other delays and so another order; a loop over some of them finds what one order hides.
//!
//! Not here: faults of disks, damaged or repeated messages, clocks that are off (`dev/dxos-sim`), widgets (`dxos-ui`).

mod clock;
mod editor;
mod host;
mod network;
mod peer;
mod settle;
mod tasks;
mod world;

pub use clock::Clock;
pub use editor::Editor;
pub use peer::Peer;
pub use tasks::Spawner;
pub use world::World;
