//! A whole profile as one file: `dx profile export`, `dx profile import`. The profile is not open meanwhile.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use dxos_client::native::{archive_profile, restore_profile};

use super::exchange::Bar;
use super::failed::Failed;
use super::{from_env, say};

/// Commands about the profile as a whole.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Writes identity, keys and all spaces of this profile into one file, encrypted under a passphrase.
    Export {
        /// The file to write.
        file: PathBuf,
        /// File whose first line is the passphrase. Also $DX_PASSPHRASE; else it is asked for.
        #[arg(long, value_name = "FILE")]
        passphrase: Option<PathBuf>,
        /// Writes over a file that is there.
        #[arg(long)]
        force: bool,
    },
    /// Makes the profile named by --profile out of such a file. It must not be there yet.
    Import {
        /// The file.
        file: PathBuf,
        /// File whose first line is the passphrase. Also $DX_PASSPHRASE; else it is asked for.
        #[arg(long, value_name = "FILE")]
        passphrase: Option<PathBuf>,
    },
}

pub(super) fn run(profile: &Path, command: ProfileCommand) -> Result<(), Failed> {
    let mut bar = Bar::of_bytes();
    let mut progress = |done, bytes| bar.show(done, bytes);
    match command {
        ProfileCommand::Export {
            file,
            passphrase,
            force,
        } => {
            if file.exists() && !force {
                return Err(Failed::usage(&format!(
                    "{} is there already; --force writes over it",
                    file.display()
                )));
            }
            let phrase = phrase(passphrase.as_deref(), Ask::Twice)?;
            archive_profile(profile, &phrase, &file, &mut progress)?;
            bar.end();
            say(format_args!(
                "{} holds the profile {}. Without its passphrase nobody can read it, nor can you.",
                file.display(),
                profile.display()
            ));
        }
        ProfileCommand::Import { file, passphrase } => {
            let phrase = phrase(passphrase.as_deref(), Ask::Once)?;
            restore_profile(&file, &phrase, profile, &mut progress)?;
            bar.end();
            say(format_args!("restored into {}", profile.display()));
        }
    }
    Ok(())
}

/// A new passphrase is asked for twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Once,
    Twice,
}

fn phrase(file: Option<&Path>, ask: Ask) -> Result<String, Failed> {
    if let Some(file) = file {
        let read = std::fs::read_to_string(file);
        let text = read
            .map_err(|error| Failed::usage(&format!("cannot read {}: {error}", file.display())))?;
        return Ok(text.lines().next().unwrap_or_default().to_owned());
    }
    if let Some(phrase) = from_env("DX_PASSPHRASE") {
        return Ok(phrase);
    }
    if !std::io::stdin().is_terminal() {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        read.map_err(|error| Failed::input(&error))?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let asked = |prompt| rpassword::prompt_password(prompt).map_err(|error| Failed::input(&error));
    let phrase = asked("Passphrase: ")?;
    if ask == Ask::Twice && asked("Once more: ")? != phrase {
        return Err(Failed::usage("the two are not the same"));
    }
    Ok(phrase)
}
