//! Live queries against the naive executor: objects of random schemas, written here and on two other replicas whose
//! entries come in any order and number, and several random queries subscribed to, ended and shared meanwhile. What
//! the differences add up to is what reading every object gives.
//!
//! A case is a function of its seed; a failing one prints the line that runs it again.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use dxos_base::fuzz::SplitMix64;
use dxos_base::{Entropy, FeedId, ObjectId, ObjectView, ObjectWrite, Query, SpaceId, Tick};
use dxos_echo::memory::MemoryStore;
use dxos_echo::query::{naive, sample};
use dxos_echo::store::{Durability, Store};
use dxos_echo::{EchoError, Touched};
use dxos_halo::Identity;
use dxos_services::QueryAnswer;
use dxos_text::LoroEngine;

use super::*;
use crate::event::Context;
use crate::space::{SpaceRecord, transaction, write_context};

/// Cases of one run of the tests.
const CASES: u64 = 10_000;
/// Operations of a case.
const OPERATIONS: usize = 44;
/// Operations between two comparisons with the naive executor.
const COMPARE_EVERY: usize = 8;
/// Subscriptions at a time.
const LIVE: usize = 4;
/// What is watched, and two others.
const REPLICAS: usize = 3;
const HERE: usize = 0;

/// What happens, each as often as it stands here.
const OPERATIONS_OF: [&str; 12] = [
    "write here",
    "write here",
    "write elsewhere",
    "write elsewhere",
    "write elsewhere",
    "seal",
    "seal",
    "entries come",
    "entries come",
    "entries go",
    "subscribe anew",
    "time passes",
];

struct Seeded(SplitMix64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill_with(|| self.0.number() as u8);
    }
}

/// A profile with one space, and copies of it as they are opened the first time.
struct Template {
    identity: Identity,
    space: SpaceId,
    stores: Vec<MemoryStore>,
}

impl Template {
    fn new() -> Template {
        let mut entropy = Seeded(SplitMix64::new(7));
        let made = dxos_halo::create_identity("Ada", "test", "test", &mut entropy).unwrap();
        let identity = made.identity;
        let made = dxos_halo::create_space(&identity, "Garden", "Ada", &mut entropy).unwrap();
        let mut store = MemoryStore::default();
        for credential in &made.credentials {
            (store.credential_put(made.space, credential.hash(), credential.bytes())).unwrap();
        }
        let mut template = Template {
            identity,
            space: made.space,
            stores: Vec::new(),
        };
        for number in 0..REPLICAS {
            // Each instance notes its marker, and takes the next feed of the device.
            template.stores.push(store);
            store = Replica::new(&template, number, 0).store;
        }
        template
    }
}

/// A copy of the profile: another instance of its device, with a feed of its own.
struct Replica {
    spaces: Spaces,
    store: MemoryStore,
    text: LoroEngine,
    entropy: Seeded,
    now: Tick,
    exist: BTreeSet<ObjectId>,
}

impl Replica {
    fn new(template: &Template, number: usize, seed: u64) -> Replica {
        let mut replica = Replica {
            spaces: Spaces::new(),
            store: template.stores[number].clone(),
            text: LoroEngine::default(),
            entropy: Seeded(SplitMix64::new(seed ^ (number as u64) << 40)),
            now: Tick(1_700_000_000_000),
            exist: BTreeSet::new(),
        };
        let record = SpaceRecord {
            order: 0,
            personal: false,
        };
        let (device, agreement) = (template.identity.device(), template.identity.agreement());
        let id = template.space;
        let opened = replica.run(|cx, _| {
            let marker = [number as u8 + 1; 16];
            SpaceState::open(id, record, device, agreement, marker, cx)
        });
        let opened = opened.unwrap();
        replica.spaces.insert(id, opened);
        replica
    }

    fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Context<'_>, &mut Spaces) -> Result<T, EchoError>,
    ) -> Result<T, EchoError> {
        let mut cx = Context {
            now: self.now,
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        let spaces = &mut self.spaces;
        transaction(&mut cx, Durability::Synced, |cx| work(cx, spaces))
    }

    fn write(&mut self, id: SpaceId, writes: &[ObjectWrite]) -> Option<Touched> {
        let wrote = self.run(|cx, spaces| {
            let space = spaces.get_mut(&id).expect("opened above");
            let heads = space.control_heads();
            (space.data).write(&mut write_context(cx), &heads, writes)
        });
        match wrote {
            Ok(touched) => {
                self.exist.extend(&touched.objects);
                Some(touched)
            }
            // A random move under a parent may close a circle.
            Err(EchoError::BadValue { path, .. }) if path == "@parent" => {
                let (store, space) = (&mut self.store, self.spaces.get_mut(&id));
                space.expect("opened above").data.reload(store).unwrap();
                None
            }
            Err(error) => panic!("{writes:?}: {error}"),
        }
    }
}

/// A subscription, and what it has told.
struct Subscription {
    query: Query,
    told: QueryAnswer,
}

struct Case<'t> {
    template: &'t Template,
    space: SpaceId,
    random: SplitMix64,
    sample: sample::Sample,
    replicas: Vec<Replica>,
    live: Live,
    subscriptions: BTreeMap<u64, Subscription>,
    made: u64,
    counts: Counted,
}

/// What a case, or all of them, were made of.
#[derive(Default)]
struct Counted {
    parts: BTreeMap<&'static str, u64>,
    operations: BTreeMap<&'static str, u64>,
    queries: u64,
    told: u64,
    compared: u64,
}

impl<'t> Case<'t> {
    fn new(template: &'t Template, seed: u64) -> Case<'t> {
        let replicas = (0..REPLICAS).map(|number| Replica::new(template, number, seed));
        let mut case = Case {
            template,
            space: template.space,
            random: SplitMix64::new(seed),
            sample: sample::Sample::new(seed),
            replicas: replicas.collect(),
            live: Live::default(),
            subscriptions: BTreeMap::new(),
            made: 0,
            counts: Counted::default(),
        };
        let creations = case.sample.creations();
        let touched = case.replicas[HERE].write(case.space, &creations);
        assert!(touched.is_some(), "first objects stand in no circle");
        case.seal(HERE);
        for other in HERE + 1..REPLICAS {
            case.deliver(HERE, other);
        }
        for _ in 0..LIVE {
            case.subscribe();
        }
        case
    }

    fn operate(&mut self, kind: &str) -> bool {
        let other = HERE + 1 + self.random.below(REPLICAS - 1);
        match kind {
            "write here" => self.write(HERE),
            "write elsewhere" => self.write(other),
            "seal" => {
                let who = self.random.below(REPLICAS);
                self.seal(who)
            }
            "entries come" => self.deliver(other, HERE),
            "entries go" => {
                let from = self.random.below(REPLICAS);
                from != other && self.deliver(from, other)
            }
            "subscribe anew" => {
                let at = self.random.below(self.subscriptions.len());
                let number = *self.subscriptions.keys().nth(at).expect("counted");
                self.live.unsubscribe((CHANNEL, number));
                self.subscriptions.remove(&number);
                self.subscribe();
                true
            }
            "time passes" => {
                let who = self.random.below(REPLICAS);
                self.replicas[who].now.0 += self.random.below(200) as u64;
                self.tell();
                true
            }
            other => panic!("no operation {other}"),
        }
    }

    fn subscribe(&mut self) {
        // Sometimes a second one of a query that is kept already.
        let known = self.subscriptions.values().next();
        let query = match known.filter(|_| self.random.chance(15)) {
            Some(known) => known.query.clone(),
            None => self.sample.query(),
        };
        let parts = &mut self.counts.parts;
        for part in sample::parts(&query) {
            *parts.entry(part).or_default() += 1;
        }
        self.counts.queries += 1;
        self.made += 1;
        (self.live).subscribe((CHANNEL, self.made), self.space, query.clone());
        let told = QueryAnswer::default();
        (self.subscriptions).insert(self.made, Subscription { query, told });
        let here = self.replicas[HERE].spaces.get_mut(&self.space);
        let wanted = self.live.looks_at(self.space);
        here.expect("opened").data.set_views_wanted(wanted);
    }

    fn write(&mut self, who: usize) -> bool {
        let replica = &mut self.replicas[who];
        let mut exist: Vec<ObjectId> = replica.exist.iter().copied().collect();
        let count = 1 + self.random.below(3);
        let mut writes = Vec::new();
        for _ in 0..count {
            let write = self.sample.edit(&exist);
            exist.push(write.object());
            writes.push(write);
        }
        let Some(touched) = replica.write(self.space, &writes) else {
            return false;
        };
        if who == HERE {
            self.live.offer(self.space, &touched);
        }
        true
    }

    fn seal(&mut self, who: usize) -> bool {
        let (id, identity) = (self.space, &self.template.identity);
        let sealed = self.replicas[who].run(|cx, spaces| {
            let space = spaces.get_mut(&id).expect("opened");
            space.seal_entries(identity, cx)
        });
        !sealed.unwrap().0.is_empty()
    }

    /// Some of what is missing, feed by feed.
    fn deliver(&mut self, from: usize, to: usize) -> bool {
        let (id, mut entries) = (self.space, Vec::new());
        let [source, target] = (self.replicas.get_disjoint_mut([from, to])).expect("two replicas");
        let held: BTreeMap<FeedId, u64> = target.spaces[&id].stored().into_iter().collect();
        for (feed, _) in source.spaces[&id].stored() {
            let first = held.get(&feed).map_or(1, |seq| seq + 1);
            let rows = (source.store.entries(id, feed, first, usize::MAX)).unwrap();
            let keep = self.random.below(rows.len() + 1) + 1;
            entries.extend(rows.into_iter().take(keep).map(|row| row.bytes));
        }
        let received = target.run(|cx, spaces| {
            let space = spaces.get_mut(&id).expect("opened");
            space.receive(&entries, cx)
        });
        let received = received.unwrap();
        assert_eq!(received.refused, []);
        target.exist.extend(&received.touched.objects);
        if to == HERE {
            self.live.offer(id, &received.touched);
        }
        received.stored > 0
    }

    /// What is due is told.
    fn tell(&mut self) {
        let replica = &mut self.replicas[HERE];
        let (live, now) = (&mut self.live, replica.now);
        let told = replica.run(|cx, spaces| Ok(live.differences(now, spaces, cx.store)));
        for ((_, number), diff) in told.unwrap() {
            let subscription = self.subscriptions.get_mut(&number);
            let told = &mut subscription.expect("who left is told nothing").told;
            diff.apply(&mut told.rows, &mut told.groups).unwrap();
            self.counts.told += 1;
        }
    }

    /// Everything is told and compared.
    fn compare(&mut self) {
        self.tell();
        // What is run again is so after a pause.
        self.replicas[HERE].now.0 += RERUN_MS;
        self.tell();
        assert!(!self.live.is_dirty());
        let replica = &mut self.replicas[HERE];
        let space = &replica.spaces[&self.space].data;
        for subscription in self.subscriptions.values() {
            let query = &subscription.query;
            let naive = naive::answer(space, &mut replica.store, query).unwrap();
            // Whether an object has unsealed writes is told with the next change of it.
            let plain = |view: &ObjectView| ObjectView {
                saving: false,
                ..view.clone()
            };
            let rows = subscription.told.rows.iter();
            let rows: Vec<ObjectView> = rows.map(|row| plain(&row.object)).collect();
            let expected: Vec<ObjectView> = naive.rows.iter().map(plain).collect();
            assert!(
                rows == expected,
                "{query:#?}\ntold {rows:#?}\nbut it is {expected:#?}"
            );
            assert_eq!(subscription.told.groups, naive.groups, "{query:#?}");
            self.counts.compared += 1;
        }
    }

    /// All entries come to all.
    fn end(&mut self) {
        for who in 0..REPLICAS {
            self.seal(who);
        }
        for _ in 0..2 {
            for from in 0..REPLICAS {
                for to in 0..REPLICAS {
                    while from != to && self.deliver(from, to) {}
                }
            }
        }
        self.compare();
        let digest = |replica: &Replica| replica.spaces[&self.space].data.state_digest();
        let digests: BTreeSet<[u8; 16]> = self.replicas.iter().map(digest).collect();
        assert_eq!(digests.len(), 1, "replicas end alike");
        for number in self.subscriptions.keys() {
            self.live.unsubscribe((CHANNEL, *number));
        }
        assert_eq!(self.live.sizes(), (0, 0));
    }
}

fn run(template: &Template, seed: u64) -> Counted {
    let mut case = Case::new(template, seed);
    let mut done = 0;
    while done < OPERATIONS {
        let kind = case.random.one(&OPERATIONS_OF);
        if !case.operate(kind) {
            continue;
        }
        *case.counts.operations.entry(kind).or_default() += 1;
        done += 1;
        if done.is_multiple_of(COMPARE_EVERY) {
            case.compare();
        }
    }
    case.end();
    case.counts
}

impl Counted {
    fn add(&mut self, other: Counted) {
        for (part, count) in other.parts {
            *self.parts.entry(part).or_default() += count;
        }
        for (kind, count) in other.operations {
            *self.operations.entry(kind).or_default() += count;
        }
        self.queries += other.queries;
        self.told += other.told;
        self.compared += other.compared;
    }
}

#[test]
fn what_is_told_adds_up_to_what_reading_everything_gives() {
    let given = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = given("DXOS_LIVE_SEED").unwrap_or(0);
    let cases = given("DXOS_LIVE_CASES").unwrap_or(CASES);
    let (next, total) = (AtomicU64::new(first), Mutex::new(Counted::default()));
    let work = || {
        let template = Template::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + cases {
                break;
            }
            match catch_unwind(AssertUnwindSafe(|| run(&template, seed))) {
                Ok(counted) => total.lock().expect("held for counting only").add(counted),
                Err(panic) => {
                    println!("replay: DXOS_LIVE_SEED={seed} DXOS_LIVE_CASES=1 {REPLAY}");
                    next.store(first + cases, Ordering::Relaxed);
                    resume_unwind(panic);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        for other in others {
            other.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    let counted = total.into_inner().expect("no thread died");
    println!(
        "{cases} cases of {OPERATIONS} operations: {} queries, {} differences told, {} answers compared",
        counted.queries, counted.told, counted.compared
    );
    for (counts, all) in [
        (&counted.operations, cases * OPERATIONS as u64),
        (&counted.parts, counted.queries),
    ] {
        for (name, count) in counts {
            println!("{:5.1} %  {name}", *count as f64 * 100.0 / all as f64);
            assert!(cases < 100 || count * 100 >= all, "{name} is under 1 %");
        }
    }
    if cases >= 100 {
        let kinds: BTreeSet<&str> = OPERATIONS_OF.into_iter().collect();
        assert_eq!(counted.operations.len(), kinds.len());
        assert_eq!(counted.parts.len(), sample::PARTS, "every part comes up");
    }
}

const CHANNEL: ChannelId = ChannelId(1);
/// Runs the test above alone.
const REPLAY: &str = "cargo test -p dxos-node --lib what_is_told_adds_up";
