//! The native peer on the command line: what a person types, and what it becomes.
//!
//! A command opens the profile, does one thing, waits until what it wrote is on disk and (for a few seconds) with
//! the others, and ends. While another `dx` holds the profile (`dx peer`), commands go through that one.

mod commands;
mod documents;
mod exchange;
mod failed;
mod join;
mod objects;
mod online;
mod profile;
mod query;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use dxos_client::native::{self, Config, Native};
use dxos_client::{SpaceLife, SpaceView};

use failed::Failed;

/// Where the signal server is unless said otherwise: `dx serve` on this machine.
const SERVER: &str = "ws://localhost:4400/signal";

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 failed · 2 wrong usage · 3 not found · 4 not allowed · 5 invitation or code refused \
· 6 nobody answered in time · 7 storage · 8 the profile is in use";

/// Commands of the native peer.
#[derive(Debug, Subcommand)]
pub enum PeerCommand {
    /// The person this profile belongs to.
    #[command(after_help = after("dx identity create Ada\n  dx identity show"))]
    Identity(Of<IdentityCommand>),
    /// Spaces: make, list, invite others.
    #[command(after_help = after("dx space list\n  dx space create Garden\n  dx space invite Garden\n  \
         dx space verify Garden --repair"))]
    Space(Of<SpaceCommand>),
    /// Documents: list, read and write them.
    #[command(after_help = after(
        "dx doc list\n  dx doc show \"Shopping list\"\n  dx doc append \"Shopping list\" \"- milk\"\n  \
         echo '# New' | dx doc write \"Shopping list\" -"
    ))]
    Doc(Of<DocCommand>),
    /// Objects of any type: as JSON, copied, what lost against others' writes.
    #[command(after_help = after(
        "dx object get dxos://B…/01J…\n  dx object get dxos://B…/01J…/title\n  \
         dx object put Garden objects.json\n  dx object copy dxos://B…/01J… --to Garden"
    ))]
    Object(Of<ObjectCommand>),
    /// Asks the objects of a space, or of all.
    #[command(after_help = after(
        "dx query type=org.dxos.type.Document order=-@updated limit=10\n  dx query oat milk --explain\n  \
         dx query '{\"where\": {\"field\": \"title\", \"contains\": \"list\"}}' --space Garden\n\n\
         FIELD=V, !=, <, <=, >, >=, ~ (contains) are conditions; type=, tag=, order=, limit=, skip=, deleted=, group=\n\
         are what they say; other words are searched for. The JSON form stands in docs/formats.md."
    ))]
    Query(QueryArguments),
    /// Takes in a file or folder: an archive of a space (also of the original DXOS), Markdown notes, a table.
    #[command(after_help = after(
        "dx import notes/ --space Garden\n  dx import space.tar\n  dx import garden.zip --space Copy\n  \
         dx import people.csv --type org.example.Person@0.1.0\n\nThe same source imported again makes nothing twice; \
         what is here already stays as it is."
    ))]
    Import(exchange::ImportArguments),
    /// Writes out a space: as an archive, Markdown notes, a table.
    #[command(after_help = after(
        "dx export garden.zip --space Garden\n  dx export notes/ --space Garden\n  \
         dx export people.csv --type org.example.Person"
    ))]
    Export(exchange::ExportArguments),
    /// The whole profile as one file under a passphrase, and back.
    #[command(after_help = after(
        "dx profile export ada.dxprofile\n  dx profile import ada.dxprofile --profile restored"
    ))]
    Profile(Of<profile::ProfileCommand>),
    /// Joins a space by an invitation link or code.
    #[command(after_help = after(
        "dx join http://localhost:4400/#join/… --name Ada\n  dx join CODE --auth 123456"
    ))]
    Join(JoinArguments),
    /// Stays online with this profile, as a peer without a screen, until Ctrl-C.
    #[command(after_help = after("dx peer --server http://localhost:4400"))]
    Peer(Options),
    /// Identity, spaces, connections: where this profile stands.
    #[command(after_help = after("dx status"))]
    Status(Options),
}

/// A group of commands.
#[derive(Debug, Args)]
pub struct Of<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    options: Options,
}

/// What all commands of the peer take.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Profile: a name (kept under the data directory) or a path. Also $DX_PROFILE.
    #[arg(long, global = true, value_name = "NAME|PATH")]
    profile: Option<String>,
    /// Signal server or the address of the app it serves. Also $DX_SERVER; else ws://localhost:4400/signal.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Seconds to wait for others, at most; 0 works with what is on this device.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 8)]
    wait: u64,
}

/// Commands about the identity.
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Makes this profile's identity: a key pair on this machine. No account, no server.
    Create {
        /// The name others see.
        name: String,
        /// What this device is called.
        #[arg(long)]
        device: Option<String>,
    },
    /// Prints the identity.
    Show,
}

/// Commands about spaces.
#[derive(Debug, Subcommand)]
pub enum SpaceCommand {
    /// Prints all spaces: id, role, members, name.
    List,
    /// Makes a space and prints its id.
    Create {
        /// Its name.
        name: String,
    },
    /// Prints the members of a space.
    Members {
        /// Its name or id.
        space: String,
    },
    /// Invites one person: prints the code, then the 6 digits to tell them, and waits until they are in.
    Invite {
        /// The space's name or id.
        space: String,
        /// What they may do.
        #[arg(long, value_enum, default_value_t = InviteRole::Editor)]
        role: InviteRole,
        /// Minutes until it expires.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// Ends your own membership, on all your devices. What you wrote stays with the others.
    Leave {
        /// The space's name or id.
        space: String,
    },
    /// Asks all members to delete a space; nobody writes in it any more. Owners only.
    Delete {
        /// The space's name or id.
        space: String,
        /// Says that you mean it.
        #[arg(long)]
        yes: bool,
    },
    /// Removes a space with all its data from this device; others keep theirs.
    Remove {
        /// The space's name or id.
        space: String,
        /// Says that you mean it.
        #[arg(long)]
        yes: bool,
    },
    /// Settles forks: where two copies of a device wrote and it is gone, the longer branch shows. Admins only, but for
    /// your own devices.
    Settle {
        /// The space's name or id.
        space: String,
    },
    /// Makes everything of a space again from its signed entries and compares it with what is on disk.
    Verify {
        /// The space's name or id.
        space: String,
        /// Replaces what is wrong by what the entries make.
        #[arg(long)]
        repair: bool,
    },
}

/// Roles one can invite to.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum InviteRole {
    /// May read.
    Reader,
    /// May read and write.
    Editor,
    /// May also invite.
    Admin,
}

/// Commands about documents.
#[derive(Debug, Subcommand)]
pub enum DocCommand {
    /// Prints all documents: id, space, title.
    List {
        /// Only of this space (name or id).
        #[arg(long)]
        space: Option<String>,
    },
    /// Prints a document's text.
    Show {
        /// Its title or id.
        document: String,
    },
    /// Makes a document and prints its id.
    Create {
        /// Its title.
        title: String,
        /// The space (name or id); else the personal one.
        #[arg(long)]
        space: Option<String>,
        /// Its first text.
        #[arg(long, default_value = "")]
        text: String,
    },
    /// Adds lines at the end of a document.
    Append {
        /// Its title or id.
        document: String,
        /// What to add; `-` reads it from standard input.
        text: String,
    },
    /// Replaces a document's text. Only what differs is written, so others' work at other places stays.
    Write {
        /// Its title or id.
        document: String,
        /// The new text; `-` reads it from standard input.
        text: String,
    },
}

/// Commands about objects.
#[derive(Debug, Subcommand)]
pub enum ObjectCommand {
    /// Prints an object, or one property of it, as JSON.
    Get {
        /// dxos://SPACE/OBJECT, perhaps with /PROPERTY.
        address: String,
    },
    /// Makes the object or list of objects of a JSON file, all or none, and prints their addresses.
    Put {
        /// The space's name or id.
        space: String,
        /// The file; `-` reads standard input.
        file: String,
    },
    /// Makes a copy under a new id, texts included, and prints its address.
    Copy {
        /// dxos://SPACE/OBJECT.
        address: String,
        /// The space (name or id) to copy into; else the same one.
        #[arg(long, value_name = "SPACE")]
        to: Option<String>,
    },
    /// Prints writes of a property that lost against ones made at the same time: when, by whom, what.
    Conflicts {
        /// dxos://SPACE/OBJECT/PROPERTY.
        address: String,
    },
}

/// What to ask.
#[derive(Debug, Args)]
pub struct QueryArguments {
    /// A query in JSON, or words of the short form.
    query: Vec<String>,
    /// Only of this space (name or id); else of all.
    #[arg(long)]
    space: Option<String>,
    /// Tells how the rows were found.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    options: Options,
}

/// How to join.
#[derive(Debug, Args)]
pub struct JoinArguments {
    /// Invitation link or code.
    code: String,
    /// The name others see, if this profile has no identity yet.
    #[arg(long)]
    name: Option<String>,
    /// The 6 digits the inviting person sees; asked for if not given.
    #[arg(long, value_name = "DIGITS")]
    auth: Option<String>,
    #[command(flatten)]
    options: Options,
}

fn after(examples: &str) -> String {
    format!("Examples:\n  {examples}\n\n{EXIT_CODES}")
}

/// Runs one command.
///
/// # Errors
/// Only when the program itself cannot run; what a command fails with is printed and becomes its exit code.
pub fn run(command: PeerCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    let done = local.block_on(&runtime, execute(command));
    // A question still open on standard input must not keep the process.
    runtime.shutdown_background();
    Ok(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("dx: {failed}");
            failed.exit_code()
        }
    })
}

async fn execute(command: PeerCommand) -> Result<(), Failed> {
    let options = match &command {
        PeerCommand::Identity(of) => &of.options,
        PeerCommand::Space(of) => &of.options,
        PeerCommand::Doc(of) => &of.options,
        PeerCommand::Object(of) => &of.options,
        PeerCommand::Query(query) => &query.options,
        PeerCommand::Import(arguments) => &arguments.options,
        PeerCommand::Export(arguments) => &arguments.options,
        PeerCommand::Profile(of) => &of.options,
        PeerCommand::Join(join) => &join.options,
        PeerCommand::Peer(options) | PeerCommand::Status(options) => options,
    }
    .clone();
    if let PeerCommand::Profile(of) = command {
        return profile::run(&profile_of(&options)?, of.command);
    }
    let native = open(&options).await?;
    let at = At {
        client: native.client().clone(),
        wait: Duration::from_secs(options.wait),
    };
    // Who is in a space is known once it is open.
    at.client
        .status_with(|status| {
            let opening = |view: &SpaceView| view.life == SpaceLife::Opening;
            (!status.spaces.iter().any(opening)).then_some(())
        })
        .await;
    let done = match command {
        PeerCommand::Identity(of) => commands::identity(&at, of.command).await,
        PeerCommand::Space(of) => commands::space(&at, of.command).await,
        PeerCommand::Doc(of) => documents::run(&at, of.command).await,
        PeerCommand::Object(of) => objects::run(&at, of.command).await,
        PeerCommand::Query(arguments) => query::run(&at, arguments).await,
        PeerCommand::Import(arguments) => exchange::import(&at, arguments).await,
        PeerCommand::Export(arguments) => exchange::export(&at, arguments).await,
        PeerCommand::Profile(_) => Err(Failed::usage("a profile is archived while nobody uses it")),
        PeerCommand::Join(join) => join::run(&at, join).await,
        PeerCommand::Peer(_) if !native.holds_profile() => Err(Failed::in_use()),
        PeerCommand::Peer(_) => online::stay(&at).await,
        PeerCommand::Status(_) => commands::status(&at, native.holds_profile()).await,
    };
    native.close().await;
    done
}

/// What commands work with.
struct At {
    client: dxos_client::Client,
    /// How long to wait for others.
    wait: Duration,
}

fn from_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The directory of the profile meant.
fn profile_of(options: &Options) -> Result<PathBuf, Failed> {
    let profile = options.profile.clone().or_else(|| from_env("DX_PROFILE"));
    profile_dir(profile.as_deref().unwrap_or("default"))
}

async fn open(options: &Options) -> Result<Native, Failed> {
    let server = options.server.clone().or_else(|| from_env("DX_SERVER"));
    let config = Config {
        profile: profile_of(options)?,
        signal_url: signal_url(server.as_deref().unwrap_or(SERVER))?,
    };
    Ok(native::open(config).await?)
}

/// A name stands for a directory under the data directory; what looks like a path is one.
fn profile_dir(profile: &str) -> Result<PathBuf, Failed> {
    if profile.contains(['/', '\\']) || profile.starts_with('.') {
        return Ok(PathBuf::from(profile));
    }
    native::default_profile_dir(profile).ok_or_else(|| {
        Failed::usage("there is no home directory to keep the profile in; give --profile PATH")
    })
}

/// The signal server of an address as people copy it from a browser.
fn signal_url(server: &str) -> Result<String, Failed> {
    let (scheme, rest) = server.split_once("://").unwrap_or(("ws", server));
    let scheme = match scheme {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => {
            return Err(Failed::usage(&format!(
                "{server} is no address of a server (ws://… or http://…)"
            )));
        }
    };
    let rest = rest.split(['#', '?']).next().unwrap_or(rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() {
        return Err(Failed::usage(&format!("{server} names no server")));
    }
    let path = if path.is_empty() { "signal" } else { path };
    Ok(format!("{scheme}://{host}/{path}"))
}

/// Prints a line. Who closed the pipe does not want more.
fn say(line: impl std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: PeerCommand,
    }

    #[test]
    fn addresses_are_taken_as_people_copy_them() {
        for (given, wanted) in [
            ("http://localhost:4400", "ws://localhost:4400/signal"),
            (
                "http://localhost:4400/#join/abc",
                "ws://localhost:4400/signal",
            ),
            ("https://example.org/", "wss://example.org/signal"),
            ("localhost:4400", "ws://localhost:4400/signal"),
            ("ws://10.0.0.1:1/other", "ws://10.0.0.1:1/other"),
        ] {
            assert_eq!(signal_url(given).unwrap(), wanted);
        }
        assert!(signal_url("ftp://x").is_err());
        assert!(signal_url("http://").is_err());
    }

    #[test]
    fn commands_parse_with_options_anywhere() {
        let line = Line::try_parse_from([
            "dx",
            "doc",
            "append",
            "a",
            "b",
            "--profile",
            "p",
            "--wait",
            "0",
        ]);
        let Ok(Line {
            command: PeerCommand::Doc(of),
        }) = line
        else {
            panic!("{line:?}")
        };
        assert_eq!(
            (of.options.profile.as_deref(), of.options.wait),
            (Some("p"), 0)
        );
        assert!(Line::try_parse_from(["dx", "--profile", "p"]).is_err());
        for line in [
            &["dx", "peer"][..],
            &["dx", "status"],
            &["dx", "join", "code", "--name", "Ada"],
        ] {
            Line::try_parse_from(line).unwrap();
        }
        use clap::CommandFactory;
        Line::command().debug_assert();
    }

    #[test]
    fn a_name_is_a_profile_and_a_path_a_directory() {
        assert_eq!(profile_dir("./p").unwrap(), PathBuf::from("./p"));
        assert_eq!(profile_dir("/tmp/p").unwrap(), PathBuf::from("/tmp/p"));
        if let Ok(named) = profile_dir("work") {
            assert!(named.ends_with("dx/work"));
        }
    }
}
