//! Hooks over real clients and nodes, without a page.

mod hooks;
