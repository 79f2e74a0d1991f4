//! Behaviour of HALO through its public API.

#![allow(clippy::unwrap_used)]

mod credentials;
mod fold;
mod fuzz;
mod pairing;
mod support;
mod vectors;
