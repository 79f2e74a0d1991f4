//! The `dx` binary: web host with signal server and relay (`dx serve`), and a native peer on the command line.
//!
//! Exit codes: 0 done, 1 failed (the reason is on stderr), 2 wrong usage.

mod peer;
mod serve;

use std::process::ExitCode;

use clap::Parser;

/// Local-first workspace: server, relay and native peer in one.
#[derive(Debug, Parser)]
#[command(name = "dx", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve Composer, and the signal server and relay it needs.
    Serve(serve::ServeArguments),
    #[command(flatten)]
    Peer(peer::PeerCommand),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Peer(command) => peer::run(command),
    };
    done.unwrap_or_else(|error| {
        eprintln!("dx: {error:#}");
        ExitCode::FAILURE
    })
}
