//! Joining a space, step by step.

use std::io::BufRead;

use dxos_base::InvitationId;
use dxos_client::{InvitationState, InvitationView, Subscription};
use tokio::sync::mpsc;

use super::commands::{create_identity, shown_name};
use super::failed::{Failed, Kind};
use super::{At, JoinArguments, online, say};

/// What invitations and joins do, one after the other.
pub(super) struct Steps {
    steps: mpsc::UnboundedReceiver<InvitationView>,
    _listener: Subscription,
}

/// Hears from now on.
pub(super) fn steps(at: &At) -> Steps {
    let (told, steps) = mpsc::unbounded_channel();
    let listener = at.client.on_invitation(move |view| {
        // The receiver may be gone: then nobody waits.
        let _ = told.send(view.clone());
    });
    Steps {
        steps,
        _listener: listener,
    }
}

impl Steps {
    /// The next step of one invitation.
    pub(super) async fn next(&mut self, invitation: InvitationId) -> InvitationView {
        loop {
            match self.steps.recv().await {
                Some(view) if view.invitation == invitation => return view,
                Some(_) => {}
                // The listener, which holds the other end, lives as long as this.
                None => std::future::pending().await,
            }
        }
    }
}

pub(super) async fn run(at: &At, arguments: JoinArguments) -> Result<(), Failed> {
    let identity = at
        .client
        .status_with(|status| Some(status.identity.clone()))
        .await;
    match (identity, &arguments.name) {
        (Some(_), _) => {}
        (None, Some(name)) => create_identity(at, name, None).await?,
        (None, None) => {
            let hint = "Say who you are: dx join CODE --name NAME";
            return Err(Failed::new(
                Kind::Usage,
                "this profile has no identity yet",
                hint,
            ));
        }
    }
    let mut steps = steps(at);
    let mut view = at.client.join(&arguments.code).await?;
    let mut auth = arguments.auth;
    let mut asked_before = false;
    let mut reaching = false;
    loop {
        match view.state {
            InvitationState::Success => break,
            InvitationState::ReadyForAuthentication => {
                if asked_before {
                    eprintln!("dx: wrong code, {} tries left", view.tries_left);
                }
                asked_before = true;
                let code = match auth.take() {
                    Some(code) => code,
                    None => ask(&view).await?,
                };
                at.client.authenticate(view.invitation, &code).await?;
            }
            InvitationState::Timeout
            | InvitationState::Error
            | InvitationState::Expired
            | InvitationState::Cancelled => return Err(Failed::invitation(&view)),
            InvitationState::Connecting if !std::mem::replace(&mut reaching, true) => {
                eprintln!("dx: reaching the inviting person");
            }
            _ => {}
        }
        view = steps.next(view.invitation).await;
    }
    let Some(space) = view.space else {
        return Err(Failed::invitation(&view));
    };
    let name = at
        .client
        .status_with(move |status| {
            let found = status.spaces.iter().find(|view| view.space == space)?;
            Some(shown_name(found).to_owned())
        })
        .await;
    let together = online::together(at, space).await;
    at.client.flush().await?;
    online::note_reading(together);
    say(format_args!("joined {name} ({space})"));
    Ok(())
}

/// Asks for the digits.
async fn ask(view: &InvitationView) -> Result<String, Failed> {
    let who = if view.peer_name.is_empty() {
        "the inviting person"
    } else {
        &view.peer_name
    };
    eprint!("The 6 digits that {who} sees: ");
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let line = match line.await {
        Ok(line) => line.map_err(|error| Failed::input(&error))?,
        Err(error) => return Err(Failed::input(&std::io::Error::other(error))),
    };
    if line.trim().is_empty() {
        return Err(Failed::new(
            Kind::Usage,
            "no digits given",
            "Give them with --auth DIGITS.",
        ));
    }
    Ok(line.trim().to_owned())
}
