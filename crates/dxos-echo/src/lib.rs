//! ECHO: a replicated object store of last-writer-wins records, counters and collaborative texts, carried in
//! signed, sealed, per-device feeds.

pub mod store;
pub mod text;
