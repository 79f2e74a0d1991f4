//! Behaviour of HALO through its public API.

mod credentials;
mod fold;
mod pairing;
mod support;
mod vectors;
