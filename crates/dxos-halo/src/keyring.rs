//! The space keys a device holds, learned from grants (DESIGN 5, key ladder).
//!
//! Invariants
//! * a key is held only under the id that commits to it;
//! * [`Keyring::newest`] never gives a key somebody removed may hold.
//!
//! Not here: storage of the keys (the node seals them under its profile key).

use std::collections::BTreeMap;

use dxos_base::{AgreementSecret, KeyId, SpaceKey};

use crate::body::CredentialBody;
use crate::graph::ControlGraph;
use crate::hpke::open_key;
use crate::state::ControlState;

/// Keys of one space, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring {
    keys: BTreeMap<KeyId, SpaceKey>,
}

impl Keyring {
    /// Holds nothing.
    pub fn new() -> Self {
        Keyring::default()
    }

    /// Adds a key made here or stored before.
    pub fn insert(&mut self, key: SpaceKey) {
        self.keys.insert(key.id(), key);
    }

    /// Opens every grant of the graph made to `agreement`; returns how many keys are new.
    ///
    /// Grants that do not count are opened too: they may be needed to read, and an id commits to its key.
    pub fn learn(&mut self, graph: &ControlGraph, agreement: &AgreementSecret) -> usize {
        let held = self.keys.len();
        let recipient = agreement.public();
        for credential in graph.all() {
            let CredentialBody::KeyGrant { grants } = credential.body() else {
                continue;
            };
            for grant in grants.iter().filter(|grant| grant.recipient == recipient) {
                if self.keys.contains_key(&grant.key) {
                    continue;
                }
                if let Ok(key) = open_key(&graph.space(), grant, agreement) {
                    self.keys.insert(grant.key, key);
                }
            }
        }
        self.keys.len() - held
    }

    /// The key with this id.
    pub fn get(&self, id: &KeyId) -> Option<&SpaceKey> {
        self.keys.get(id)
    }

    /// The key to seal under: the greatest (depth of its first counted grant, id) among the keys held all of
    /// whose counted grants follow every counted removal and revocation. `None`: make one ([`crate::rekey`]).
    pub fn newest(&self, state: &ControlState) -> Option<(&KeyId, &SpaceKey)> {
        state
            .newest_key(|id| self.keys.contains_key(id))
            .and_then(|id| self.keys.get_key_value(&id))
    }

    /// All keys, by id.
    pub fn all(&self) -> impl Iterator<Item = (&KeyId, &SpaceKey)> {
        self.keys.iter()
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
