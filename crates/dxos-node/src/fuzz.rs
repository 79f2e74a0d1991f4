//! Fuzz bodies for what nodes say to each other on a session's streams; how they run: [`dxos_base::fuzz`].

use dxos_base::fuzz::one_form;

use crate::blobs::wire::BlobMessage;
use crate::wire::{GossipMessage, GossipPlace, SpaceMessage};

/// Any bytes as a message of replication.
pub fn replicate(bytes: &[u8]) {
    one_form::<SpaceMessage>(bytes);
}

/// Any bytes as a message about blobs.
pub fn blob(bytes: &[u8]) {
    one_form::<BlobMessage>(bytes);
}

/// Any bytes as a message of gossip, and as the place inside one.
pub fn gossip(bytes: &[u8]) {
    one_form::<GossipMessage>(bytes);
    one_form::<GossipPlace>(bytes);
}

#[cfg(test)]
mod tests {
    use dxos_base::fuzz::seeded;
    use dxos_base::{DeviceKey, FeedId, Hash, ObjectId, Signature, SpaceId, encode};

    use super::*;
    use crate::wire::{Answer, GossipCaret, Greeting, StoredEntries};

    const RUNS: usize = 10_000;

    #[test]
    fn mutated_replication_is_read_or_refused() {
        let samples = [
            SpaceMessage::Open {
                version: 2,
                space: SpaceId([1; 20]),
                device: DeviceKey([2; 32]),
                signature: Signature([3; 64]),
            },
            SpaceMessage::Credentials {
                credentials: vec![vec![1; 30], vec![2; 5]],
            },
            SpaceMessage::Have {
                feeds: vec![(FeedId([4; 16]), 300)],
                control: Some(Hash([5; 32])),
                state: Some([6; 16]),
            },
            SpaceMessage::Entries {
                entries: vec![vec![7; 20]],
            },
            SpaceMessage::Hello(Greeting {
                wall_ms: 1_764_000_000_000,
                control: Hash([8; 32]),
                data: Hash([9; 32]),
                state: Some([10; 16]),
            }),
            SpaceMessage::Answer(Answer {
                wall_ms: 1_764_000_000_000,
                control: Some(Hash([8; 32])),
                entries: StoredEntries::Feeds(vec![(FeedId([4; 16]), 300)]),
                state: None,
            }),
        ]
        .map(|message| encode(&message));
        seeded(&samples, RUNS, replicate);
    }

    #[test]
    fn mutated_blob_messages_are_read_or_refused() {
        let samples = crate::blobs::wire::tests::samples();
        let samples: Vec<_> = samples.iter().map(encode).collect();
        seeded(&samples, RUNS, blob);
    }

    #[test]
    fn mutated_gossip_is_read_or_refused() {
        let place = GossipPlace {
            object: Some(ObjectId([1; 16])),
            caret: Some(GossipCaret {
                property: "content".into(),
                anchor: vec![1, 2],
                head: vec![3],
            }),
        };
        let told = GossipMessage::Presence {
            space: SpaceId([1; 20]),
            message: vec![4; 20],
        };
        let samples = [encode(&place), encode(&told), encode(&GossipMessage::Alive)];
        seeded(&samples, RUNS, gossip);
    }
}
