//! Composer as a whole, natively: the real plugins over a real client, and a node played by the test or, where it matters
//! what a node keeps, real ones on virtual time.

mod fake;
mod shell;
mod undo;
