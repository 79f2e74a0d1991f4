//! What a client needs of its platform: randomness for ids and the wall clock for their order.

use dxos_base::{ElementId, Entropy, ObjectId};
use dxos_services::ClientId;

/// Where a client's fresh ids come from: randomness, and a clock for their order.
pub(crate) trait Source: Entropy {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;
}

/// The operating system's randomness.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        getrandom::fill(out)
            .expect("every supported platform gives randomness to a running program");
    }
}

impl Source for SystemEntropy {
    fn now_ms(&self) -> u64 {
        now_ms()
    }
}

/// Milliseconds since the Unix epoch.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Milliseconds since the Unix epoch.
#[cfg(target_arch = "wasm32")]
pub(crate) fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// A fresh name for a client.
pub fn random_client_id() -> ClientId {
    let mut id = [0; 16];
    SystemEntropy.fill(&mut id);
    ClientId(id)
}

/// A fresh object id.
pub(crate) fn new_object_id(source: &mut dyn Source) -> ObjectId {
    ObjectId::new(source.now_ms(), source)
}

/// A fresh id of a list's element.
pub(crate) fn new_element_id(source: &mut dyn Source) -> ElementId {
    let mut id = [0; 8];
    source.fill(&mut id);
    ElementId(id)
}
