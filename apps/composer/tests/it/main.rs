//! Composer as a whole, natively: the real plugins over a real client and a node played by the test.

mod fake;
mod shell;
