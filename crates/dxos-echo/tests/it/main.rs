//! Whole spaces against each other: writing, sealing, receiving, reading, restarting.

mod feeds;
mod merge;
mod query;
mod replica;
mod texts;
mod write;
