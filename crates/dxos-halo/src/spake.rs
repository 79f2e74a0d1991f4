//! SPAKE2 behind three functions. The crate is unaudited and its state cannot be saved: nothing else here names it.
//!
//! The guest is side A, the host side B. `context` must hold everything the key is to be bound to; both sides
//! give the same.

use dxos_base::Entropy;
use rand_core_06::{CryptoRng, Error, RngCore};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::{Zeroize as _, Zeroizing};

/// One side of an exchange, after its first message.
pub(crate) struct Exchange(Spake2<Ed25519Group>);

/// The other side's message is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadMessage;

struct Rng<'a>(&'a mut dyn Entropy);

impl RngCore for Rng<'_> {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(self.0.array())
    }
    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.0.array())
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.0.fill(out);
        Ok(())
    }
}
impl CryptoRng for Rng<'_> {}

fn sides(context: &[u8]) -> (Identity, Identity) {
    let side = |name: &[u8]| Identity::new(&[name, context].concat());
    (side(b"dxos/1 guest"), side(b"dxos/1 host"))
}

/// Begins as the guest; returns the message for the host.
pub(crate) fn start_guest(
    password: &[u8],
    context: &[u8],
    entropy: &mut dyn Entropy,
) -> (Exchange, Vec<u8>) {
    let (a, b) = sides(context);
    let password = Password::new(password);
    let (state, message) = Spake2::start_a_with_rng(&password, &a, &b, Rng(entropy));
    (Exchange(state), message)
}

/// Begins as the host; returns the message for the guest.
pub(crate) fn start_host(
    password: &[u8],
    context: &[u8],
    entropy: &mut dyn Entropy,
) -> (Exchange, Vec<u8>) {
    let (a, b) = sides(context);
    let password = Password::new(password);
    let (state, message) = Spake2::start_b_with_rng(&password, &a, &b, Rng(entropy));
    (Exchange(state), message)
}

/// The shared key; equal on both sides iff passwords and contexts are. Says nothing by itself: confirm it.
pub(crate) fn finish(
    exchange: Exchange,
    message: &[u8],
) -> Result<Zeroizing<[u8; 32]>, BadMessage> {
    let mut key = exchange.0.finish(message).map_err(|_| BadMessage)?;
    let out = key
        .as_slice()
        .try_into()
        .map(Zeroizing::new)
        .map_err(|_| BadMessage);
    key.zeroize();
    out
}
