//! The adapter over a module that traps: nothing but the failed call is lost.

use super::*;

/// A module whose texts are lists of updates; it traps on the update `TRAP` and loses all texts then.
#[derive(Default)]
struct Trappy {
    texts: BTreeMap<TextId, String>,
    /// Local changes whose update was not given yet.
    applied: Vec<u8>,
    dead: bool,
    instances: usize,
}

const TRAP: &[u8] = b"trap";

fn answer<T: Serialize>(value: T) -> Trapping {
    Ok(dxos_base::encode(&Ok::<T, TextError>(value)))
}

impl Trappy {
    fn alive(&self) -> Result<(), String> {
        if self.dead {
            Err("unreachable executed".into())
        } else {
            Ok(())
        }
    }

    fn feed(&mut self, text: TextId, update: &[u8]) -> Result<(), String> {
        self.alive()?;
        if update == TRAP {
            self.dead = true;
            return self.alive();
        }
        let content = self.texts.entry(text).or_default();
        content.push_str(std::str::from_utf8(update).unwrap());
        Ok(())
    }
}

impl TextModule for Trappy {
    fn ready(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn reset(&mut self) {
        *self = Trappy {
            instances: self.instances + 1,
            ..Trappy::default()
        };
    }

    fn open(&mut self, text: TextId, _: u64, snapshot: &[u8], updates: &[u8]) -> Trapping {
        self.texts.insert(text, String::new());
        self.feed(text, snapshot)?;
        for update in dxos_base::decode::<Vec<Vec<u8>>>(updates, usize::MAX).unwrap() {
            self.feed(text, &update)?;
        }
        answer(())
    }

    fn close(&mut self, text: TextId) -> Result<(), String> {
        self.texts.remove(&text);
        self.alive()
    }

    fn apply(&mut self, text: TextId, delta: &[u8]) -> Trapping {
        let delta: TextDelta = dxos_base::decode(delta, usize::MAX).unwrap();
        let update = delta[0].insert.clone().into_bytes();
        self.feed(text, &update)?;
        self.applied.extend(update);
        answer(())
    }

    fn export(&mut self, _: TextId) -> Trapping {
        self.alive()?;
        answer(std::mem::take(&mut self.applied))
    }

    fn import(&mut self, text: TextId, update: &[u8]) -> Trapping {
        self.feed(text, update)?;
        answer(Imported {
            applied: true,
            delta: TextDelta::new(),
        })
    }

    fn content(&mut self, text: TextId) -> Trapping {
        self.alive()?;
        answer(self.texts[&text].clone())
    }

    fn version(&mut self, _: TextId) -> Trapping {
        answer(Vec::<u8>::new())
    }

    fn diff(&mut self, _: TextId, _: &[u8], _: &[u8]) -> Trapping {
        answer(TextDelta::new())
    }

    fn snapshot(&mut self, text: TextId) -> Trapping {
        self.alive()?;
        answer(self.texts[&text].clone().into_bytes())
    }

    fn anchor(&mut self, _: TextId, _: u32) -> Trapping {
        Ok(vec![9, 9, 9])
    }

    fn position(&mut self, _: TextId, _: &[u8]) -> Trapping {
        answer(0u32)
    }

    fn inspect(&mut self, _: &[u8]) -> Trapping {
        answer(UpdateRange {
            peer: 1,
            start: 0,
            end: 1,
            after: Vec::new(),
        })
    }

    fn print(&mut self, _: &[u8], _: u64, _: u32, _: u32) -> Trapping {
        answer(dxos_base::Hash::default())
    }
}

const A: TextId = TextId([1; 16]);
const B: TextId = TextId([2; 16]);

fn insert(text: &str) -> TextDelta {
    vec![dxos_base::TextChange {
        from: 0,
        delete: 0,
        insert: text.into(),
    }]
}

#[test]
fn a_trap_costs_one_call_and_no_text() {
    let mut engine = RemoteText::new(Trappy::default());
    engine.open(A, 1, b"snap", &[b"+one"]).unwrap();
    engine.open(B, 2, b"", &[]).unwrap();
    engine.edit(A, &insert("+two")).unwrap();
    engine.import(B, b"b").unwrap();
    assert!(matches!(
        engine.import(A, TRAP),
        Err(TextError::BadUpdate { .. })
    ));
    assert_eq!(engine.module.instances, 1);
    assert_eq!(engine.content(A).unwrap(), "snap+one+two");
    assert_eq!(engine.content(B).unwrap(), "b");
    engine.edit(A, &insert("+three")).unwrap();
    assert_eq!(engine.content(A).unwrap(), "snap+one+two+three");
}

#[test]
fn changes_without_an_update_survive_a_trap_once() {
    let mut engine = RemoteText::new(Trappy::default());
    engine.open(A, 1, b"snap", &[]).unwrap();
    engine.edit(A, &insert("+one")).unwrap();
    engine.apply(A, &insert("+two")).unwrap();
    engine.apply(A, &insert("+three")).unwrap();
    assert!(engine.import(A, TRAP).is_err());
    assert_eq!(engine.content(A).unwrap(), "snap+one+two+three");
    assert_eq!(engine.export(A).unwrap(), b"+two+three");
    assert!(engine.import(A, TRAP).is_err());
    assert_eq!(engine.content(A).unwrap(), "snap+one+two+three");
    assert_eq!(engine.export(A).unwrap(), b"");
}

#[test]
fn a_text_that_traps_when_opened_stays_closed() {
    let mut engine = RemoteText::new(Trappy::default());
    engine.open(A, 1, b"a", &[]).unwrap();
    assert!(matches!(
        engine.open(B, 1, b"", &[TRAP]),
        Err(TextError::BadUpdate { .. })
    ));
    assert!(!engine.is_open(B) && engine.is_open(A));
    assert_eq!(engine.content(B), Err(TextError::NotOpen));
    assert_eq!(engine.content(A).unwrap(), "a");
}

#[test]
fn long_histories_are_folded_into_a_snapshot() {
    let mut engine = RemoteText::new(Trappy::default());
    engine.open(A, 1, b"", &[]).unwrap();
    for _ in 0..UPDATES_MAX + 5 {
        engine.edit(A, &insert("x")).unwrap();
    }
    assert!(engine.texts[&A].updates.len() < UPDATES_MAX);
    assert!(engine.import(A, TRAP).is_err());
    assert_eq!(engine.content(A).unwrap().len(), UPDATES_MAX + 5);
}

#[test]
fn answers_that_do_not_read_are_errors() {
    let mut engine = RemoteText::new(Trappy::default());
    engine.open(A, 1, b"", &[]).unwrap();
    assert!(matches!(
        engine.anchor(A, 0),
        Err(TextError::Unavailable { .. })
    ));
}
