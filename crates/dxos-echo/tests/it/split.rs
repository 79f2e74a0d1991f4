//! A device that signs two contents for one range of a session: all read the same, in whatever order it came to them.

use std::rc::Rc;

use dxos_base::fuzz::SplitMix64;
use dxos_base::{ObjectId, TextChange, TextDelta};

use crate::replica::*;

fn insert(from: u32, text: &str) -> TextDelta {
    vec![TextChange {
        from,
        delete: 0,
        insert: text.to_owned(),
    }]
}

/// A device that runs twice, with the same randomness, and readers.
struct Case {
    members: Rc<Members>,
    /// Two instances that write in the same sessions.
    twins: [Replica; 2],
    base: Vec<Vec<u8>>,
    object: ObjectId,
}

impl Case {
    /// A text that reads `-`, and two instances that have opened it in one session.
    fn new() -> Case {
        let members = Rc::new(Members::default());
        let mut first = Replica::new(1, &members);
        let object = first.create(1, &[]);
        first.type_text(object, "body", &insert(0, "-"));
        let base = first.seal().into_iter().map(|entry| entry.bytes).collect();
        let second = Replica::with_store(1, 2, &members, first.store.clone());
        let mut case = Case {
            members,
            twins: [first, second],
            base,
            object,
        };
        for twin in 0..2 {
            case.session(twin, 1);
        }
        case
    }

    /// Lets an instance open the text in a session it shares with the other one.
    fn session(&mut self, twin: usize, session: u64) {
        let twin = &mut self.twins[twin];
        twin.restart();
        twin.entropy = Seeded::new(session);
        twin.open_text(self.object, "body");
    }

    /// Types and seals; gives the entry.
    fn types(&mut self, twin: usize, delta: &TextDelta) -> Vec<u8> {
        let twin = &mut self.twins[twin];
        twin.now.0 += 1_000;
        twin.type_text(self.object, "body", delta);
        let mut sealed = twin.seal();
        assert_eq!(sealed.len(), 1);
        sealed.remove(0).bytes
    }

    /// A reader that has the text as it was.
    fn reader(&self, n: u8) -> Replica {
        let mut reader = Replica::new(n, &self.members);
        reader.receive(&self.base);
        reader
    }

    /// Hands entries to readers in each of `orders`, with the text open or closed; all read `expected`, also after a
    /// restart and a rebuild.
    fn check(&mut self, entries: &[Vec<u8>], orders: &[&[usize]], expected: &str) {
        let mut digest = None;
        for (n, order) in orders.iter().enumerate() {
            for open in [false, true] {
                let mut reader = self.reader(2 + n as u8);
                for at in *order {
                    if open {
                        let text = reader.open_text(self.object, "body");
                        let before = content(&mut reader, self.object);
                        let received = reader.receive(&entries[*at..=*at]);
                        let shown = received.text_deltas.iter().fold(before, |shown, told| {
                            assert_eq!(told.0, text);
                            applied(&shown, &told.1)
                        });
                        assert_eq!(shown, content(&mut reader, self.object));
                    } else {
                        reader.receive(&entries[*at..=*at]);
                    }
                }
                let mut read = |reader: &mut Replica, what: &str| {
                    let found = content(reader, self.object);
                    assert_eq!(found, expected, "{order:?}, open: {open}, {what}");
                    let found = reader.space.state_digest();
                    assert_eq!(*digest.get_or_insert(found), found);
                };
                read(&mut reader, "at once");
                reader.restart();
                read(&mut reader, "after a restart");
                assert!(reader.verify(false).is_sound());
                reader.rebuild();
                read(&mut reader, "after a rebuild");
            }
        }
    }
}

/// What a text reads once the space has what it asks for.
fn content(reader: &mut Replica, object: ObjectId) -> String {
    reader.content(object, "body");
    reader
        .run(|space, cx, _, _| space.settle_texts(cx))
        .unwrap();
    let content = reader.content(object, "body");
    if !reader.space.needs_rebuild() {
        return content;
    }
    reader.rebuild();
    assert!(!reader.space.needs_rebuild());
    reader.content(object, "body")
}

fn applied(content: &str, delta: &TextDelta) -> String {
    let mut units: Vec<u16> = content.encode_utf16().collect();
    for change in delta.iter().rev() {
        let (from, to) = (change.from as usize, (change.from + change.delete) as usize);
        units.splice(from..to, change.insert.encode_utf16());
    }
    String::from_utf16(&units).unwrap()
}

#[test]
fn of_two_contents_the_one_written_first_stays_in_any_order() {
    let mut case = Case::new();
    let early = case.types(0, &insert(1, "abc"));
    case.twins[1].now.0 += 500;
    let late = case.types(1, &insert(1, "xyz"));
    case.check(&[early, late], &[&[0, 1], &[1, 0]], "-abc");
}

#[test]
fn what_differs_late_loses_all_of_its_update_and_what_continues_it_is_taken_where_it_fits() {
    let mut case = Case::new();
    let first = case.types(0, &insert(1, "abc"));
    let more = case.types(0, &insert(4, "d"));
    case.twins[1].now.0 += 500;
    // The same in part; then as long as what it loses against, and longer.
    let other = case.types(1, &insert(1, "abX!"));
    let last = case.types(1, &insert(5, "end"));
    let orders: &[&[usize]] = &[
        &[0, 1, 2, 3],
        &[2, 3, 0, 1],
        &[0, 2, 1, 3],
        &[2, 0, 3, 1],
        &[2, 0, 1, 3],
    ];
    case.check(&[first, more, other, last], orders, "-abcdend");
}

#[test]
fn of_three_contents_one_stays() {
    let mut case = Case::new();
    let third = Replica::with_store(1, 3, &case.members, case.twins[1].store.clone());
    let first = case.types(0, &insert(1, "one"));
    case.twins[1].now.0 += 500;
    let second = case.types(1, &insert(1, "two"));
    case.twins[1] = third;
    case.session(1, 1);
    case.twins[1].now.0 += 800;
    let third = case.types(1, &insert(1, "three"));
    let entries = [first, second, third];
    let orders: &[&[usize]] = &[
        &[0, 1, 2],
        &[0, 2, 1],
        &[1, 0, 2],
        &[1, 2, 0],
        &[2, 0, 1],
        &[2, 1, 0],
    ];
    case.check(&entries[..], orders, "-one");
}

#[test]
fn a_range_that_waits_is_judged_when_what_it_waits_for_comes() {
    let mut case = Case::new();
    let first = case.types(0, &insert(1, "abc"));
    let second = case.types(0, &insert(4, "def"));
    case.twins[1].now.0 += 500;
    let same = case.types(1, &insert(1, "abc"));
    let other = case.types(1, &insert(4, "XYZW"));
    let orders: &[&[usize]] = &[&[0, 1, 2, 3], &[2, 3, 0, 1], &[2, 0, 3, 1]];
    case.check(&[first, second, same, other], orders, "-abcdef");
}

#[test]
fn what_a_snapshot_holds_gives_way_to_what_was_written_before_it() {
    let mut case = Case::new();
    let early = case.types(0, &insert(1, "early"));
    let mut entries = vec![early];
    case.twins[1].now.0 += 500;
    for at in 0..9 {
        entries.push(case.types(1, &insert(1 + at, "x")));
    }
    for text_open in [false, true] {
        let mut reader = case.reader(2);
        let text = reader.open_text(case.object, "body");
        reader.receive(&entries[1..]);
        assert_eq!(reader.content(case.object, "body"), "-xxxxxxxxx");
        reader
            .run(|space, cx, _, _| space.close_text(cx, text))
            .unwrap();
        let row = dxos_echo::store::Store::text(&mut reader.store, SPACE, text).unwrap();
        assert!(!row.snapshot.is_empty() && row.tail.is_empty());
        if text_open {
            reader.open_text(case.object, "body");
        }
        let received = reader.receive(&entries[..1]);
        let told = received.text_deltas.iter().filter(|told| told.0 == text);
        assert_eq!(told.count() == 1, text_open);
        // The first six are `early` and an x that continues it; the others take up where they left.
        assert_eq!(content(&mut reader, case.object), "-earlyxxxx");
        assert!(reader.verify(false).is_sound());
        let mut other = case.reader(3);
        other.receive(&entries);
        assert_eq!(content(&mut other, case.object), "-earlyxxxx");
        assert_converged(&mut [reader, other]);
    }
}

#[test]
fn an_entry_sealed_twice_at_one_place_holds_two_contents() {
    // The other instance does not notice that it is a copy: it goes on in the same feed, which forks.
    let mut case = Case::new();
    let second = Replica::with_store(1, 1, &case.members, case.twins[0].store.clone());
    case.twins[1] = second;
    case.session(1, 1);
    let early = case.types(0, &insert(1, "abc"));
    case.twins[1].now.0 += 500;
    let late = case.types(1, &insert(1, "xyz"));
    case.check(&[early, late], &[&[0, 1], &[1, 0]], "-abc");
}

/// Twins that write what they like in sessions they share, and three that write with them.
#[test]
fn all_converge_whatever_a_device_signs() {
    let cases = std::env::var("DXOS_SPLIT_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok()).unwrap_or(150);
    for seed in 0..cases {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "case {seed}");
    }
}

fn run(seed: u64) {
    let mut random = SplitMix64::new(seed);
    let mut case = Case::new();
    let object = case.object;
    let mut replicas: Vec<Replica> = (2..=4).map(|n| case.reader(n)).collect();
    let members = case.members.clone();
    let spare = [Replica::new(8, &members), Replica::new(9, &members)];
    replicas.extend(std::mem::replace(&mut case.twins, spare));
    let mut sessions = 1;
    for _ in 0..40 {
        let who = random.below(5);
        match random.below(8) {
            0..=2 => {
                let length = content(&mut replicas[who], object).chars().count();
                let from = random.below(length + 1);
                let word = random.one(&["a", "bc", "def", ""]);
                let delete = random.below((length - from).min(2) + 1) as u32;
                let delta = vec![TextChange {
                    from: from as u32,
                    delete: if word.is_empty() { delete } else { 0 },
                    insert: word.to_owned(),
                }];
                replicas[who].now.0 += random.below(20_000) as u64;
                replicas[who].type_text(object, "body", &delta);
                replicas[who].seal();
            }
            3..=4 => {
                let (from, to) = pair(&mut replicas, who, (who + 1 + random.below(4)) % 5);
                from.seal();
                let entries = from.missing_in(to);
                to.receive(&entries[..random.below(entries.len() + 1)]);
            }
            5 => {
                replicas[who].restart();
                if who > 2 {
                    // A new session, or one in which the other has written.
                    sessions += random.below(2) as u64;
                    replicas[who].entropy = Seeded::new(sessions);
                }
            }
            6 => {
                let text = replicas[who].open_text(object, "body");
                replicas[who]
                    .run(|space, cx, _, _| space.close_text(cx, text))
                    .unwrap();
            }
            _ => drop(content(&mut replicas[who], object)),
        }
    }
    sync(&mut replicas);
    assert_converged(&mut replicas);
    let expected = content(&mut replicas[0], object);
    // The device that does this is read anew; what it has in memory is its own matter.
    replicas[3..].iter_mut().for_each(Replica::restart);
    for replica in &mut replicas {
        assert_eq!(content(replica, object), expected);
        replica.restart();
        assert_eq!(content(replica, object), expected, "after a restart");
        replica.rebuild();
        assert_eq!(content(replica, object), expected, "after a rebuild");
    }
    assert_converged(&mut replicas);
}
