//! Verification of spaces: asked for by a client, or begun by the node when a peer with the same entries and
//! credentials has another state.
//!
//! Invariants
//! * what is wrong is replaced only by what the entries make, in one commit;
//! * a peer that lies about its state makes a node verify at most once in [`VERIFY_EVERY_MS`].

use dxos_base::{SpaceId, Tick};
use dxos_echo::store::Durability;
use dxos_echo::{EchoError, Received, Verified};
use dxos_services::{Failure, VerifyMode, VerifyView};

use crate::clients::from_echo;
use crate::failure::no_space;
use crate::node::{Node, Turn};

/// The node verifies a space of its own accord at most this often.
const VERIFY_EVERY_MS: u64 = 10 * 60 * 1000;
/// Wrong objects named in an answer.
const OBJECTS_NAMED_MAX: usize = 100;

impl Node {
    /// Verifies a space.
    pub(crate) fn verify_space(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        mode: VerifyMode,
    ) -> Result<VerifyView, Failure> {
        match self.run_verify(turn, id, mode)? {
            Ok(view) => Ok(view),
            Err(error) => {
                self.storage_failed(turn, id, &error);
                Err(from_echo(&error))
            }
        }
    }

    fn run_verify(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        mode: VerifyMode,
    ) -> Result<Result<VerifyView, EchoError>, Failure> {
        let space = self.spaces.get_mut(&id).ok_or_else(no_space)?;
        if let Err(error) = turn.cx.store.begin() {
            return Ok(Err(error.into()));
        }
        let found = space.verify(turn.cx);
        let keep = mode == VerifyMode::Repair
            && matches!(&found, Ok((found, _)) if !found.is_sound() && found.entries_damaged.is_empty());
        let kept = match (&found, keep) {
            (Ok(_), true) => turn.cx.store.commit(Durability::Synced),
            _ => Ok(()),
        };
        if !keep || kept.is_err() {
            turn.cx.store.rollback();
            self.reload(turn, id);
        }
        if let Err(error) = kept {
            return Ok(Err(error.into()));
        }
        Ok(found.map(|(found, received)| self.verified(turn, id, found, received, keep)))
    }

    fn verified(
        &mut self,
        turn: &mut Turn<'_, '_>,
        id: SpaceId,
        found: Verified,
        received: Received,
        repaired: bool,
    ) -> VerifyView {
        if found.is_sound() {
            tracing::info!(space = %id, entries = found.entries, "space.verified");
        } else {
            tracing::error!(
                space = %id,
                repaired,
                entries_damaged = found.entries_damaged.len(),
                objects_wrong = found.objects_wrong.len(),
                texts_wrong = found.texts_wrong.len(),
                digest_wrong = found.digest_wrong,
                "space.verify_found"
            );
        }
        if repaired {
            self.entries_applied(turn, id, received);
            self.status_dirty(turn.cx.now);
        }
        let named = found.objects_wrong.iter().take(OBJECTS_NAMED_MAX);
        VerifyView {
            entries: found.entries,
            objects: found.objects,
            texts: found.texts,
            entries_damaged: found.entries_damaged.len() as u64,
            entries_redecided: found.entries_redecided,
            objects_wrong: named.copied().collect(),
            objects_wrong_count: found.objects_wrong.len() as u64,
            indexes_wrong: found.indexes_wrong.into_iter().collect(),
            texts_wrong: found.texts_wrong.len() as u64,
            digest_wrong: found.digest_wrong,
            repaired,
        }
    }

    /// Verifies spaces whose state differs from a peer's.
    pub(crate) fn verify_due(&mut self, turn: &mut Turn<'_, '_>) {
        let now = turn.cx.now;
        let due = |at: Option<Tick>| at.is_none_or(|at| at.plus_ms(VERIFY_EVERY_MS) <= now);
        let ids = self.spaces.values().filter(|space| space.verify_wanted);
        for id in ids.map(|space| space.id).collect::<Vec<_>>() {
            let Some(space) = self.spaces.get_mut(&id) else {
                continue;
            };
            space.verify_wanted = false;
            if !due(space.verified_at) {
                continue;
            }
            space.verified_at = Some(now);
            if let Err(error) = self.verify_space(turn, id, VerifyMode::Repair) {
                tracing::warn!(space = %id, message = %error.message, "space.verify_failed");
            }
        }
    }
}
