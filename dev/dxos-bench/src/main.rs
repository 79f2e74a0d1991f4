//! `cargo xtask bench [NAME…] [--trace FILE]`.

use anyhow::Result;

fn main() -> Result<()> {
    let mut options = dxos_bench::Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--trace" => options.trace = arguments.next().map(Into::into),
            "--quick" => options.rounds = 1,
            // Not for people: the process that is measured by `rss_100k_mib`.
            "--rss" => {
                let path = arguments.next().unwrap_or_default();
                return dxos_bench::print_rss(std::path::Path::new(&path));
            }
            // Nor for people: the process that is measured by `million`.
            "--million" => {
                let path = arguments.next().unwrap_or_default();
                return dxos_bench::print_million(std::path::Path::new(&path));
            }
            name => options.names.push(name.to_owned()),
        }
    }
    dxos_bench::run(&options)
}
