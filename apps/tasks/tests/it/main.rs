//! What several people make of lists together, on the test kit.

mod lists;
