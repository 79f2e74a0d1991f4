//! Fuzz bodies for the frames of this protocol; how they run: [`dxos_base::fuzz`].

use dxos_base::encode;

use crate::{decode_client, decode_node};

/// Any bytes as a client's frame: what is read is written the same, and its writes can be read back.
pub fn client_frame(bytes: &[u8]) {
    if let Ok(frame) = decode_client(bytes) {
        assert_eq!(encode(&frame), bytes, "one frame, one form");
    }
}

/// Any bytes as a node's frame: what is read can be written, and read again.
pub fn node_frame(bytes: &[u8]) {
    if let Ok(frame) = decode_node(bytes) {
        let written = encode(&frame);
        let again = decode_node(&written).expect("what was written can be read");
        assert_eq!(encode(&again), written);
    }
}
