//! Invitations: codes, and the conversation between host and guest.

use dxos_base::{Hash, Tick, limits};
use dxos_halo::{
    AuthMethod, CodeError, ControlGraph, Credential, Granted, GuestPairing, HostInvitation,
    HostPairing, HostParty, Identity, InvitationCode, InvitationKind, PairingFailure,
    PairingOutput, PairingState, Role, admit, normal_auth_code,
};

use crate::support::{Seeded, View, person};

const NOW: Tick = Tick(1_000_000);
const TTL_MS: u64 = 60_000;

/// A host with its space and invitation, and one guest connected to it.
struct Table {
    host: View,
    invitation: HostInvitation,
    now: Tick,
    host_pairing: HostPairing,
    guest_pairing: GuestPairing,
    entropy: Seeded,
    /// Everything each side was told, without messages.
    host_log: Vec<PairingOutput>,
    guest_log: Vec<PairingOutput>,
    /// Counts persisted, in order.
    counts: Vec<u8>,
    granted: Option<Granted>,
    /// All bytes that travelled.
    wire: Vec<u8>,
}

fn host_pairing(host: &Identity, guest: &Identity, handshake: u8) -> HostPairing {
    HostPairing::new(HostParty {
        device: host.device(),
        agreement: host.device_agreement().public(),
        remote: guest.device_agreement().public(),
        handshake_hash: [handshake; 32],
        host_name: "Ada".into(),
        space_name: "Garden".into(),
    })
}

impl Table {
    fn set(auth: AuthMethod) -> Table {
        let host = View::found(person("Ada", 1), 10);
        let guest = person("Ben", 2);
        let mut entropy = Seeded::new(77);
        let space = host.graph.space();
        let invitation = HostInvitation::new(space, Role::Editor, auth, NOW, TTL_MS, &mut entropy);
        let mut table = Table {
            host_pairing: host_pairing(&host.me, &guest, 1),
            guest_pairing: GuestPairing::new(
                &guest,
                "Ben",
                invitation.code.to_string().parse().unwrap(),
                host.me.device_agreement().public(),
                [1; 32],
            ),
            host,
            invitation,
            now: NOW,
            entropy,
            host_log: vec![],
            guest_log: vec![],
            counts: vec![],
            granted: None,
            wire: vec![],
        };
        let hello = table.guest_pairing.start();
        table.guest_says(hello);
        table
    }

    /// The same invitation, another connection.
    fn reconnect(&mut self, guest: &Identity, handshake: u8) {
        self.host_pairing.closed(&mut self.invitation);
        self.host_pairing = host_pairing(&self.host.me, guest, handshake);
        let code = self.invitation.code.clone();
        let remote = self.host.me.device_agreement().public();
        self.guest_pairing = GuestPairing::new(guest, guest.name(), code, remote, [handshake; 32]);
        self.host_log.clear();
        self.guest_log.clear();
        let hello = self.guest_pairing.start();
        self.guest_says(hello);
    }

    fn type_code(&mut self, code: &str) {
        let outputs = self.guest_pairing.authenticate(code, &mut self.entropy);
        self.guest_says(outputs);
    }

    fn right_code(&self) -> String {
        self.invitation.auth_code().to_owned()
    }

    fn wrong_code(&self) -> String {
        let right: u32 = self.right_code().parse().unwrap();
        format!("{:06}", (right + 1) % 1_000_000)
    }

    fn guest_says(&mut self, outputs: Vec<PairingOutput>) {
        for output in outputs {
            if let PairingOutput::Send(bytes) = output {
                assert!(bytes.len() <= limits::STREAM_MESSAGE_BYTES_MAX);
                self.wire.extend_from_slice(&bytes);
                let answers = self.host_pairing.handle(
                    &mut self.invitation,
                    self.now,
                    &bytes,
                    &mut self.entropy,
                );
                self.host_says(answers);
            } else {
                if let PairingOutput::Granted(granted) = &output {
                    self.granted = Some(granted.clone());
                }
                self.guest_log.push(output);
            }
        }
    }

    fn host_says(&mut self, outputs: Vec<PairingOutput>) {
        for output in outputs {
            match output {
                PairingOutput::Send(bytes) => {
                    assert!(bytes.len() <= limits::STREAM_MESSAGE_BYTES_MAX);
                    self.wire.extend_from_slice(&bytes);
                    let answers = self.guest_pairing.handle(&bytes, &mut self.entropy);
                    self.guest_says(answers);
                }
                PairingOutput::CountTry { tries_used } => {
                    self.counts.push(tries_used);
                    // As after a restart: the record comes from disk.
                    let stored = self.invitation.to_secret_bytes();
                    let mut read = HostInvitation::from_secret_bytes(&stored).unwrap();
                    std::mem::swap(&mut self.invitation, &mut read);
                    let answers = self
                        .host_pairing
                        .try_counted(&mut self.invitation, &mut self.entropy);
                    self.host_says(answers);
                }
                PairingOutput::Admit(offer) => {
                    let view = &mut self.host;
                    let role = self.invitation.role;
                    let made = admit(
                        &view.graph,
                        &view.keyring,
                        &view.me,
                        &offer,
                        role,
                        &mut view.entropy,
                    )
                    .unwrap();
                    view.add_all(&made);
                    let all: Vec<Credential> = view.graph.after(&[]).into_iter().cloned().collect();
                    let answers = self.host_pairing.grant(&mut self.invitation, &all);
                    self.host_says(answers);
                }
                other => self.host_log.push(other),
            }
        }
    }

    fn guest_failed(&self) -> Option<PairingFailure> {
        self.guest_log.iter().find_map(|output| match output {
            PairingOutput::Failed(reason) => Some(*reason),
            _ => None,
        })
    }

    fn leaks_names(&self) -> bool {
        let has = |name: &[u8]| self.wire.windows(name.len()).any(|part| part == name);
        has(b"Garden") || has(b"Ada") || has(b"Ben")
    }
}

fn sent(outputs: &[PairingOutput]) -> &[u8] {
    outputs
        .iter()
        .find_map(|output| match output {
            PairingOutput::Send(bytes) => Some(bytes.as_slice()),
            _ => None,
        })
        .expect("a message to send")
}

#[test]
fn the_right_code_lets_the_guest_in() {
    let mut table = Table::set(AuthMethod::Code);
    assert_eq!(
        table.guest_log,
        [
            PairingOutput::State(PairingState::Connected),
            PairingOutput::State(PairingState::ReadyForAuthentication)
        ]
    );
    assert!(
        !table.leaks_names(),
        "no names before both sides are proved"
    );
    let code = table.right_code();
    table.type_code(&format!("{} {}", &code[..3], &code[3..]));
    assert!(table.guest_log.contains(&PairingOutput::Introduced {
        peer_name: "Ada".into(),
        space_name: "Garden".into()
    }));
    assert!(table.host_log.contains(&PairingOutput::Introduced {
        peer_name: "Ben".into(),
        space_name: "Garden".into()
    }));
    assert_eq!(
        table.guest_log.last(),
        Some(&PairingOutput::State(PairingState::Success))
    );
    assert_eq!(
        table.host_log.last(),
        Some(&PairingOutput::State(PairingState::Success))
    );
    assert_eq!(table.counts, [1]);

    let granted = table.granted.as_ref().unwrap();
    assert_eq!(
        (granted.space, granted.role),
        (table.host.graph.space(), Role::Editor)
    );
    let mut view = View::of(person("Ben", 2), granted.space, 5);
    view.add_all(&granted.credentials);
    assert_eq!(view.graph.digest(), table.host.graph.digest());
    assert_eq!(view.keyring.learn(&view.graph, view.me.agreement()), 1);
    assert!(view.graph.state().may_write(&view.me.device()));
}

#[test]
fn without_a_code_the_link_is_enough() {
    let table = Table::set(AuthMethod::None);
    assert!(table.granted.is_some());
    assert!(table.counts.is_empty());
    assert_eq!(table.invitation.auth_code(), "");
}

#[test]
fn a_wrong_code_may_be_corrected_on_the_same_stream() {
    let mut table = Table::set(AuthMethod::Code);
    let wrong = table.wrong_code();
    table.type_code(&wrong);
    assert!(
        table
            .guest_log
            .contains(&PairingOutput::WrongCode { tries_left: 2 })
    );
    assert!(
        table
            .host_log
            .contains(&PairingOutput::WrongCode { tries_left: 2 })
    );
    assert!(!table.leaks_names());
    table.type_code("no code at all");
    assert_eq!(table.counts, [1], "what is no code costs no try");
    table.type_code(&wrong);
    let right = table.right_code();
    table.type_code(&right);
    assert_eq!(table.counts, [1, 2, 3], "the last try may be the right one");
    assert!(table.granted.is_some());
}

#[test]
fn three_wrong_codes_over_all_connections_end_the_invitation() {
    let mut table = Table::set(AuthMethod::Code);
    let wrong = table.wrong_code();
    table.type_code(&wrong);
    table.type_code(&wrong);
    table.reconnect(&person("Eve", 9), 2);
    table.type_code(&wrong);
    assert_eq!(table.counts, [1, 2, 3]);
    assert_eq!(table.guest_failed(), Some(PairingFailure::TriesUsed));
    assert!(
        table
            .host_log
            .contains(&PairingOutput::Failed(PairingFailure::TriesUsed))
    );
    assert!(table.guest_pairing.is_done() && table.host_pairing.is_done());
    table.reconnect(&person("Ben", 2), 3);
    assert_eq!(table.guest_failed(), Some(PairingFailure::TriesUsed));
    let right = table.right_code();
    table.type_code(&right);
    assert!(table.granted.is_none());
    assert!(!table.leaks_names());
}

#[test]
fn used_expired_cancelled_and_unknown_invitations_say_so() {
    let mut table = Table::set(AuthMethod::Code);
    let code = table.right_code();
    table.type_code(&code);
    assert!(table.granted.is_some());
    table.reconnect(&person("Eve", 9), 2);
    assert_eq!(table.guest_failed(), Some(PairingFailure::Used));

    let mut table = Table::set(AuthMethod::Code);
    table.now = NOW.plus_ms(TTL_MS);
    let code = table.right_code();
    table.type_code(&code);
    assert_eq!(table.guest_failed(), Some(PairingFailure::Expired));
    assert!(table.counts.is_empty() && table.granted.is_none());

    let mut table = Table::set(AuthMethod::Code);
    table.invitation.cancelled = true;
    let code = table.right_code();
    table.type_code(&code);
    assert_eq!(table.guest_failed(), Some(PairingFailure::Cancelled));

    let mut table = Table::set(AuthMethod::Code);
    let other =
        InvitationCode::generate(InvitationKind::Space, AuthMethod::Code, &mut Seeded::new(5));
    table.host_pairing = host_pairing(&table.host.me, &person("Ben", 2), 1);
    table.guest_pairing = GuestPairing::new(
        &person("Ben", 2),
        "Ben",
        other,
        table.host.me.device_agreement().public(),
        [1; 32],
    );
    let hello = table.guest_pairing.start();
    table.guest_says(hello);
    assert_eq!(
        table.guest_failed(),
        Some(PairingFailure::UnknownInvitation)
    );
}

#[test]
fn another_session_or_other_keys_do_not_pair() {
    // Somebody in the middle: both have the code and know the digits, but their sessions differ.
    let mut table = Table::set(AuthMethod::Code);
    table.host_pairing = host_pairing(&table.host.me, &person("Ben", 2), 9);
    table.guest_log.clear();
    let hello = table.guest_pairing.start();
    let PairingOutput::Send(hello) = &hello[0] else {
        panic!("a guest speaks first")
    };
    let _ = table
        .host_pairing
        .handle(&mut table.invitation, NOW, hello, &mut table.entropy);
    let code = table.right_code();
    table.type_code(&code);
    assert!(
        table
            .guest_log
            .contains(&PairingOutput::WrongCode { tries_left: 2 })
    );
    assert!(table.granted.is_none());

    // The session's other end is not the device that makes the offer.
    let mut table = Table::set(AuthMethod::Code);
    table.host_pairing = host_pairing(&table.host.me, &person("Eve", 9), 1);
    let _ = table
        .host_pairing
        .handle(&mut table.invitation, NOW, hello, &mut table.entropy);
    table.type_code(&code);
    assert_eq!(table.guest_failed(), Some(PairingFailure::OfferRefused));
}

#[test]
fn one_guest_authenticates_at_a_time() {
    let mut table = Table::set(AuthMethod::Code);
    let guest = person("Ben", 2);
    // Another connection began and stays silent.
    let mut silent = host_pairing(&table.host.me, &guest, 7);
    let mut other = GuestPairing::new(
        &guest,
        "Ben",
        table.invitation.code.clone(),
        table.host.me.device_agreement().public(),
        [7; 32],
    );
    let mut to_host = other.start();
    for round in 0..2 {
        let bytes = sent(&to_host);
        let answers = silent.handle(&mut table.invitation, NOW, bytes, &mut table.entropy);
        let bytes = sent(&answers);
        if round == 0 {
            other.handle(bytes, &mut table.entropy);
            to_host = other.authenticate("123456", &mut table.entropy);
        }
    }
    let code = table.right_code();
    table.type_code(&code);
    assert_eq!(table.guest_failed(), Some(PairingFailure::Busy));
    // After a while it no longer stands in the way.
    table.now = NOW.plus_ms(30_000);
    table.reconnect(&guest, 8);
    table.type_code(&code);
    assert!(table.granted.is_some());
}

#[test]
fn messages_that_do_not_belong_end_it_with_a_reason() {
    for noise in [&b""[..], b"\0", b"\xff\xff\xff", &[4; 100]] {
        let mut table = Table::set(AuthMethod::Code);
        let answers =
            table
                .host_pairing
                .handle(&mut table.invitation, NOW, noise, &mut table.entropy);
        assert!(
            matches!(answers.last(), Some(PairingOutput::Failed(_))),
            "{noise:?}"
        );
        let answers = table.guest_pairing.handle(noise, &mut table.entropy);
        assert!(
            matches!(answers.last(), Some(PairingOutput::Failed(_))),
            "{noise:?}"
        );
    }
    let mut table = Table::set(AuthMethod::Code);
    let outputs = table.guest_pairing.cancel();
    table.guest_says(outputs);
    assert_eq!(
        table.host_log.last(),
        Some(&PairingOutput::Failed(PairingFailure::Cancelled))
    );
    assert!(table.guest_pairing.cancel().is_empty());
}

#[test]
fn a_grant_that_makes_no_member_is_not_believed() {
    let mut table = Table::set(AuthMethod::Code);
    // A host that grants without admitting: the credentials before the admission.
    let before: Vec<Credential> = table.host.graph.after(&[]).into_iter().cloned().collect();
    let begin = table
        .guest_pairing
        .authenticate(&table.right_code(), &mut table.entropy);
    let mut to_host = begin;
    let mut failed = false;
    while let Some(PairingOutput::Send(bytes)) = to_host
        .iter()
        .find(|output| matches!(output, PairingOutput::Send(_)))
    {
        let mut answers =
            table
                .host_pairing
                .handle(&mut table.invitation, NOW, bytes, &mut table.entropy);
        if matches!(answers.first(), Some(PairingOutput::CountTry { .. })) {
            answers = table
                .host_pairing
                .try_counted(&mut table.invitation, &mut table.entropy);
        }
        if answers
            .iter()
            .any(|output| matches!(output, PairingOutput::Admit(_)))
        {
            answers = table.host_pairing.grant(&mut table.invitation, &before);
        }
        if !answers
            .iter()
            .any(|output| matches!(output, PairingOutput::Send(_)))
        {
            break;
        }
        let bytes = sent(&answers);
        to_host = table.guest_pairing.handle(bytes, &mut table.entropy);
        failed |= to_host.contains(&PairingOutput::Failed(PairingFailure::Protocol));
    }
    assert!(failed);
}

#[test]
fn large_spaces_are_granted_in_several_messages() {
    let mut table = Table::set(AuthMethod::Code);
    let text = "x".repeat(40_000);
    for _ in 0..60 {
        let body = dxos_halo::CredentialBody::InvitationCancelled {
            invitation: Hash([1; 32]),
        };
        let reason = dxos_halo::SealedPart::Reason { text: text.clone() };
        table.host.issue_sealed(body, Some(reason));
    }
    let code = table.right_code();
    table.type_code(&code);
    let granted = table.granted.unwrap();
    assert_eq!(granted.credentials.len(), table.host.graph.len());
    let mut graph = ControlGraph::new(granted.space);
    for credential in granted.credentials {
        graph.add(credential);
    }
    assert_eq!(graph.digest(), table.host.graph.digest());
}

#[test]
fn codes_read_back_from_text_and_links() {
    let code = InvitationCode::generate(
        InvitationKind::Device,
        AuthMethod::Code,
        &mut Seeded::new(3),
    );
    let text = code.to_string();
    assert_eq!(text.len(), 37);
    let spaced = format!(" {}-{}\n", &text[..5].to_uppercase(), &text[5..]);
    let link = format!("https://example.org/app/#join={text}");
    for form in [&text, &spaced, &link] {
        assert_eq!(form.parse::<InvitationCode>().as_ref(), Ok(&code), "{form}");
    }
    let secrets = [code.topic(), code.psk(), code.signal_key()];
    assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2] && secrets[0] != secrets[2]);
}

#[test]
fn every_single_typing_error_is_noticed() {
    let code =
        InvitationCode::generate(InvitationKind::Space, AuthMethod::Code, &mut Seeded::new(4));
    let text = code.to_string();
    for at in 0..text.len() {
        for with in "abcdefghijklmnopqrstuvwxyz234567".chars() {
            let mut typed: Vec<char> = text.chars().collect();
            if typed[at] == with {
                continue;
            }
            typed[at] = with;
            let typed: String = typed.into_iter().collect();
            assert!(typed.parse::<InvitationCode>().is_err(), "{typed}");
        }
        let error = text[..at].parse::<InvitationCode>().unwrap_err();
        assert!(matches!(error, CodeError::Length { .. }), "{error}");
    }
    let error = "hello, world".parse::<InvitationCode>().unwrap_err();
    assert_eq!(error, CodeError::Character { found: ',' });
    assert!("é".repeat(37).parse::<InvitationCode>().is_err());
}

#[test]
fn auth_codes_are_six_digits() {
    assert_eq!(normal_auth_code(" 123 456 ").as_deref(), Some("123456"));
    assert_eq!(normal_auth_code("123-456").as_deref(), Some("123456"));
    for text in ["", "12345", "1234567", "12345a", "１２３４５６"] {
        assert_eq!(normal_auth_code(text), None, "{text}");
    }
    let space = person("Ada", 1).halo();
    for seed in 0..50 {
        let made = HostInvitation::new(
            space,
            Role::Reader,
            AuthMethod::Code,
            NOW,
            u64::MAX,
            &mut Seeded::new(seed),
        );
        assert_eq!(
            normal_auth_code(made.auth_code()).as_deref(),
            Some(made.auth_code())
        );
        assert_eq!(made.expires, NOW.plus_ms(limits::INVITE_TTL_MS_MAX));
        assert!(!format!("{made:?}").contains(made.auth_code()));
    }
}

#[test]
fn a_stored_invitation_reads_back_and_damage_is_noticed() {
    let table = Table::set(AuthMethod::Code);
    let stored = table.invitation.to_secret_bytes();
    let read = HostInvitation::from_secret_bytes(&stored).unwrap();
    assert_eq!(read.to_secret_bytes(), stored);
    for end in 0..stored.len() {
        assert!(HostInvitation::from_secret_bytes(&stored[..end]).is_err());
    }
}
