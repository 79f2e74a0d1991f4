//! Behaviour of HALO through its public API.

#![allow(clippy::unwrap_used)]

mod credentials;
mod fold;
mod pairing;
mod support;
mod vectors;
