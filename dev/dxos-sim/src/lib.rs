//! The node under a seeded virtual clock, network and store
