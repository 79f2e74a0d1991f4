//! Developer tasks: tidy, dev, bench, sim
fn main() {}
