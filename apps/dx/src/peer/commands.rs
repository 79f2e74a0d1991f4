//! Identity, spaces and status.

use dxos_client::{
    IdentityView, InvitationState, Role, SpaceView, StatusView, VerifyMode, VerifyView,
};

use super::failed::{Failed, Kind};
use super::{At, IdentityCommand, InviteRole, SpaceCommand, join, online, say};

/// The profile's identity; fails without one.
pub(super) async fn identity_of(at: &At) -> Result<IdentityView, Failed> {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    status.identity.ok_or_else(Failed::no_identity)
}

/// Makes the identity and waits until its personal space is there.
pub(super) async fn create_identity(
    at: &At,
    name: &str,
    device: Option<&str>,
) -> Result<(), Failed> {
    let label = device.map_or_else(host_name, str::to_owned);
    at.client.create_identity(name, &label, &platform()).await?;
    at.client
        .status_with(|status| status.identity.as_ref().map(|_| ()))
        .await;
    Ok(())
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "dx".into()
    } else {
        format!("dx on {name}")
    }
}

fn platform() -> String {
    let system = match std::env::consts::OS {
        "linux" => "Linux",
        "macos" => "macOS",
        "windows" => "Windows",
        other => other,
    };
    format!("dx on {system}")
}

pub(super) async fn identity(at: &At, command: IdentityCommand) -> Result<(), Failed> {
    match command {
        IdentityCommand::Create { name, device } => {
            create_identity(at, &name, device.as_deref()).await?;
            at.client.flush().await?;
            let identity = identity_of(at).await?;
            say(format_args!("{} is {}", identity.name, identity.identity));
        }
        IdentityCommand::Show => {
            let identity = identity_of(at).await?;
            say(format_args!("name      {}", identity.name));
            say(format_args!("identity  {}", identity.identity));
            say(format_args!("device    {}", identity.device));
        }
    }
    Ok(())
}

/// A space by id, name, or the beginning of its name.
pub(super) fn find_space<'a>(
    status: &'a StatusView,
    wanted: &str,
) -> Result<&'a SpaceView, Failed> {
    if let Some(view) = status
        .spaces
        .iter()
        .find(|view| view.space.to_string() == wanted)
    {
        return Ok(view);
    }
    let wanted_lower = wanted.to_lowercase();
    let name = |view: &SpaceView| shown_name(view).to_lowercase();
    let exact: Vec<_> = status
        .spaces
        .iter()
        .filter(|view| name(view) == wanted_lower)
        .collect();
    let found = if exact.is_empty() {
        status
            .spaces
            .iter()
            .filter(|view| name(view).starts_with(&wanted_lower))
            .collect()
    } else {
        exact
    };
    match found[..] {
        [one] => Ok(one),
        [] => Err(Failed::new(
            Kind::NotFound,
            format!("there is no space \"{wanted}\""),
            "dx space list shows all of them.",
        )),
        _ => Err(Failed::new(
            Kind::NotFound,
            format!("\"{wanted}\" could be {} spaces", found.len()),
            "Give the id; dx space list shows it.",
        )),
    }
}

/// The name people know a space by.
pub(super) fn shown_name(view: &SpaceView) -> &str {
    if view.personal {
        "Personal"
    } else {
        &view.name
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Editor => "editor",
        Role::Admin => "admin",
        Role::Owner => "owner",
    }
}

async fn present(at: &At) -> Result<StatusView, Failed> {
    identity_of(at).await?;
    Ok(at.client.status_with(|status| Some(status.clone())).await)
}

pub(super) async fn space(at: &At, command: SpaceCommand) -> Result<(), Failed> {
    let status = present(at).await?;
    match command {
        SpaceCommand::List => {
            for view in &status.spaces {
                let (role, members) = (role_name(view.role), view.members.len());
                say(format_args!(
                    "{}  {role:6}  {members:3}  {}",
                    view.space,
                    shown_name(view)
                ));
            }
        }
        SpaceCommand::Create { name } => {
            let space = at.client.create_space(&name).await?;
            at.client.flush().await?;
            say(space);
        }
        SpaceCommand::Members { space } => {
            for member in &find_space(&status, &space)?.members {
                let here = if member.online { "online" } else { "" };
                let role = role_name(member.role);
                say(format_args!(
                    "{}  {role:6}  {here:6}  {}",
                    member.identity, member.name
                ));
            }
        }
        SpaceCommand::Invite {
            space,
            role,
            minutes,
        } => {
            let space = find_space(&status, &space)?.space;
            let role = match role {
                InviteRole::Reader => Role::Reader,
                InviteRole::Editor => Role::Editor,
                InviteRole::Admin => Role::Admin,
            };
            invite(at, space, role, minutes).await?;
        }
        SpaceCommand::Leave { space } => {
            let space = find_space(&status, &space)?.space;
            let met = online::together(at, space).await;
            at.client.spaces().get(space)?.leave().await?;
            say(format_args!(
                "left; {}",
                online::heard(at, space, met).await
            ));
        }
        SpaceCommand::Delete { space, yes } => {
            let space = find_space(&status, &space)?;
            sure(yes, space, "deletes it for all members")?;
            let met = online::together(at, space.space).await;
            at.client
                .spaces()
                .get(space.space)?
                .delete_for_all()
                .await?;
            let heard = online::heard(at, space.space, met).await;
            say(format_args!("deleted; {heard}"));
        }
        SpaceCommand::Remove { space, yes } => {
            let space = find_space(&status, &space)?;
            sure(yes, space, "removes its data from this device")?;
            at.client.spaces().get(space.space)?.delete_here().await?;
        }
        SpaceCommand::Settle { space } => {
            let space = find_space(&status, &space)?.space;
            match at.client.spaces().get(space)?.settle_forks().await? {
                0 => say("nothing to settle"),
                1 => say("settled the fork of 1 device"),
                count => say(format_args!("settled the forks of {count} devices")),
            }
        }
        SpaceCommand::Verify { space, repair } => {
            let space = find_space(&status, &space)?.space;
            let mode = match repair {
                true => VerifyMode::Repair,
                false => VerifyMode::Check,
            };
            let found = at.client.verify(space, mode).await?;
            report(&found)?;
        }
    }
    Ok(())
}

/// What cannot be taken back is done only when it is meant.
fn sure(yes: bool, space: &SpaceView, what: &str) -> Result<(), Failed> {
    if yes {
        return Ok(());
    }
    let name = shown_name(space);
    Err(Failed::new(
        Kind::Usage,
        format!("this {what}: {name}"),
        "Add --yes if you mean it.",
    ))
}

/// Says what a verification found; fails if something is wrong now.
fn report(found: &VerifyView) -> Result<(), Failed> {
    say(format_args!(
        "{} entries make {} objects and {} texts",
        found.entries, found.objects, found.texts
    ));
    let wrong = [
        (found.entries_damaged, "entries are not what was signed"),
        (
            found.entries_redecided,
            "entries counted or not against the credentials",
        ),
        (found.objects_wrong_count, "objects were stored otherwise"),
        (
            found.indexes_wrong.len() as u64,
            "properties were indexed otherwise",
        ),
        (found.texts_wrong, "texts read otherwise, or not at all"),
        (
            u64::from(found.digest_wrong),
            "digest told to others was another",
        ),
    ];
    for (count, words) in wrong.iter().filter(|(count, _)| *count > 0) {
        say(format_args!("{count:6}  {words}"));
    }
    for object in &found.objects_wrong {
        say(format_args!("        object {object}"));
    }
    if found.is_sound() {
        say("all is as the entries say");
        return Ok(());
    }
    if found.repaired {
        say("repaired");
        return Ok(());
    }
    let hint = match found.entries_damaged {
        0 => "dx space verify --repair replaces what is wrong.",
        _ => {
            "Entries cannot be made again here: join the space on a new profile, and others give them."
        }
    };
    Err(Failed::new(Kind::Storage, "the space is damaged", hint))
}

async fn invite(
    at: &At,
    space: dxos_base::SpaceId,
    role: Role,
    minutes: u64,
) -> Result<(), Failed> {
    let mut steps = join::steps(at);
    let view = at
        .client
        .invite(space, role, minutes.saturating_mul(60_000))
        .await?;
    say(format_args!("code    {}", view.code));
    say(format_args!("digits  {}", view.auth_code));
    eprintln!("dx: waiting; give the code first, and the digits once you know who asks");
    let mut told = view.state;
    loop {
        let view = steps.next(view.invitation).await;
        let again = std::mem::replace(&mut told, view.state) == view.state;
        let who = if view.peer_name.is_empty() {
            "the guest"
        } else {
            &view.peer_name
        };
        match view.state {
            InvitationState::Success => {
                at.client.flush().await?;
                say(format_args!("{} is in", view.peer_name));
                // The newcomer fetches what is in the space from here.
                online::note_writing(online::together(at, space).await);
                return Ok(());
            }
            InvitationState::Timeout
            | InvitationState::Error
            | InvitationState::Expired
            | InvitationState::Cancelled => return Err(Failed::invitation(&view)),
            InvitationState::Authenticating if !again => eprintln!("dx: {who} types the digits"),
            InvitationState::Connected if !again => eprintln!("dx: somebody connected"),
            _ => {}
        }
    }
}

pub(super) async fn status(at: &At, holds: bool) -> Result<(), Failed> {
    let status = at.client.status_with(|status| Some(status.clone())).await;
    match &status.identity {
        Some(identity) => say(format_args!(
            "identity: {} ({})",
            identity.name, identity.identity
        )),
        None => say("identity: none yet (dx identity create NAME)"),
    }
    say(if holds {
        "node: this command"
    } else {
        "node: another dx with this profile"
    });
    say(online::network(status.network));
    status.spaces.iter().map(online::line).for_each(say);
    status
        .warnings
        .iter()
        .for_each(|warning| say(format_args!("warning: {warning}")));
    Ok(())
}
