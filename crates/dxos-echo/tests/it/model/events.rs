//! What happens between writes: entries travel, in every order; keys and credentials come late; processes die.

use std::collections::BTreeMap;

use dxos_base::{FeedId, ObjectId, ObjectWrite, TextChange};
use dxos_echo::store::StoreError;
use dxos_echo::{EchoError, RefusalReason};

use super::writes::nested;
use super::{Case, OBJECTS};
use crate::replica::*;

/// Events, by what they do.
pub const EVENTS: [&str; 20] = [
    "create",
    "type text",
    "seal",
    "deliver",
    "deliver repeatedly",
    "deliver reordered",
    "partition",
    "restart",
    "rebuild",
    "verify",
    "commit fails",
    "clock forward",
    "clock back",
    "new key",
    "keys come",
    "new credential",
    "credentials come",
    "cut",
    "retry",
    "newer version",
];

/// How many entries of each feed `from` hands on, and in which order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Feeds mixed, each in its order.
    Mixed,
    /// The same with entries that came before, and twice.
    Repeated,
    /// No order: what has a gap before it is refused, and comes another time.
    None,
}

impl Case {
    /// Lets something happen; tells whether it did.
    pub fn event(&mut self, kind: &str) -> bool {
        let who = self.random.below(self.replicas.len());
        match kind {
            "create" => self.create(who),
            "type text" => self.type_text(who),
            "seal" => !self.replicas[who].seal().is_empty(),
            "deliver" => self.deliver(who, Order::Mixed),
            "deliver repeatedly" => self.deliver(who, Order::Repeated),
            "deliver reordered" => self.deliver(who, Order::None),
            "partition" => {
                self.apart = self.random.one(&[None, Some(0), Some(1), Some(2)]);
                true
            }
            "restart" => {
                self.replicas[who].restart();
                true
            }
            "rebuild" => {
                let replica = &mut self.replicas[who];
                let before = replica.rows();
                assert_eq!(replica.rebuild().redecided, 0);
                assert!(before == replica.rows(), "made again it is the same");
                true
            }
            "verify" => {
                let found = self.replicas[who].verify(false);
                assert!(found.is_sound(), "{found:?}");
                true
            }
            "commit fails" => self.commit_fails(who),
            "clock forward" => {
                self.replicas[who].now.0 += self.random.one(&[1, 1_000, 400_000, YEARS_MS]);
                true
            }
            "clock back" => {
                let back = self.random.one(&[1, 1_000, 400_000, YEARS_MS]);
                let now = &mut self.replicas[who].now.0;
                *now = now.saturating_sub(back);
                true
            }
            "new key" => {
                self.learn_keys(who);
                let made = self.members.keys.get() + 1;
                self.members.keys.set(made);
                self.learn_keys(who)
            }
            "keys come" => self.learn_keys(who),
            "new credential" => {
                self.learn_credentials(who);
                self.members.credentials.borrow_mut().push(None);
                self.learn_credentials(who)
            }
            "credentials come" => self.learn_credentials(who),
            "cut" => self.cut(who),
            "retry" => {
                let before = self.state(who);
                let touched = self.replicas[who].retry().touched;
                assert!(touched.is_empty(), "what could apply has");
                assert_eq!(before, self.state(who));
                true
            }
            "newer version" => self.upgrade(who),
            other => panic!("no event {other}"),
        }
    }

    fn state(&mut self, who: usize) -> (Vec<(ObjectId, Vec<u8>)>, [u8; 16]) {
        let replica = &mut self.replicas[who];
        (replica.rows(), replica.space.state_digest())
    }

    fn create(&mut self, who: usize) -> bool {
        let object = ObjectId([1 + self.random.below(OBJECTS as usize) as u8; 16]);
        let values = ["a", "m"].map(|name| (name.to_owned(), nested(&mut self.random)));
        let create = ObjectWrite::create(object, "org.example.Task@0.1.0", values);
        match self.replicas[who].write(&[create]) {
            Ok(_) => true,
            Err(EchoError::Exists { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn type_text(&mut self, who: usize) -> bool {
        let object = ObjectId([1 + self.random.below(2) as u8; 16]);
        let replica = &mut self.replicas[who];
        if replica.shown(object).is_none() {
            return false;
        }
        let content = replica.content(object, "text");
        let from = self.random.below(content.chars().count() + 1);
        let left = content.chars().count() - from;
        let change = TextChange {
            from: from as u32,
            delete: self.random.below(left.min(3) + 1) as u32,
            insert: self.random.one(&["t", "ä", "two words"]).to_owned(),
        };
        replica.type_text(object, "text", &vec![change]);
        true
    }

    /// A write that is done and taken back with its transaction.
    fn commit_fails(&mut self, who: usize) -> bool {
        let object = ObjectId([1; 16]);
        let before = self.state(who);
        let write = ObjectWrite::set(object, "a", 7);
        let replica = &mut self.replicas[who];
        let failed: Result<(), EchoError> = replica.run(|space, cx, _, heads| {
            space.write(cx, heads, &[write])?;
            Err(StoreError::Full.into())
        });
        assert!(failed.is_err());
        assert_eq!(before, self.state(who), "nothing of it stays");
        true
    }

    /// Some of what is missing, or too much of it.
    fn deliver(&mut self, who: usize, order: Order) -> bool {
        let count = self.replicas.len();
        let to = (who + 1 + self.random.below(count - 1)) % count;
        if self.apart == Some(who) || self.apart == Some(to) {
            return false;
        }
        let (from, to) = pair(&mut self.replicas, who, to);
        let mut feeds: BTreeMap<FeedId, Vec<Vec<u8>>> = BTreeMap::new();
        let known: Vec<FeedId> = from.space.timeframe().keys().copied().collect();
        for feed in known {
            let held = to.space.timeframe().get(&feed).map_or(0, |head| head.seq);
            let again = if order == Order::Mixed { 0 } else { 3 };
            let first = held.saturating_sub(again) + 1;
            let rows = (from.space).entries_from(&mut from.store, feed, first, usize::MAX);
            let rows = rows.unwrap();
            let keep = 1 + self.random.below(rows.len() + 2);
            let rows = rows.into_iter().map(|row| row.bytes);
            feeds.insert(feed, rows.take(keep).rev().collect());
        }
        let mut mixed = Vec::new();
        while !feeds.is_empty() {
            let at = self.random.below(feeds.len());
            let feed = *feeds.keys().nth(at).unwrap();
            match feeds.get_mut(&feed).and_then(Vec::pop) {
                Some(entry) => {
                    if order == Order::Repeated {
                        mixed.push(entry.clone());
                    }
                    mixed.push(entry);
                }
                None => drop(feeds.remove(&feed)),
            }
        }
        if order == Order::None {
            for at in (1..mixed.len()).rev() {
                mixed.swap(at, self.random.below(at + 1));
            }
        }
        let received = to.receive(&mixed);
        let gap = |reason| matches!(reason, RefusalReason::Gap { .. });
        let gaps = received.refused.iter().all(|refusal| gap(refusal.reason));
        assert!(
            received.refused.is_empty() || (gaps && order == Order::None),
            "{:?}",
            received.refused
        );
        received.stored > 0 || (order != Order::Mixed && received.known > 0)
    }

    /// A replica gets all keys there are, and opens what waited for them.
    pub fn learn_keys(&mut self, who: usize) -> bool {
        let replica = &mut self.replicas[who];
        if replica.access.keys.replace(self.members.keys.get()) == self.members.keys.get() {
            return false;
        }
        replica.retry();
        true
    }

    /// A replica gets all credentials there are, and decides anew where they ask for it.
    pub fn learn_credentials(&mut self, who: usize) -> bool {
        let all = self.members.credentials.borrow().len();
        let replica = &mut self.replicas[who];
        let known = replica.access.credentials.replace(all);
        if known == all {
            return false;
        }
        replica.heads = vec![credential(all)];
        let cuts: Vec<(FeedId, u64)> = {
            let told = self.members.credentials.borrow();
            told[known..].iter().flatten().copied().collect()
        };
        let timeframe = replica.space.timeframe();
        let held =
            |(feed, seq): &(FeedId, u64)| timeframe.get(feed).is_some_and(|head| head.seq >= *seq);
        match cuts.iter().any(held) {
            true => drop(replica.rebuild()),
            false => drop(replica.retry()),
        }
        true
    }

    /// A credential makes an entry void that may have been applied, here and elsewhere.
    fn cut(&mut self, who: usize) -> bool {
        self.learn_credentials(who);
        let heads: Vec<(FeedId, u64)> = (self.replicas[who].space.timeframe().iter())
            .map(|(feed, head)| (*feed, head.seq))
            .collect();
        if heads.is_empty() {
            return false;
        }
        let (feed, last) = self.random.one(&heads);
        let seq = 1 + self.random.below(last as usize) as u64;
        let mut credentials = self.members.credentials.borrow_mut();
        if credentials.contains(&Some((feed, seq))) {
            return false;
        }
        credentials.push(Some((feed, seq)));
        drop(credentials);
        self.learn_credentials(who)
    }

    /// A replica gets the newest build, and understands what waited for it.
    pub fn upgrade(&mut self, who: usize) -> bool {
        if !self.upgraded.insert(who) {
            return false;
        }
        let replica = &mut self.replicas[who];
        replica.space.set_entry_version(NEWER);
        replica.retry();
        true
    }
}

/// What clocks are off by, at most: forty years, so that one may stand at 1970.
const YEARS_MS: u64 = 40 * 365 * 24 * 3_600_000;
/// A version of entries that builds to come write.
const NEWER: u8 = dxos_echo::entry::ENTRY_VERSION + 1;
