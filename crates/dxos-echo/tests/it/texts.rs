//! Collaborative texts, with the real engine.

use std::rc::Rc;

use dxos_base::{Hash, TextChange, TextDelta, TextId, Value};
use dxos_echo::EchoError;
use dxos_echo::store::Store;
use dxos_echo::text::{Imported, TextEngine, TextError, UpdateRange};
use proptest::prelude::*;

use crate::replica::*;

fn insert(from: u32, text: &str) -> TextDelta {
    vec![TextChange {
        from,
        delete: 0,
        insert: text.to_owned(),
    }]
}

fn replicas(count: u8) -> Vec<Replica> {
    let members = Rc::new(Members::default());
    (1..=count).map(|n| Replica::new(n, &members)).collect()
}

fn assert_texts_agree(replicas: &mut [Replica], object: dxos_base::ObjectId) -> String {
    let content = replicas[0].content(object, "body");
    for replica in replicas.iter_mut() {
        assert_eq!(replica.content(object, "body"), content);
    }
    content
}

#[test]
fn opening_writes_nothing_and_the_first_edit_begins_the_text() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    sync(&mut replicas);
    let text = replicas[0].open_text(object, "body");
    assert!(!replicas[0].space.pending());
    let (space, store) = (&replicas[0].space, &mut replicas[0].store.clone());
    assert_eq!(space.text_of(store, object, "body").unwrap(), None);
    assert_eq!(
        replicas[0].type_text(object, "body", &insert(0, "Hello")),
        text
    );
    assert_eq!(replicas[0].object(object).values["body"], Value::Text(text));
    assert_eq!(replicas[0].content(object, "body"), "Hello");
    assert_eq!(
        replicas[1].open_text(object, "body"),
        text,
        "begun on the same state"
    );
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object), "Hello");
    let missing = dxos_base::ObjectId([9; 16]);
    let refused = replicas[0].run(|space, cx, _, _| space.open_text(cx, missing, "body"));
    assert!(matches!(refused, Err(EchoError::NotFound { .. })));
}

#[test]
fn texts_begun_apart_are_one() {
    let mut replicas = replicas(3);
    let object = replicas[0].create(1, &[]);
    sync(&mut replicas);
    for (n, replica) in replicas.iter_mut().enumerate() {
        replica.type_text(object, "body", &insert(0, ["one", "two", "three"][n]));
    }
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object).len(), 11);
}

#[test]
fn open_texts_hear_of_others_and_closed_ones_catch_up_on_opening() {
    let mut replicas = replicas(3);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "Hello"));
    sync(&mut replicas);
    let text = replicas[1].open_text(object, "body");
    for (n, word) in [" you", " two", "!"].iter().enumerate() {
        let at = replicas[0].content(object, "body").len() as u32;
        replicas[0].type_text(object, "body", &insert(at, word));
        let sealed = replicas[0].seal();
        assert_eq!(sealed.len(), 1, "{n}");
        let received = replicas[1].receive(&[sealed[0].bytes.clone()]);
        assert_eq!(received.text_deltas, vec![(text, insert(at, word))]);
        let received = replicas[2].receive(&[sealed[0].bytes.clone()]);
        assert_eq!(received.text_deltas, vec![]);
        assert!(!replicas[2].space.is_text_open(text) && !replicas[2].text.is_open(text));
    }
    assert_eq!(assert_texts_agree(&mut replicas, object), "Hello you two!");
    assert_converged(&mut replicas);
}

#[test]
fn a_typed_character_is_small_and_survives_a_crash() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "a"));
    replicas[0].seal();
    for at in 1..40 {
        replicas[0].type_text(object, "body", &insert(at, "b"));
        let sealed = replicas[0].seal();
        assert!(
            sealed[0].bytes.len() <= 400,
            "{} bytes",
            sealed[0].bytes.len()
        );
        if at % 10 == 0 {
            replicas[0].restart();
        }
    }
    replicas[0].type_text(object, "body", &insert(0, "unsealed "));
    replicas[0].restart();
    assert_eq!(
        replicas[0].content(object, "body"),
        format!("unsealed a{}", "b".repeat(39))
    );
    sync(&mut replicas);
    assert_texts_agree(&mut replicas, object);
}

#[test]
fn long_tails_are_folded_and_nothing_is_lost() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    let text = replicas[0].open_text(object, "body");
    for at in 0..500 {
        replicas[0].type_text(object, "body", &insert(at, "x"));
        replicas[0].seal();
    }
    let row = replicas[0].store.text(SPACE, text).unwrap();
    assert!(
        row.tail.len() < 200 && !row.snapshot.is_empty(),
        "{} in the tail",
        row.tail.len()
    );
    sync(&mut replicas);
    replicas[0].restart();
    for (replica, at) in [(0, 500), (1, 0), (0, 501), (1, 1)] {
        replicas[replica].type_text(object, "body", &insert(at, "y"));
    }
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object).len(), 504);
    for replica in &mut replicas {
        replica
            .run(|space, cx, _, _| space.close_text(cx, text))
            .unwrap();
        assert!(!replica.text.is_open(text));
        replica.restart();
    }
    assert_eq!(assert_texts_agree(&mut replicas, object).len(), 504);
    replicas[0].rebuild();
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object).len(), 504);
}

#[test]
fn a_refused_edit_leaves_the_text_as_it_was() {
    let mut replicas = replicas(1);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "abc"));
    let bad = insert(99, "x");
    let refused =
        replicas[0].run(|space, cx, _, heads| space.edit_text(cx, heads, object, "body", &bad));
    assert!(matches!(refused, Err(EchoError::Text(_))));
    let failed: Result<(), _> = replicas[0].run(|space, cx, _, heads| {
        space.edit_text(cx, heads, object, "body", &insert(3, "lost"))?;
        Err(dxos_echo::store::StoreError::Full.into())
    });
    assert!(failed.is_err());
    assert_eq!(replicas[0].content(object, "body"), "abc");
    replicas[0].type_text(object, "body", &insert(3, "d"));
    assert_eq!(replicas[0].content(object, "body"), "abcd");
}

#[test]
fn a_long_paste_is_cut_into_entries() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "ab"));
    let long = "wört ".repeat(150_000);
    let delta = vec![
        TextChange {
            from: 0,
            delete: 1,
            insert: "A".into(),
        },
        TextChange {
            from: 1,
            delete: 1,
            insert: long.clone(),
        },
    ];
    replicas[0].type_text(object, "body", &delta);
    sync(&mut replicas);
    assert_eq!(
        assert_texts_agree(&mut replicas, object),
        format!("A{long}")
    );
}

#[test]
fn replacing_the_property_begins_another_text() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    let first = replicas[0].type_text(object, "body", &insert(0, "old"));
    replicas[0].set(object, &["body"], None);
    let second = replicas[0].type_text(object, "body", &insert(0, "new"));
    assert_ne!(first, second);
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object), "new");
}

#[test]
fn an_update_of_anothers_session_is_set_aside() {
    let mut replicas = replicas(3);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "abc"));
    sync(&mut replicas);
    // A forger writes with the engine peer of someone else's session.
    let text = replicas[0].open_text(object, "body");
    let content = replicas[1].content(object, "body");
    let snapshot = replicas[1].text.snapshot(text).unwrap();
    replicas[1].text.open(text, 12345, &snapshot, &[]).unwrap();
    replicas[1].type_text(object, "body", &insert(0, "forged"));
    let sealed = replicas[1].seal();
    replicas[2].receive(&[sealed[0].bytes.clone()]);
    assert_eq!(replicas[2].content(object, "body"), content);
    replicas[2].restart();
    assert_eq!(replicas[2].content(object, "body"), content);
}

#[test]
fn updates_that_break_the_engine_are_set_aside_and_the_rest_shows() {
    let mut replicas = replicas(3);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "abc"));
    sync(&mut replicas);
    let text = replicas[1].open_text(object, "body");
    // An engine that gives out junk for an update.
    struct Junk(dxos_text::LoroEngine);
    let mut junk = Junk(std::mem::take(&mut replicas[0].text));
    let key = space_key();
    let signer = replicas[0].signer.clone();
    let sealing = dxos_echo::Sealing {
        key: &key,
        signer: &signer,
    };
    let sealed = {
        let replica = &mut replicas[0];
        replica.store.begin().unwrap();
        let mut cx = dxos_echo::WriteContext {
            now: replica.now,
            store: &mut replica.store,
            text: &mut junk,
            entropy: &mut replica.entropy,
        };
        let heads = replica.heads.clone();
        let edited = replica
            .space
            .edit_text(&mut cx, &heads, object, "body", &insert(3, "d"));
        assert_eq!(edited.unwrap().0, text);
        let sealed = replica.space.seal(&mut cx, &sealing).unwrap();
        replica
            .store
            .commit(dxos_echo::store::Durability::Synced)
            .unwrap();
        sealed
    };
    for reader in [1, 2] {
        let received = replicas[reader].receive(&[sealed[0].bytes.clone()]);
        assert_eq!((received.stored, received.text_deltas), (1, vec![]));
        assert_eq!(replicas[reader].content(object, "body"), "abc");
        replicas[reader].type_text(object, "body", &insert(3, "!"));
        replicas[reader].restart();
        assert_eq!(replicas[reader].content(object, "body"), "abc!");
    }

    impl TextEngine for Junk {
        fn apply(&mut self, text: TextId, delta: &TextDelta) -> Result<(), TextError> {
            self.0.apply(text, delta)
        }
        fn export(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
            self.0
                .export(text)
                .map(|update| update.iter().map(|byte| byte ^ 0x55).collect())
        }
        fn open(&mut self, t: TextId, p: u64, s: &[u8], u: &[&[u8]]) -> Result<(), TextError> {
            self.0.open(t, p, s, u)
        }
        fn close(&mut self, text: TextId) {
            self.0.close(text)
        }
        fn is_open(&self, text: TextId) -> bool {
            self.0.is_open(text)
        }
        fn import(&mut self, text: TextId, update: &[u8]) -> Result<Imported, TextError> {
            self.0.import(text, update)
        }
        fn content(&mut self, text: TextId) -> Result<String, TextError> {
            self.0.content(text)
        }
        fn version(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
            self.0.version(text)
        }
        fn diff(&mut self, t: TextId, from: &[u8], to: &[u8]) -> Result<TextDelta, TextError> {
            self.0.diff(t, from, to)
        }
        fn snapshot(&mut self, text: TextId) -> Result<Vec<u8>, TextError> {
            self.0.snapshot(text)
        }
        fn anchor(&mut self, text: TextId, position: u32) -> Result<Vec<u8>, TextError> {
            self.0.anchor(text, position)
        }
        fn position(&mut self, text: TextId, anchor: &[u8]) -> Result<u32, TextError> {
            self.0.position(text, anchor)
        }
        fn inspect(&mut self, update: &[u8]) -> Result<UpdateRange, TextError> {
            self.0.inspect(update)
        }
        fn print(&mut self, b: &[u8], peer: u64, from: u32, to: u32) -> Result<Hash, TextError> {
            self.0.print(b, peer, from, to)
        }
    }
}

#[test]
fn editors_stay_right_when_the_engine_loses_a_text() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "abc"));
    sync(&mut replicas);
    let text = replicas[1].open_text(object, "body");
    replicas[1].type_text(object, "body", &insert(0, ">"));
    replicas[0].type_text(object, "body", &insert(3, "d"));
    let sealed = replicas[0].seal();
    replicas[1].text = Default::default();
    let received = replicas[1].receive(&[sealed[0].bytes.clone()]);
    assert_eq!(received.text_deltas, vec![(text, insert(4, "d"))]);
    replicas[1].text = Default::default();
    replicas[1].type_text(object, "body", &insert(5, "e"));
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object), ">abcde");
}

#[test]
fn what_is_typed_between_two_seals_is_one_small_update() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "x"));
    replicas[0].seal();
    for at in 1..250 {
        replicas[0].type_text(object, "body", &insert(at, "y"));
    }
    let sealed = replicas[0].seal();
    assert_eq!(sealed.len(), 1);
    assert!(
        sealed[0].bytes.len() < 1000,
        "{} bytes",
        sealed[0].bytes.len()
    );
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object).len(), 250);
}

#[test]
fn versions_of_unsealed_typing_stay_known_over_a_crash() {
    let mut replicas = replicas(1);
    let object = replicas[0].create(1, &[]);
    let text = replicas[0].type_text(object, "body", &insert(0, "ab"));
    let mut versions = vec![replicas[0].text.version(text).unwrap()];
    for at in 2..6 {
        replicas[0].type_text(object, "body", &insert(at, "c"));
        versions.push(replicas[0].text.version(text).unwrap());
    }
    for _ in 0..2 {
        replicas[0].restart();
        replicas[0].open_text(object, "body");
        let now = replicas[0].text.version(text).unwrap();
        assert_eq!(Some(&now), versions.last());
        let since = replicas[0].text.diff(text, &versions[1], &now).unwrap();
        assert_eq!(since, insert(3, "ccc"));
    }
    // The session after the crash is another one; both are sealed.
    replicas[0].type_text(object, "body", &insert(0, ">"));
    replicas[0].seal();
    replicas[0].restart();
    assert_eq!(replicas[0].content(object, "body"), ">abcccc");
}

#[test]
fn what_others_write_after_a_crash_does_not_move_unsealed_typing() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "abc"));
    sync(&mut replicas);
    replicas[1].type_text(object, "body", &insert(0, "other "));
    replicas[0].type_text(object, "body", &insert(3, "d"));
    replicas[0].type_text(object, "body", &insert(4, "e"));
    replicas[0].restart();
    // The text is closed: the update goes to its tail before what was typed is looked at.
    let sealed = replicas[1].seal();
    replicas[0].receive(&[sealed[0].bytes.clone()]);
    assert_eq!(replicas[0].content(object, "body"), "other abcde");
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object), "other abcde");
}

#[test]
fn a_copied_profile_and_its_original_seal_the_same_typing_once() {
    let members = Rc::new(Members::default());
    let mut original = Replica::new(1, &members);
    let object = original.create(1, &[]);
    original.type_text(object, "body", &insert(0, "ab"));
    original.seal();
    original.type_text(object, "body", &insert(2, "cd"));
    let mut copy = Replica::with_store(1, 2, &members, original.store.clone());
    original.type_text(object, "body", &insert(4, "ef"));
    let mut readers = [Replica::new(2, &members), Replica::new(3, &members)];
    copy.rebuild();
    let (ours, copied) = (original.seal(), copy.seal());
    let first = original.missing_in(&readers[0]);
    for (reader, order) in readers.iter_mut().zip([[&ours, &copied], [&copied, &ours]]) {
        reader.receive(&first[..1]);
        for entries in order {
            for entry in entries {
                reader.receive(std::slice::from_ref(&entry.bytes));
            }
        }
        assert_eq!(reader.content(object, "body"), "abcdef");
    }
}

#[test]
fn typing_waits_for_an_engine_that_is_not_there_and_holds_up_nothing_else() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "abc"));
    sync(&mut replicas);
    replicas[0].type_text(object, "body", &insert(3, "d"));
    replicas[0].restart();
    replicas[0].set(object, &["title"], Some("new".into()));
    assert_eq!(seal_without_engine(&mut replicas[0], false), 1);
    assert_eq!(seal_without_engine(&mut replicas[0], false), 0);
    let replica = &mut replicas[0];
    assert!(replica.space.pending());
    replica.restart();
    assert_eq!(replica.seal().len(), 1);
    assert!(!replica.space.pending());
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object), "abcd");
}

/// Seals with an engine that gives up.
fn seal_without_engine(replica: &mut Replica, says_open: bool) -> usize {
    let (key, signer) = (space_key(), replica.signer.clone());
    let sealing = dxos_echo::Sealing {
        key: &key,
        signer: &signer,
    };
    replica.store.begin().unwrap();
    let mut cx = dxos_echo::WriteContext {
        now: replica.now,
        store: &mut replica.store,
        text: &mut Absent { says_open },
        entropy: &mut replica.entropy,
    };
    let sealed = replica.space.seal(&mut cx, &sealing).unwrap();
    let durability = dxos_echo::store::Durability::Synced;
    replica.store.commit(durability).unwrap();
    sealed.len()
}

#[test]
fn typing_outlives_an_engine_that_gives_up_while_its_update_is_made() {
    let mut replicas = replicas(2);
    let object = replicas[0].create(1, &[]);
    replicas[0].type_text(object, "body", &insert(0, "abc"));
    sync(&mut replicas);
    replicas[0].type_text(object, "body", &insert(3, "d"));
    assert_eq!(seal_without_engine(&mut replicas[0], true), 0);
    assert!(replicas[0].space.pending());
    // The host put a new engine in its place, in which no text is open.
    replicas[0].text = Default::default();
    assert_eq!(replicas[0].seal().len(), 1);
    assert!(!replicas[0].space.pending());
    sync(&mut replicas);
    assert_converged(&mut replicas);
    assert_eq!(assert_texts_agree(&mut replicas, object), "abcd");
}

/// An engine that cannot do anything; it may say that a text is open in it.
struct Absent {
    says_open: bool,
}

fn absent<T>() -> Result<T, TextError> {
    let detail = "not loaded".to_owned();
    Err(TextError::Unavailable { detail })
}
impl TextEngine for Absent {
    fn open(&mut self, _: TextId, _: u64, _: &[u8], _: &[&[u8]]) -> Result<(), TextError> {
        absent()
    }
    fn close(&mut self, _: TextId) {}
    fn is_open(&self, _: TextId) -> bool {
        self.says_open
    }
    fn apply(&mut self, _: TextId, _: &TextDelta) -> Result<(), TextError> {
        absent()
    }
    fn export(&mut self, _: TextId) -> Result<Vec<u8>, TextError> {
        absent()
    }
    fn import(&mut self, _: TextId, _: &[u8]) -> Result<Imported, TextError> {
        absent()
    }
    fn content(&mut self, _: TextId) -> Result<String, TextError> {
        absent()
    }
    fn version(&mut self, _: TextId) -> Result<Vec<u8>, TextError> {
        absent()
    }
    fn diff(&mut self, _: TextId, _: &[u8], _: &[u8]) -> Result<TextDelta, TextError> {
        absent()
    }
    fn snapshot(&mut self, _: TextId) -> Result<Vec<u8>, TextError> {
        absent()
    }
    fn anchor(&mut self, _: TextId, _: u32) -> Result<Vec<u8>, TextError> {
        absent()
    }
    fn position(&mut self, _: TextId, _: &[u8]) -> Result<u32, TextError> {
        absent()
    }
    fn inspect(&mut self, _: &[u8]) -> Result<UpdateRange, TextError> {
        absent()
    }
    fn print(&mut self, _: &[u8], _: u64, _: u32, _: u32) -> Result<Hash, TextError> {
        absent()
    }
}

#[derive(Debug, Clone)]
enum Action {
    Type(usize, prop::sample::Index, String),
    Erase(usize, prop::sample::Index),
    Deliver(usize, usize),
    Restart(usize),
    Close(usize),
    Delete(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..3usize, any::<prop::sample::Index>(), "[a-zé😀]{1,3}")
            .prop_map(|(who, at, text)| Action::Type(who, at, text)),
        2 => (0..3usize, any::<prop::sample::Index>()).prop_map(|(who, at)| Action::Erase(who, at)),
        3 => (0..3usize, 1..3usize).prop_map(|(from, by)| Action::Deliver(from, (from + by) % 3)),
        1 => (0..3usize).prop_map(Action::Restart),
        1 => (0..3usize).prop_map(Action::Close),
        1 => (0..3usize).prop_map(Action::Delete),
    ]
}

/// UTF-16 places between characters.
fn places(content: &str) -> Vec<u32> {
    let mut at = 0;
    let mut out = vec![0];
    for c in content.chars() {
        at += c.len_utf16() as u32;
        out.push(at);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn texts_converge(actions in proptest::collection::vec(action(), 1..60)) {
        let mut replicas = replicas(3);
        let object = replicas[0].create(1, &[]);
        sync(&mut replicas);
        for action in actions {
            match action {
                Action::Type(who, at, text) => {
                    let places = places(&replicas[who].content(object, "body"));
                    replicas[who].type_text(object, "body", &insert(*at.get(&places), &text));
                }
                Action::Erase(who, at) => {
                    let places = places(&replicas[who].content(object, "body"));
                    if places.len() > 1 {
                        let at = at.index(places.len() - 1);
                        let (from, delete) = (places[at], places[at + 1] - places[at]);
                        let delta = vec![TextChange { from, delete, insert: String::new() }];
                        replicas[who].type_text(object, "body", &delta);
                    }
                }
                Action::Deliver(from, to) => {
                    replicas[from].seal();
                    let (from, to) = pair(&mut replicas, from, to);
                    let entries = from.missing_in(to);
                    let text = to.open_text(object, "body");
                    let mut shown = to.content(object, "body");
                    let received = to.receive(&entries);
                    // What editors are told makes what the engine holds.
                    for (changed, delta) in received.text_deltas {
                        prop_assert_eq!(changed, text);
                        shown = applied(&shown, &delta);
                    }
                    prop_assert_eq!(shown, to.text.content(text).unwrap());
                }
                Action::Restart(who) => replicas[who].restart(),
                Action::Close(who) => {
                    let text = replicas[who].open_text(object, "body");
                    replicas[who].run(|space, cx, _, _| space.close_text(cx, text)).unwrap();
                }
                Action::Delete(who) => {
                    replicas[who].set(object, &["other"], Some(1.into()));
                }
            }
        }
        sync(&mut replicas);
        assert_converged(&mut replicas);
        assert_texts_agree(&mut replicas, object);
    }
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
fn an_update_of_a_void_entry_is_in_the_text_iff_one_that_counts_stands_on_it() {
    let mut replicas = replicas(3);
    let members = replicas[0].access.members.clone();
    let object = replicas[2].create(1, &[]);
    replicas[2].type_text(object, "body", &insert(0, "-"));
    sync(&mut replicas);
    let feed = replicas[0].space.feed();
    replicas[0].type_text(object, "body", &insert(0, "abc"));
    let first = replicas[0].seal().remove(0).bytes;
    replicas[1].receive(std::slice::from_ref(&first));
    replicas[1].type_text(object, "body", &insert(1, "x"));
    let on_it = replicas[1].seal().remove(0).bytes;
    replicas[0].type_text(object, "body", &insert(4, "more"));
    let last = replicas[0].seal().remove(0).bytes;
    replicas[0].receive(std::slice::from_ref(&on_it));
    assert_eq!(replicas[0].content(object, "body"), "axbc-more");
    // The writer turns out to have had no right to. Some have applied it, another has not.
    members.void.borrow_mut().insert(feed);
    replicas[0].rebuild();
    replicas[1].rebuild();
    replicas[1].receive(std::slice::from_ref(&last));
    let text = replicas[2].open_text(object, "body");
    assert_eq!(replicas[2].receive(&[on_it]).text_deltas, vec![]);
    assert_eq!(replicas[2].receive(&[last]).refused.len(), 1);
    let received = replicas[2].receive(&[first]);
    assert_eq!(received.text_deltas, vec![(text, insert(0, "axbc"))]);
    sync(&mut replicas);
    for replica in &mut replicas {
        assert_eq!(replica.content(object, "body"), "axbc-");
        assert!(replica.verify(false).is_sound());
        replica.restart();
        assert_eq!(replica.content(object, "body"), "axbc-");
    }
    assert_converged(&mut replicas);
    // What stood on it counts no more either: the text is made again without both.
    members.void.borrow_mut().insert(replicas[1].space.feed());
    for replica in &mut replicas {
        replica.rebuild();
        assert_eq!(replica.content(object, "body"), "-");
    }
}
