//! Golden bytes: `vectors/halo.txt`. A change here is a change of the format.
//!
//! `DXOS_BLESS=1 cargo test -p dxos-halo` writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dxos_base::{Clock, FeedId, Hash, Tick, encode};
use dxos_halo::{
    AuthMethod, Credential, CredentialBody, FeedPoint, HostInvitation, InvitationCode,
    InvitationKind, Role, SealedPart, create_identity, device_consent_hash,
};

use crate::support::{Seeded, View, member, person};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// One credential of every kind.
fn every_kind() -> Vec<(String, Vec<u8>)> {
    let ada = create_identity("Ada", "laptop", "Test on Linux", &mut Seeded::new(1)).unwrap();
    let ben = person("Ben", 2);
    let mut view = View::found(ada.identity.clone(), 3);
    let mut out = Vec::new();
    for (i, credential) in ada.credentials.iter().enumerate() {
        out.push((format!("identity {i}"), credential.bytes().to_vec()));
    }
    for (i, credential) in view.graph.after(&[]).into_iter().enumerate() {
        out.push((format!("space {i}"), credential.bytes().to_vec()));
    }
    for (i, credential) in view.let_in(&ben, Role::Editor).iter().enumerate() {
        out.push((format!("admission {i}"), credential.bytes().to_vec()));
    }
    let point = FeedPoint {
        feed: FeedId([4; 16]),
        seq: 300,
        head: Hash([5; 32]),
    };
    let (identity, device) = (ada.identity.identity(), ada.identity.device());
    let agreement = ada.identity.agreement().public();
    let consent = ada
        .identity
        .signing_key()
        .sign(&device_consent_hash(&identity, &device, &agreement));
    let reason = || {
        Some(SealedPart::Reason {
            text: "lost".into(),
        })
    };
    let bodies = [
        (
            "demotion",
            member(&ben, Some(Role::Reader), Some(vec![point])),
            None,
        ),
        ("removal", member(&ben, None, Some(vec![point])), reason()),
        (
            "authorized device",
            CredentialBody::AuthorizedDevice {
                identity,
                device,
                agreement,
                consent,
            },
            None,
        ),
        (
            "revoked device",
            CredentialBody::RevokedDevice {
                identity,
                device,
                cut: vec![point],
            },
            reason(),
        ),
        (
            "recovery",
            CredentialBody::IdentityRecovery {
                identity,
                recovery: [8; 32],
                agreement,
            },
            None,
        ),
        (
            "recovery revoked",
            CredentialBody::RecoveryRevoked {
                identity,
                recovery: [8; 32],
            },
            None,
        ),
        (
            "epoch",
            CredentialBody::Epoch {
                timeframe: vec![point],
                control_heads: vec![Hash([6; 32])],
                chunks: vec![Hash([9; 32]), Hash([7; 32])],
                state: Hash([1; 32]),
            },
            None,
        ),
        (
            "epoch confirmed",
            CredentialBody::EpochConfirmed {
                epoch: Hash([2; 32]),
                state: Hash([1; 32]),
            },
            None,
        ),
        ("feed cut", CredentialBody::FeedCut { device, point }, None),
        (
            "invitation",
            CredentialBody::Invitation {
                key: [3; 32],
                role: Role::Editor,
                uses: 1,
                expires_ms: Clock::from_ms(1_700_000_000_000).ms(),
            },
            None,
        ),
        (
            "invitation cancelled",
            CredentialBody::InvitationCancelled {
                invitation: Hash([4; 32]),
            },
            None,
        ),
        ("space deleted", CredentialBody::SpaceDeleted, None),
    ];
    for (name, body, sealed) in bodies {
        out.push((
            name.to_owned(),
            view.issue_sealed(body, sealed).bytes().to_vec(),
        ));
    }
    let challenge = CredentialBody::Auth {
        challenge: Hash([6; 32]),
    };
    let auth = view.me.issue(
        view.graph.space(),
        &view.graph.heads(),
        challenge,
        None,
        &mut Seeded::new(8),
    );
    out.push(("auth".to_owned(), auth.unwrap().bytes().to_vec()));
    out
}

pub fn everything() -> Vec<(String, Vec<u8>)> {
    let mut out = every_kind();
    let code =
        InvitationCode::generate(InvitationKind::Space, AuthMethod::Code, &mut Seeded::new(9));
    out.push(("invitation code".into(), code.to_string().into_bytes()));
    out.push(("invitation id".into(), code.id().as_bytes().to_vec()));
    out.push(("invitation topic".into(), code.topic().to_vec()));
    out.push(("invitation psk".into(), code.psk().to_vec()));
    out.push(("invitation signal key".into(), code.signal_key().to_vec()));
    let host = HostInvitation::new(
        person("Ada", 1).halo(),
        Role::Editor,
        AuthMethod::Code,
        Tick(1000),
        60_000,
        &mut Seeded::new(10),
    );
    out.push(("host invitation".into(), host.to_secret_bytes().to_vec()));
    out.push((
        "identity secrets".into(),
        person("Ada", 1).to_secret_bytes().to_vec(),
    ));
    out.push(("role owner".into(), encode(&Role::Owner)));
    out
}

#[test]
fn bytes_are_the_golden_ones() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/halo.txt");
    let made = everything();
    if std::env::var_os("DXOS_BLESS").is_some() {
        let text: String = made
            .iter()
            .map(|(name, bytes)| format!("{name}: {}\n", hex(bytes)))
            .collect();
        std::fs::write(path, text).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let golden: BTreeMap<&str, &str> = text
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    assert_eq!(golden.len(), made.len());
    for (name, bytes) in &made {
        assert_eq!(
            golden.get(name.as_str()),
            Some(&hex(bytes).as_str()),
            "{name}"
        );
    }
    for (name, _) in every_kind() {
        Credential::decode(&unhex(golden[name.as_str()])).unwrap();
    }
}
