//! A space on a real file, driven as the node drives it: transactions outside, writes and seals inside.

use std::path::{Path, PathBuf};

use anyhow::Result;
use dxos_base::{Entropy, Hash, ObjectId, ObjectWrite, SigningKey, SpaceId, SpaceKey, Tick, Value};
use dxos_echo::store::{Durability, Store};
use dxos_echo::{IndexPolicy, Sealing, Space, WriteContext};
use dxos_store::SqliteStore;
use dxos_text::LoroEngine;
use tempfile::TempDir;

/// Repeatable bytes: benchmarks must do the same work every time. Never used for keys that protect anything.
pub(crate) struct Repeatable(u64);

impl Repeatable {
    pub(crate) fn new(seed: u64) -> Repeatable {
        Repeatable(seed)
    }
}

impl Entropy for Repeatable {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.0;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// What is indexed of the benchmark's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexing {
    /// Two properties, no full text.
    TwoProperties,
    /// Two properties and full text.
    FullText,
}

/// A space with its store, engine and keys.
pub(crate) struct Bench {
    pub space: Space,
    pub store: SqliteStore,
    pub text: LoroEngine,
    entropy: Repeatable,
    signer: SigningKey,
    now: Tick,
    // Held for its drop: removes the files.
    _dir: Option<TempDir>,
    path: PathBuf,
}

/// The key entries are sealed under.
fn space_key() -> SpaceKey {
    SpaceKey([9; 32])
}

const SPACE: SpaceId = SpaceId([7; SpaceId::LEN]);
const MARKER: [u8; 16] = [1; 16];
const HEADS: [Hash; 1] = [Hash([5; 32])];

impl Bench {
    /// An empty space in a fresh directory.
    pub fn new(indexing: Indexing) -> Result<Bench> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("profile.db");
        Bench::open(&path, Some(dir), indexing)
    }

    /// Opens the space of a file.
    pub fn open(path: &Path, dir: Option<TempDir>, indexing: Indexing) -> Result<Bench> {
        let mut store = SqliteStore::open_file(path)?;
        let signer = SigningKey::from_seed([3; 32]);
        let mut space = Space::open(SPACE, signer.device_key(), MARKER, &mut store)?;
        space.set_index_policy(IndexPolicy {
            properties: Some(["title", "created"].map(String::from).into()),
            full_text: indexing == Indexing::FullText,
        });
        Ok(Bench {
            space,
            store,
            text: LoroEngine::new(),
            entropy: Repeatable(11),
            signer,
            now: Tick(1_764_000_000_000),
            _dir: dir,
            path: path.to_owned(),
        })
    }

    /// Runs `work` in one transaction; the clock goes on by a millisecond.
    pub fn transaction<T>(
        &mut self,
        durability: Durability,
        work: impl FnOnce(&mut Space, &mut WriteContext<'_>, &[Hash]) -> Result<T, dxos_echo::EchoError>,
    ) -> Result<T> {
        self.now = self.now.plus_ms(1);
        self.store.begin()?;
        let mut cx = WriteContext {
            now: self.now,
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        let result = work(&mut self.space, &mut cx, &HEADS)?;
        self.store.commit(durability)?;
        Ok(result)
    }

    /// Acknowledges writes.
    pub fn write(&mut self, writes: &[ObjectWrite]) -> Result<()> {
        self.transaction(Durability::Acknowledged, |space, cx, heads| {
            space.write(cx, heads, writes)
        })?;
        Ok(())
    }

    /// Acknowledges a write and seals it as a node does: at once if it is long. Gives the bytes of the entries.
    pub fn write_and_seal(&mut self, writes: &[ObjectWrite]) -> Result<usize> {
        let (key, signer) = (space_key(), self.signer.clone());
        let (_, entries) = self.transaction(Durability::Synced, |space, cx, heads| {
            let sealing = Sealing {
                key: &key,
                signer: &signer,
            };
            space.write_and_seal(cx, heads, writes, &sealing)
        })?;
        if self.space.pending() {
            return self.seal();
        }
        Ok(entries.iter().map(|entry| entry.bytes.len()).sum())
    }

    /// Seals what is pending; gives the bytes of the entries.
    pub fn seal(&mut self) -> Result<usize> {
        let (key, signer) = (space_key(), self.signer.clone());
        let sealing = Sealing {
            key: &key,
            signer: &signer,
        };
        let entries =
            self.transaction(Durability::Synced, |space, cx, _| space.seal(cx, &sealing))?;
        Ok(entries.iter().map(|entry| entry.bytes.len()).sum())
    }

    /// Fills the space with `count` objects, in batches.
    pub fn fill(&mut self, count: usize) -> Result<()> {
        for batch in objects(count).chunks(1000) {
            self.write_and_seal(batch)?;
        }
        Ok(())
    }

    /// Closes the store and gives where it lies; the directory is removed when the second part is dropped.
    pub fn close(self) -> Result<(PathBuf, Option<TempDir>)> {
        self.store.close()?;
        Ok((self.path, self._dir))
    }
}

const WORDS: [&str; 16] = [
    "garden", "letter", "market", "silver", "window", "bridge", "summer", "planet", "kettle",
    "violin", "harbor", "copper", "meadow", "ticket", "pepper", "lantern",
];

/// The title of object `n`: three words and a number, so titles sort and search unevenly, as real ones do.
pub(crate) fn title(n: usize) -> String {
    let word = |shift: usize| WORDS[(n.wrapping_mul(2_654_435_761) >> shift) % WORDS.len()];
    format!("{} {} {} {n}", word(3), word(9), word(15))
}

/// `count` small tasks: title, done, assignee, created and three tags.
pub(crate) fn objects(count: usize) -> Vec<ObjectWrite> {
    objects_from(0, count)
}

/// The same, from number `first` on.
pub(crate) fn objects_from(first: usize, count: usize) -> Vec<ObjectWrite> {
    (first..first + count)
        .map(|n| ObjectWrite::Create {
            object: object(n),
            type_name: "org.example.Task@0.1.0".into(),
            values: [
                ("title", Value::String(title(n))),
                ("done", Value::Bool(n % 3 == 0)),
                ("assignee", Value::String(format!("person {}", n % 40))),
                (
                    "created",
                    Value::Timestamp(1_764_000_000_000 + n as i64 * 997),
                ),
                (
                    "tags",
                    Value::String(format!("{},{}", WORDS[n % 16], WORDS[n / 16 % 16])),
                ),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        })
        .collect()
}

/// The id of object `n`: a ULID as a client makes it.
pub(crate) fn object(n: usize) -> ObjectId {
    ObjectId::new(
        1_764_000_000_000 + n as u64 / 100,
        &mut Repeatable(n as u64),
    )
}
