//! MESH: signalling, secure sessions, streams, presence.

pub mod link;
