//! One credential: encoding, signatures, seals, limits.

use dxos_base::{DecodeError, Hash, SigningKey, SpaceKey, encode};
use dxos_halo::{
    Credential, CredentialBody, CredentialError, Draft, Grant, Identity, Issuer, Keyring, Role,
    SealedPart, create_identity, create_space, issue_credential, space_id_of,
};

use crate::support::{Seeded, View, member, person};

fn sample() -> Credential {
    let mut view = View::found(person("Ada", 1), 2);
    let body = CredentialBody::MemberProfile {
        identity: view.me.identity(),
        agreement: view.me.agreement().public(),
    };
    view.issue_sealed(
        body,
        Some(SealedPart::Profile {
            name: "Ada Lovelace".into(),
        }),
    )
}

#[test]
fn round_trips_and_opens_only_with_its_key() {
    let credential = sample();
    let again = Credential::decode(credential.bytes()).unwrap();
    assert_eq!(again, credential);
    assert_eq!(again.hash(), credential.hash());
    let view = View::found(person("Ada", 1), 2);
    assert_eq!(
        again.open_sealed(&view.keyring),
        Some(SealedPart::Profile {
            name: "Ada Lovelace".into()
        })
    );
    assert_eq!(again.open_sealed(&Keyring::new()), None);
}

#[test]
fn truncated_at_every_byte_is_refused() {
    let bytes = sample().bytes().to_vec();
    for end in 0..bytes.len() {
        assert!(Credential::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(Credential::decode(&longer).is_err());
}

#[test]
fn every_altered_bit_is_refused() {
    let bytes = sample().bytes().to_vec();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1 << (at % 8);
        assert!(Credential::decode(&altered).is_err(), "byte {at}");
    }
}

#[test]
fn seeded_noise_never_panics() {
    let good = sample().bytes().to_vec();
    let mut entropy = Seeded::new(99);
    let entropy: &mut dyn dxos_base::Entropy = &mut entropy;
    for round in 0..2_000 {
        let mut bytes = good.clone();
        let [at, with, times] = entropy.array::<3>();
        for i in 0..=(times % 4) as usize {
            let place = (at as usize * 7 + i * 31 + round) % bytes.len();
            bytes[place] = with.wrapping_add(i as u8);
        }
        if bytes != good {
            assert!(Credential::decode(&bytes).is_err());
        }
        let noise: [u8; 96] = entropy.array();
        assert!(Credential::decode(&noise).is_err());
    }
}

#[test]
fn a_newer_version_is_told_apart() {
    let mut bytes = sample().bytes().to_vec();
    bytes[0] = 2;
    let error = Credential::decode(&bytes).unwrap_err();
    assert_eq!(
        error,
        CredentialError::Decode(DecodeError::Version { version: 2 })
    );
}

#[test]
fn a_signature_of_another_key_is_refused() {
    let ada = person("Ada", 1);
    let mallory = SigningKey::generate(&mut Seeded::new(66));
    let draft = Draft {
        space: ada.halo(),
        issuer: Issuer::Device(ada.device()),
        parents: &[Hash([1; 32])],
        body: CredentialBody::SpaceDeleted,
        sealed: None,
    };
    let error = issue_credential(draft, &mallory, &mut Seeded::new(1)).unwrap_err();
    assert!(matches!(error, CredentialError::Signature(_)), "{error}");
}

#[test]
fn forms_that_break_a_rule_are_refused() {
    let ada = person("Ada", 1);
    let ben = person("Ben", 2);
    let parents = [Hash([1; 32])];
    let refused = |body: CredentialBody| {
        ada.issue(ada.halo(), &parents, body, None, &mut Seeded::new(3))
            .unwrap_err()
    };
    let form =
        |error: CredentialError| assert!(matches!(error, CredentialError::Form(_)), "{error}");
    form(refused(member(&ben, None, None)));
    form(refused(member(&ben, Some(Role::Admin), Some(vec![]))));
    form(refused(CredentialBody::KeyGrant { grants: vec![] }));
    let grant = Grant {
        key: SpaceKey([1; 32]).id(),
        recipient: ben.agreement().public(),
        sealed: vec![],
    };
    form(refused(CredentialBody::KeyGrant {
        grants: vec![grant.clone(), grant],
    }));
    form(refused(CredentialBody::SpaceGenesis {
        identity: ada.identity(),
        agreement: ada.agreement().public(),
    }));
    let orphan = ada.issue(
        ada.halo(),
        &[],
        CredentialBody::SpaceDeleted,
        None,
        &mut Seeded::new(3),
    );
    form(orphan.unwrap_err());
    // Not a credential of a HALO space, and a carrier inside a carrier.
    form(refused(CredentialBody::Carried {
        credential: sample().bytes().to_vec(),
    }));
    let carrier = CredentialBody::Carried {
        credential: ada.chain()[0].bytes().to_vec(),
    };
    let carried = ada
        .issue(ada.halo(), &parents, carrier, None, &mut Seeded::new(3))
        .unwrap();
    assert_eq!(carried.carried(), Some(&ada.chain()[0]));
    form(refused(CredentialBody::Carried {
        credential: carried.bytes().to_vec(),
    }));
}

#[test]
fn nobody_claims_the_device_of_another() {
    let ada = person("Ada", 1);
    let ben = person("Ben", 2);
    let claim = CredentialBody::AuthorizedDevice {
        identity: ada.identity(),
        device: ben.device(),
        agreement: ben.device_agreement().public(),
        consent: ada.signing_key().sign(&Hash([7; 32])),
    };
    let error = ada.issue(
        ada.halo(),
        &[Hash([1; 32])],
        claim,
        None,
        &mut Seeded::new(3),
    );
    assert!(matches!(error, Err(CredentialError::Signature(_))));
}

#[test]
fn a_foreign_genesis_key_begins_no_space() {
    let key = SigningKey::generate(&mut Seeded::new(5));
    let ada = person("Ada", 1);
    let draft = |space| Draft {
        space,
        issuer: Issuer::Genesis(key.public()),
        parents: &[],
        body: CredentialBody::SpaceGenesis {
            identity: ada.identity(),
            agreement: ada.agreement().public(),
        },
        sealed: None,
    };
    assert!(issue_credential(draft(ada.halo()), &key, &mut Seeded::new(1)).is_err());
    assert!(issue_credential(draft(space_id_of(&key.public())), &key, &mut Seeded::new(1)).is_ok());
}

#[test]
fn lengths_of_names_do_not_show() {
    let ada = person("Ada", 1);
    let sizes: Vec<usize> = ["A", "Grace Brewster Murray Hopper"]
        .iter()
        .map(|name| {
            let space = create_space(&ada, name, name, &mut Seeded::new(4)).unwrap();
            space
                .credentials
                .iter()
                .map(|credential| credential.bytes().len())
                .sum()
        })
        .collect();
    assert_eq!(sizes[0], sizes[1]);
}

#[test]
fn names_have_bounds() {
    let long = "x".repeat(257);
    assert!(create_identity(&long, "a", "b", &mut Seeded::new(1)).is_err());
    assert!(create_identity("", "a", "b", &mut Seeded::new(1)).is_err());
    assert!(create_space(&person("Ada", 1), &long, "Ada", &mut Seeded::new(1)).is_err());
}

#[test]
fn an_identity_survives_storage() {
    let ada = person("Ada", 1);
    let stored = ada.to_secret_bytes();
    let again = Identity::from_secret_bytes(&stored).unwrap();
    assert_eq!(again.to_secret_bytes(), stored);
    assert_eq!(
        (again.device(), again.identity(), again.name()),
        (ada.device(), ada.identity(), "Ada")
    );
    for end in 0..stored.len() {
        assert!(Identity::from_secret_bytes(&stored[..end]).is_err());
    }
    assert!(!format!("{ada:?}").contains(&format!("{:?}", ada.signing_key().seed())));
}

#[test]
fn the_encoding_of_kinds_is_fixed() {
    // The first byte of a body is its kind: part of the format.
    let kind = |body: CredentialBody| encode(&body)[0];
    assert_eq!(kind(CredentialBody::KeyGrant { grants: vec![] }), 12);
    assert_eq!(kind(CredentialBody::SpaceDeleted), 15);
    assert_eq!(kind(CredentialBody::Carried { credential: vec![] }), 17);
}
