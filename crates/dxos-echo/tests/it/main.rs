//! Whole spaces against each other: writing, sealing, receiving, reading, restarting.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod feeds;
mod forks;
mod golden;
mod history;
mod long;
mod merge;
mod meta;
mod model;
mod naive;
mod query;
mod replica;
mod split;
mod texts;
mod verify;
mod write;
