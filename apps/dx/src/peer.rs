//! The native peer on the command line.

use std::process::ExitCode;

/// Commands of the native peer.
#[derive(Debug, clap::Subcommand)]
pub enum PeerCommand {}

/// Runs one command.
pub fn run(command: PeerCommand) -> anyhow::Result<ExitCode> {
    match command {}
}
