//! The golden vectors, damaged: nothing but the right bytes is taken, and nothing brings a reader down.

use dxos_base::fuzz::seeded;
use dxos_halo::fuzz;

use crate::vectors::everything;

const RUNS: usize = 5_000;

/// Golden bytes whose name begins with one of `names`; all others for none.
fn samples(names: &[&str]) -> Vec<Vec<u8>> {
    let samples: Vec<_> = everything()
        .into_iter()
        .filter(|(name, _)| names.iter().any(|wanted| name.starts_with(wanted)))
        .map(|(_, bytes)| bytes)
        .collect();
    assert!(samples.len() >= names.len(), "each name has a vector");
    samples
}

#[test]
fn mutated_credentials_are_taken_or_refused() {
    let kinds = [
        "identity ",
        "space ",
        "admission ",
        "removal",
        "epoch",
        "recovery",
    ];
    let mut samples = samples(&kinds);
    samples.retain(|bytes| dxos_halo::Credential::decode(bytes).is_ok());
    assert!(samples.len() >= 10, "real credentials are among them");
    seeded(&samples, RUNS, fuzz::credential);
}

#[test]
fn mutated_invitation_codes_are_read_or_refused() {
    let mut samples = samples(&["invitation code"]);
    samples.push(b"123 456".to_vec());
    seeded(&samples, RUNS, fuzz::invitation_code);
}

#[test]
fn mutated_pairing_messages_are_read_or_refused() {
    // Of each kind the first bytes; the rest is what mutations splice in.
    let mut samples: Vec<Vec<u8>> = (0..6u8).map(|kind| vec![kind, 1, 0, 0]).collect();
    samples.extend(everything().into_iter().map(|(_, bytes)| bytes));
    seeded(&samples, RUNS, fuzz::pairing);
}

#[test]
fn mutated_secrets_are_read_or_refused() {
    let samples = samples(&["host invitation", "identity secrets"]);
    seeded(&samples, RUNS, fuzz::stored);
}
