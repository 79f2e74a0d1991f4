//! What of the developer tasks is used by tests too.

pub mod tidy;
