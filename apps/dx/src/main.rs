//! L8: the dx binary: CLI, headless peer, signal and relay server, web host
fn main() {}
