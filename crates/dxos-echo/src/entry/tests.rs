//! The entry format: golden bytes, and every way to get it wrong.

use dxos_base::{ObjectId, TextId};
use expect_test::expect_file;

use super::*;
use dxos_base::Step;

use crate::change::{Operation, Scalar};

struct Count(u8);
impl Entropy for Count {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

fn signer() -> SigningKey {
    SigningKey::from_seed([7; 32])
}

fn header() -> EntryHeader {
    let space = SpaceId([1; 20]);
    EntryHeader {
        version: ENTRY_VERSION,
        space,
        feed: feed_id(&space, &signer().device_key(), 0),
        seq: 1,
        previous: Hash::default(),
        clock: Clock::from_ms(1_700_000_000_000),
        kind: 0,
        key: SpaceKey([9; 32]).id(),
        control_heads: vec![Hash([5; 32])],
    }
}

fn change(delta: u64, operation: Operation) -> Change {
    Change {
        clock: Clock(header().clock.0 + delta),
        object: ObjectId([2; 16]),
        path: vec![Step::Key("title".into())],
        operation,
    }
}

fn sample() -> Vec<Change> {
    vec![
        change(0, Operation::Set(Scalar::String("héllo".into()))),
        change(1, Operation::Delete { hides: None }),
        change(
            2,
            Operation::Text {
                id: TextId([3; 16]),
                nonce: Some([4; 8]),
                update: vec![1, 2],
            },
        ),
    ]
}

fn made(header: &EntryHeader, changes: Vec<Change>) -> Vec<u8> {
    let cipher = SpaceKey([9; 32]).cipher("entry");
    let seen = vec![(FeedId([6; 16]), 3)];
    let changes: Vec<ChangeRef<'_>> = changes.iter().map(ChangeRef::Whole).collect();
    make_entry(header, &seen, &changes, &cipher, &signer(), &mut Count(0)).1
}

fn hex(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.as_bytes()
        .chunks(80)
        .map(|line| format!("{}\n", String::from_utf8_lossy(line)))
        .collect()
}

#[test]
fn golden_bytes() {
    expect_file!["../../../../vectors/echo-entry-1.hex"]
        .assert_eq(&hex(&made(&header(), sample())));
}

#[test]
fn an_entry_opens_as_it_was_made() {
    let bytes = made(&header(), sample());
    let entry = Entry::decode(&bytes).unwrap();
    assert_eq!(entry.header, header());
    assert!(entry.verify(&signer().device_key()));
    assert!(!entry.verify(&SigningKey::from_seed([8; 32]).device_key()));
    let body = entry.open(&SpaceKey([9; 32])).unwrap();
    assert_eq!(
        body,
        Body {
            seen: vec![(FeedId([6; 16]), 3)],
            changes: sample()
        }
    );
    assert!(entry.open(&SpaceKey([8; 32])).is_err());
}

#[test]
fn altered_and_cut_bytes_never_pass() {
    let bytes = made(&header(), sample());
    let device = signer().device_key();
    for at in 0..bytes.len() {
        assert!(
            !Entry::decode(&bytes[..at]).is_ok_and(|entry| entry.verify(&device)),
            "cut {at}"
        );
        let mut altered = bytes.clone();
        altered[at] ^= 0x40;
        assert!(
            !Entry::decode(&altered).is_ok_and(|entry| entry.verify(&device)),
            "altered {at}"
        );
    }
    for at in [&[0][..], &[]] {
        let none = [at, &bytes[1..]].concat();
        assert!(Entry::decode(&none).is_err(), "there is no version 0");
    }
}

#[test]
fn an_entry_of_any_newer_version_is_verified() {
    let header = EntryHeader {
        version: 255,
        seq: u64::MAX,
        ..header()
    };
    for rest in [&b""[..], b"whatever the version says", &[0; 5000]] {
        let mut bytes = dxos_base::encode(&header);
        bytes.extend_from_slice(rest);
        let signed = hash("entry", &[&bytes]);
        bytes.extend_from_slice(&signer().sign(&signed).0);
        let entry = Entry::decode(&bytes).unwrap();
        assert!(entry.verify(&signer().device_key()));
        assert_eq!((&entry.header, entry.hash), (&header, signed));
    }
}

#[test]
fn a_signed_entry_whose_length_is_wrong_is_void_not_none() {
    let key = SpaceKey([9; 32]);
    for rest in [&b""[..], &[0x80], &[1], &[3, 1, 2], &[0, 1]] {
        let mut bytes = dxos_base::encode(&header());
        bytes.extend_from_slice(rest);
        let signed = hash("entry", &[&bytes]);
        bytes.extend_from_slice(&signer().sign(&signed).0);
        let entry = Entry::decode(&bytes).unwrap();
        assert!(entry.verify(&signer().device_key()));
        assert!(entry.open(&key).is_err(), "{rest:?}");
    }
}

#[test]
fn a_signed_body_that_breaks_the_format_is_an_error() {
    let key = SpaceKey([9; 32]);
    let bad = [
        change(0, Operation::Set(Scalar::Float(-0.0))),
        change(0, Operation::Index(vec![1])),
        Change {
            path: vec![],
            ..change(0, Operation::Set(Scalar::Null))
        },
        Change {
            clock: Clock::ZERO,
            ..change(0, Operation::Set(Scalar::Null))
        },
        Change {
            path: vec![Step::Key("k".into()); 40],
            ..change(0, Operation::Set(Scalar::Null))
        },
    ];
    for change in bad {
        let bytes = made(&header(), vec![change.clone()]);
        let entry = Entry::decode(&bytes).unwrap();
        assert!(entry.verify(&signer().device_key()));
        assert!(entry.open(&key).is_err(), "{change:?}");
    }
    let other_kind = made(
        &EntryHeader {
            kind: 1,
            ..header()
        },
        sample(),
    );
    assert!(Entry::decode(&other_kind).unwrap().open(&key).is_err());
}

#[test]
fn clocks_anywhere_in_the_range_survive() {
    for clock in [1, 1 << 62, u64::MAX - 1, u64::MAX] {
        let change = Change {
            clock: Clock(clock),
            ..change(0, Operation::Set(Scalar::Null))
        };
        let bytes = made(&header(), vec![change.clone()]);
        let body = Entry::decode(&bytes)
            .unwrap()
            .open(&SpaceKey([9; 32]))
            .unwrap();
        assert_eq!(body.changes, vec![change]);
    }
}

#[test]
fn bodies_are_compressed_only_when_that_helps_and_padded() {
    let mut state = 1u32;
    let noise: Vec<u8> = (0..5000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    for plain in [vec![], vec![7; 3], vec![0; 100_000], noise] {
        let packed = pack(&plain);
        assert_eq!(unpack(&packed).unwrap(), plain);
        assert_eq!(padme(packed.len()), packed.len());
        assert!(packed.len() <= plain.len() * 9 / 8 + 16);
        for cut in 0..packed.len().min(300) {
            assert!(unpack(&packed[..cut]).is_err());
        }
    }
    assert!(pack(&vec![0; 100_000]).len() < 1000);
    let mut bomb = vec![LZ4];
    let data = [dxos_base::encode(&u32::MAX), vec![0; 4]].concat();
    bomb.extend(dxos_base::encode(&(data.len() as u32)));
    bomb.extend(data);
    bomb.resize(padme(bomb.len()), 0);
    assert!(matches!(unpack(&bomb), Err(DecodeError::TooLong { .. })));
    // Figures of the paper's table.
    assert_eq!([9, 100, 1000, 100_000].map(padme), [10, 104, 1024, 100_352]);
}

#[test]
fn mutated_entries_and_bodies_are_read_or_refused() {
    let mut long = sample();
    long.push(change(
        3,
        Operation::Set(Scalar::String("again and ".repeat(90))),
    ));
    let entries = [made(&header(), sample()), made(&header(), long.clone())];
    dxos_base::fuzz::seeded(&entries, 10_000, crate::fuzz::entry);

    // Behind the seal: what a member with a key may have written.
    let bodies = [sample(), long].map(|changes| {
        let changes = changes.into_iter().map(|change| WireChange {
            clock_delta: change.clock.0.wrapping_sub(header().clock.0) as i64,
            object: change.object,
            path: change.path,
            operation: change.operation,
        });
        pack(&dxos_base::encode(&WireBody {
            seen: vec![(FeedId([6; 16]), 3)],
            changes: changes.collect(),
        }))
    });
    assert!(Body::read(&bodies[0], header().clock).is_ok());
    assert!(bodies[1].starts_with(&[LZ4]), "a compressed one too");
    dxos_base::fuzz::seeded(&bodies, 10_000, crate::fuzz::body);
}
