//! Words for the steps of an invitation, on both sides. Pure functions.

use dxos_client::{InvitationState, InvitationView, LinkKind};

/// It is over, well or badly.
pub fn ended(state: InvitationState) -> bool {
    use InvitationState::*;
    matches!(state, Success | Cancelled | Timeout | Error | Expired)
}

fn someone(view: &InvitationView) -> &str {
    if view.peer_name.is_empty() {
        "Someone"
    } else {
        &view.peer_name
    }
}

/// What the host sees.
pub fn host(view: &InvitationView) -> String {
    use InvitationState::*;
    let who = someone(view);
    let tries = match view.tries_left {
        0 | 3.. => String::new(),
        left => format!(" That was not it: {}.", tries_left(left)),
    };
    match view.state {
        Init => "Waiting for someone to open the link…".into(),
        Connecting => "Someone opened the link. Connecting…".into(),
        Connected | ReadyForAuthentication => {
            format!("{who} opened the link. Read them the code.{tries}")
        }
        Authenticating => "Checking the code…".into(),
        Success => format!("{who} joined."),
        Cancelled => "This invitation was cancelled.".into(),
        Expired => "This invitation has expired.".into(),
        Timeout => "The other side went away.".into(),
        Error => reason(view, "The invitation failed."),
    }
}

/// What the guest sees while it goes on.
pub fn guest(view: &InvitationView, app: &str) -> String {
    use InvitationState::*;
    let way = match view.link {
        Some(LinkKind::Direct) => "Connected directly.",
        Some(LinkKind::Relayed) => "Connected through the server, sealed.",
        None => "Connected.",
    };
    match view.state {
        Init | Connecting => {
            format!("Reaching the person who invited you. They need to have {app} open.")
        }
        Connected => "Connected. Agreeing on keys…".into(),
        ReadyForAuthentication if view.tries_left < 3 => {
            format!(
                "That was not the code. {}.",
                capital(&tries_left(view.tries_left))
            )
        }
        ReadyForAuthentication => format!("{way} {}.", capital(&tries_left(view.tries_left))),
        Authenticating => "Checking the code…".into(),
        Success => "You are in.".into(),
        Cancelled => "The invitation was cancelled.".into(),
        Expired => "The invitation has expired.".into(),
        Timeout => "Nobody answered.".into(),
        Error => reason(view, "Joining failed."),
    }
}

/// What the guest can do after it ended badly.
pub fn next_step(state: InvitationState, app: &str) -> String {
    use InvitationState::*;
    match state {
        Timeout => format!(
            "Ask them to open {app} at the same address as this page, then try again; or ask for a new invitation."
        ),
        _ => "Ask for a new invitation.".into(),
    }
}

fn reason(view: &InvitationView, otherwise: &str) -> String {
    if view.reason.is_empty() {
        otherwise.into()
    } else {
        view.reason.clone()
    }
}

fn tries_left(left: u8) -> String {
    match left {
        0 => "no tries left".into(),
        1 => "1 try left".into(),
        many => format!("{many} tries left"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    first + letters.as_str()
}

/// The code in what a person pasted: a link's fragment, or the text itself.
pub fn code_of(text: &str) -> String {
    let text = text.trim();
    text.rsplit_once('#')
        .map_or(text, |(_, fragment)| fragment)
        .trim()
        .to_owned()
}

/// What to know of a link that was made at another address than this page's: peers meet where their pages come from.
pub fn elsewhere(text: &str, here: &str) -> Option<String> {
    let (address, _) = text.trim().split_once('#')?;
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default();
    let there = format!("{scheme}://{host}");
    (!host.is_empty() && there != here).then(|| {
        format!(
            "This link was made at {there}, and this page is {here}. If nobody answers, open the link itself."
        )
    })
}

/// `481207` as `481 207`.
pub fn spaced(digits: &str) -> String {
    let half = digits.len() / 2;
    match digits.split_at_checked(half) {
        Some((one, two)) if digits.len() == 6 => format!("{one} {two}"),
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use dxos_base::InvitationId;
    use dxos_client::Role;

    use super::*;

    fn view(state: InvitationState, tries_left: u8) -> InvitationView {
        InvitationView {
            invitation: InvitationId([0; 16]),
            host: true,
            space: None,
            space_name: String::new(),
            peer_name: String::new(),
            code: String::new(),
            auth_code: String::new(),
            role: Role::Editor,
            link: Some(LinkKind::Direct),
            tries_left,
            expires_ms: 0,
            state,
            reason: String::new(),
        }
    }

    #[test]
    fn both_sides_are_told_of_a_wrong_code() {
        use InvitationState::*;
        assert_eq!(
            guest(&view(ReadyForAuthentication, 3), "Tasks"),
            "Connected directly. 3 tries left."
        );
        assert_eq!(
            guest(&view(ReadyForAuthentication, 1), "Tasks"),
            "That was not the code. 1 try left."
        );
        assert!(host(&view(ReadyForAuthentication, 2)).ends_with("That was not it: 2 tries left."));
    }

    #[test]
    fn a_code_is_found_in_what_people_paste() {
        for (pasted, code) in [
            ("http://localhost:4400/join#abc-def", "abc-def"),
            ("  abc-def \n", "abc-def"),
            ("", ""),
        ] {
            assert_eq!(code_of(pasted), code);
        }
        let here = "http://localhost:4400";
        let told = elsewhere("https://dx.example.org/join#abc", here);
        assert!(told.is_some_and(|told| told.contains("https://dx.example.org,")));
        for same in ["http://localhost:4400/join#abc", "abc", "#abc", ""] {
            assert_eq!(elsewhere(same, here), None, "{same}");
        }
        assert_eq!(spaced("481207"), "481 207");
        assert_eq!(spaced("48é207"), "48é207");
    }
}
