//! `cargo xtask bench [NAME…] [--trace FILE]`.

use anyhow::Result;

fn main() -> Result<()> {
    let mut options = dxos_bench::Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--trace" => options.trace = arguments.next().map(Into::into),
            "--quick" => options.rounds = 1,
            name => options.names.push(name.to_owned()),
        }
    }
    dxos_bench::run(&options)
}
