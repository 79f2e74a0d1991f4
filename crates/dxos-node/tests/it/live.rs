//! Live queries: the differences told add up to what a query answers, and cost what they should.

use std::collections::BTreeMap;

use dxos_base::query::{Deleted, field, type_of};
use dxos_base::{Entropy, ObjectId, ObjectWrite, Query, SpaceId, Tick, Value};
use dxos_echo::memory::MemoryStore;
use dxos_echo::query::sample;
use dxos_node::{ChannelId, Context, Effect, Event, Node, NodeConfig};
use dxos_services::{
    ClientFrame, ClientId, Event as ClientEvent, Failure, FailureKind, NodeFrame, PROTOCOL_VERSION,
    QueryAnswer, QueryDiff, Request, Response, Write,
};
use dxos_text::LoroEngine;

struct Seeded(u64);

impl Entropy for Seeded {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            *byte = (self.0 >> 33) as u8;
        }
    }
}

/// One node with channels, and the rows its subscriptions told.
struct One {
    node: Node,
    store: MemoryStore,
    text: LoroEngine,
    entropy: Seeded,
    now: Tick,
    calls: u64,
    replies: BTreeMap<u64, Result<Response, Failure>>,
    rows: BTreeMap<u64, QueryAnswer>,
    diffs: Vec<(u64, QueryDiff)>,
    written: u64,
}

const FIRST: ChannelId = ChannelId(1);
const SECOND: ChannelId = ChannelId(2);

impl One {
    fn new() -> (One, SpaceId) {
        let (mut store, mut text) = (MemoryStore::default(), LoroEngine::default());
        let (mut entropy, now) = (Seeded(7), Tick(1_700_000_000_000));
        let config = NodeConfig {
            profile_key: [7; 32],
            instance_marker: [1; 16],
        };
        let mut cx = Context {
            now,
            store: &mut store,
            text: &mut text,
            entropy: &mut entropy,
        };
        let node = Node::open(config, &mut cx).unwrap();
        let mut one = One {
            node,
            store,
            text,
            entropy,
            now,
            calls: 0,
            replies: BTreeMap::new(),
            rows: BTreeMap::new(),
            diffs: Vec::new(),
            written: 0,
        };
        one.open(FIRST);
        let identity = Request::CreateIdentity {
            name: "Ada".into(),
            device_label: "test".into(),
            platform: "test".into(),
        };
        one.call(FIRST, identity).unwrap();
        let space = one.space("Garden");
        (one, space)
    }

    fn open(&mut self, channel: ChannelId) {
        self.handle(Event::ChannelOpened(channel));
        let client = ClientId([channel.0 as u8; 16]);
        self.send(
            channel,
            &ClientFrame::Hello {
                version: PROTOCOL_VERSION,
                client,
            },
        );
    }

    fn space(&mut self, name: &str) -> SpaceId {
        let request = Request::CreateSpace { name: name.into() };
        match self.call(FIRST, request) {
            Ok(Response::Space(space)) => space,
            other => panic!("{other:?}"),
        }
    }

    fn send(&mut self, channel: ChannelId, frame: &ClientFrame) {
        self.handle(Event::ChannelFrame(channel, dxos_base::encode(frame)));
    }

    fn call(&mut self, channel: ChannelId, request: Request) -> Result<Response, Failure> {
        self.calls += 1;
        let call = self.calls;
        self.send(channel, &ClientFrame::Call { call, request });
        self.replies
            .remove(&call)
            .expect("a call is answered at once")
    }

    fn subscribe(&mut self, channel: ChannelId, space: SpaceId, query: &Query) -> u64 {
        let query = query.clone();
        match self.call(channel, Request::Subscribe { space, query }) {
            Ok(Response::Subscribed(subscription)) => subscription,
            other => panic!("{other:?}"),
        }
    }

    fn unsubscribe(&mut self, channel: ChannelId, subscription: u64) {
        let done = self.call(channel, Request::Unsubscribe { subscription });
        assert_eq!(done, Ok(Response::Done));
    }

    fn answer(&mut self, space: SpaceId, query: &Query) -> QueryAnswer {
        let query = query.clone();
        match self.call(FIRST, Request::Query { space, query }) {
            Ok(Response::Answer(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, space: SpaceId, writes: Vec<ObjectWrite>) {
        self.written += 1;
        let write = Write::Objects { space, writes };
        let n = self.written;
        self.send(FIRST, &ClientFrame::Write { n, write });
    }

    fn stat(&mut self, name: &str) -> u64 {
        match self.call(FIRST, Request::Stats) {
            Ok(Response::Stats(stats)) => stats[name],
            other => panic!("{other:?}"),
        }
    }

    /// Time passes: what waits is done.
    fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while let Some(at) = self.node.wake_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.handle(Event::Wake);
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        let mut cx = Context {
            now: self.now,
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        let mut out = Vec::new();
        self.node.handle(&mut cx, event, &mut out);
        for effect in out {
            if let Effect::ToChannel(_, bytes) = effect {
                self.frame(&bytes);
            }
        }
    }

    fn frame(&mut self, bytes: &[u8]) {
        match dxos_services::decode_node(bytes).unwrap() {
            NodeFrame::Reply { call, result } => {
                self.replies.insert(call, result);
            }
            NodeFrame::Written { n, result } => match result {
                // A random move under a parent may close a circle.
                Err(failure) if failure.message.contains("@parent") => {}
                result => assert_eq!(result, Ok(None), "write {n}"),
            },
            NodeFrame::Batch { events } => {
                for event in events {
                    if let ClientEvent::Query { subscription, diff } = event {
                        let told = self.rows.entry(subscription).or_default();
                        diff.apply(&mut told.rows, &mut told.groups).unwrap();
                        self.diffs.push((subscription, diff));
                    }
                }
            }
            NodeFrame::Welcome { .. } => {}
        }
    }
}

fn settled(mut answer: QueryAnswer) -> QueryAnswer {
    answer.explain = Default::default();
    answer
}

const CASES: u64 = 150;
const EDITS: usize = 12;
const LIVE: usize = 8;

#[test]
fn a_change_visits_the_queries_it_can_concern() {
    let (mut one, space) = One::new();
    let task = |n: u8, who: &str| ObjectWrite::Create {
        object: ObjectId([n; 16]),
        type_name: "org.example.Task@0.1.0".into(),
        values: [("who".to_owned(), Value::from(who))].into(),
    };
    one.write(space, (0..50).map(|n| task(n, "nobody")).collect());
    let of = |who: &str| {
        let query = Query::of_type("org.example.Task").filter(field("who").eq(who));
        query.order_by("who").limit(10)
    };
    let subscriptions: Vec<u64> = (0..100)
        .map(|n| one.subscribe(FIRST, space, &of(&format!("person {n}"))))
        .collect();
    one.subscribe(FIRST, space, &Query::of_type("org.example.Note"));
    one.pass(1_000);
    let mut decided = one.stat("live_decided");
    let mut visited = |one: &mut One, write: ObjectWrite| {
        one.write(space, vec![write]);
        one.pass(1_000);
        let before = std::mem::replace(&mut decided, one.stat("live_decided"));
        decided - before
    };
    let set = |who: &str| ObjectWrite::set(ObjectId([7; 16]), "who", who);
    assert_eq!(visited(&mut one, set("somebody")), 0);
    assert_eq!(visited(&mut one, set("person 3")), 1);
    assert_eq!(one.rows[&subscriptions[3]].rows.len(), 1);
    // That which holds it, and that which takes it.
    assert_eq!(visited(&mut one, set("person 4")), 2);
    assert_eq!(one.rows[&subscriptions[3]].rows.len(), 0);
    assert_eq!(one.rows[&subscriptions[4]].rows.len(), 1);
    assert_eq!(visited(&mut one, ObjectWrite::delete(ObjectId([7; 16]))), 1);
    assert_eq!(one.rows[&subscriptions[4]].rows.len(), 0);
    assert_eq!(visited(&mut one, task(99, "person 5")), 1);
    for subscription in subscriptions {
        one.unsubscribe(FIRST, subscription);
    }
    assert_eq!(visited(&mut one, set("person 3")), 0);
}

#[test]
fn a_query_that_is_too_long_is_refused_and_nothing_else() {
    let (mut one, space) = One::new();
    let values = (0..8).map(|n| Value::String(n.to_string().repeat(33_000)));
    let query = Query::from(field("title").one_of(values));
    for request in [
        Request::Subscribe {
            space,
            query: query.clone(),
        },
        Request::Query { space, query },
    ] {
        let failure = one.call(FIRST, request).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Malformed);
        assert!(failure.message.contains("bytes long"), "{failure:?}");
    }
    assert_eq!(one.stat("subscriptions"), 0);
}

#[test]
fn differences_add_up_to_what_a_query_answers() {
    let mut used: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut told, mut compared) = (0, 0);
    for seed in 0..CASES {
        let mut random = sample::Sample::new(seed);
        let (mut one, space) = One::new();
        let other = one.space("Other");
        let creations = random.creations();
        let mut exist: Vec<ObjectId> = creations.iter().map(ObjectWrite::object).collect();
        one.write(space, creations);
        let mut live = Vec::new();
        for n in 0..LIVE {
            let mut query = random.query();
            if n == 0 {
                query.scope = dxos_base::query::Scope::Spaces(vec![space, other]);
            }
            for part in sample::parts(&query) {
                *used.entry(part).or_default() += 1;
            }
            live.push((one.subscribe(FIRST, space, &query), query));
        }
        let mut elsewhere = Vec::new();
        for edit in 0..EDITS {
            // Rerun queries may wait; then all is told.
            one.pass(random.below(200));
            if random.below(4) == 0 {
                let write = random.edit(&elsewhere);
                elsewhere.push(write.object());
                one.write(other, vec![write]);
            }
            let writes: Vec<ObjectWrite> = (0..=random.below(2))
                .map(|_| {
                    let write = random.edit(&exist);
                    exist.push(write.object());
                    write
                })
                .collect();
            one.write(space, writes);
            one.pass(200);
            for (subscription, query) in &live {
                let now = settled(one.answer(space, query));
                let rows = one.rows.get(subscription).cloned().unwrap_or_default();
                assert_eq!(settled(rows), now, "seed {seed}, edit {edit}: {query:#?}");
                compared += 1;
            }
        }
        told += one.diffs.len();
        live.iter()
            .for_each(|(subscription, _)| one.unsubscribe(FIRST, *subscription));
        assert_eq!(
            (one.stat("queries_live"), one.stat("subscriptions")),
            (0, 0)
        );
    }
    println!("{told} differences told, {compared} answers compared");
    let all = CASES * LIVE as u64;
    for (part, count) in &used {
        println!("{:5.1} %  {part}", *count as f64 * 100.0 / all as f64);
        assert!(count * 100 >= all, "{part} is in under 1 % of all queries");
    }
}

fn task(n: u32, title: &str, done: bool) -> ObjectWrite {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    ObjectWrite::Create {
        object: ObjectId(id),
        type_name: "org.example.Task@0.1.0".into(),
        values: [
            ("title".to_owned(), Value::from(title)),
            ("done".to_owned(), Value::Bool(done)),
            ("n".to_owned(), Value::Int(i64::from(n))),
        ]
        .into(),
    }
}

fn set(write: &ObjectWrite, name: &str, value: impl Into<Value>) -> ObjectWrite {
    ObjectWrite::set(write.object(), name, value)
}

/// 500 tasks, none done.
fn tasks() -> (One, SpaceId, Vec<ObjectWrite>) {
    let (mut one, space) = One::new();
    let all: Vec<ObjectWrite> = (0..500)
        .map(|n| task(n, &format!("task {n:03}"), false))
        .collect();
    one.write(space, all.clone());
    one.pass(1_000);
    (one, space, all)
}

fn open_tasks() -> Query {
    Query::of_type("org.example.Task")
        .filter(field("done").eq(false))
        .order_by("title")
        .limit(10)
}

#[test]
fn a_change_reads_no_row_that_it_does_not_move() {
    let (mut one, space, all) = tasks();
    let subscription = one.subscribe(FIRST, space, &open_tasks());
    one.pass(100);
    let first = one.stat("live_examined");
    assert!(first <= 40, "the window and its slack: {first}");
    one.diffs.clear();

    // Another type, a property no condition and no order names, a row far behind the window, and one in it.
    let note = ObjectWrite::Create {
        object: ObjectId([9; 16]),
        type_name: "org.example.Note@0.1.0".into(),
        values: BTreeMap::new(),
    };
    one.write(space, vec![note]);
    one.write(space, vec![set(&all[400], "n", 1)]);
    one.write(space, vec![set(&all[300], "done", true)]);
    one.pass(100);
    assert_eq!(one.diffs, [], "nothing to tell");
    one.write(space, vec![set(&all[3], "n", 77)]);
    one.pass(100);
    let (_, diff) = one.diffs.pop().expect("a row is another one");
    assert_eq!(
        (diff.changed.len(), diff.added.len(), diff.removed.len()),
        (1, 0, 0)
    );
    assert_eq!(one.stat("live_examined"), first, "no row was read");

    // Rows leave one by one: those behind them move up, and the window is filled by reading on now and then.
    for (n, task) in all.iter().enumerate().take(40) {
        let before = one.stat("live_examined");
        one.write(space, vec![set(task, "done", true)]);
        one.pass(100);
        let (of, diff) = one.diffs.pop().expect("a row left");
        assert_eq!(
            (of, diff.removed.len(), diff.added.len()),
            (subscription, 1, 1),
            "{n}"
        );
        assert_eq!(diff.added[0].0, 9, "at the end");
        assert!(
            one.stat("live_examined") - before <= 11,
            "the window and one row at most"
        );
    }
    let titles = |one: &One| -> Vec<String> {
        let title =
            |row: &dxos_services::Row| row.object.values["title"].as_str().unwrap().to_owned();
        one.rows[&subscription].rows.iter().map(title).collect()
    };
    let expected: Vec<String> = (40..50).map(|n| format!("task {n:03}")).collect();
    assert_eq!(titles(&one), expected);

    // A row moves within the window.
    one.write(space, vec![set(&all[45], "title", "task 040b")]);
    one.pass(100);
    let (_, diff) = one.diffs.pop().expect("a row moved");
    assert_eq!((diff.moved.len(), diff.changed.len()), (1, 1));
    assert_eq!(diff.moved[0].0, 1);
    assert_eq!(titles(&one)[..2], ["task 040", "task 040b"]);
}

#[test]
fn equal_queries_are_kept_once_and_gone_with_the_last_subscription() {
    let (mut one, space, _) = tasks();
    one.open(SECOND);
    let a = one.subscribe(FIRST, space, &open_tasks());
    one.pass(100);
    let read = one.stat("live_examined");
    let b = one.subscribe(SECOND, space, &open_tasks());
    let c = one.subscribe(SECOND, space, &open_tasks().limit(9));
    one.pass(100);
    assert_eq!(one.rows[&a].rows, one.rows[&b].rows);
    assert_eq!(one.rows[&c].rows.len(), 9);
    assert_eq!(
        (one.stat("queries_live"), one.stat("subscriptions")),
        (2, 3)
    );
    assert!(
        one.stat("live_examined") - read <= 40,
        "read for the other query only"
    );
    one.unsubscribe(FIRST, a);
    assert_eq!(
        (one.stat("queries_live"), one.stat("subscriptions")),
        (2, 2)
    );
    one.diffs.clear();
    one.write(space, vec![task(1_000, "a first one", false)]);
    one.pass(100);
    let mut told: Vec<u64> = one
        .diffs
        .iter()
        .map(|(subscription, _)| *subscription)
        .collect();
    told.sort_unstable();
    assert_eq!(told, [b, c], "who left is told nothing");
    one.handle(Event::ChannelClosed(SECOND));
    assert_eq!(
        (one.stat("queries_live"), one.stat("subscriptions")),
        (0, 0)
    );
}

#[test]
fn counts_follow_without_reading() {
    let (mut one, space, all) = tasks();
    let query = Query::of_type("org.example.Task").group_by("done");
    let subscription = one.subscribe(FIRST, space, &query);
    one.pass(100);
    let read = one.stat("live_examined");
    one.write(space, vec![set(&all[3], "done", true)]);
    one.write(space, vec![ObjectWrite::delete(all[4].object())]);
    one.pass(100);
    let groups = &one.rows[&subscription].groups;
    let counts: Vec<(Option<Value>, u64)> = groups
        .iter()
        .map(|group| (group.value.clone(), group.count))
        .collect();
    assert_eq!(
        counts,
        [
            (Some(Value::Bool(false)), 498),
            (Some(Value::Bool(true)), 1)
        ]
    );
    assert_eq!(one.stat("live_examined"), read);
}

#[test]
fn a_scope_of_all_spaces_takes_in_those_that_come() {
    let (mut one, space) = One::new();
    let query = Query::from(type_of("org.example.Task"))
        .order_by("title")
        .everywhere();
    let subscription = one.subscribe(FIRST, space, &query);
    one.write(space, vec![task(1, "b", false), task(2, "d", false)]);
    let later = one.space("Later");
    one.write(later, vec![task(1, "a", false), task(3, "c", true)]);
    one.pass(100);
    let rows: Vec<(SpaceId, String)> = (one.rows[&subscription].rows.iter())
        .map(|row| {
            (
                row.space,
                row.object.values["title"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [(later, "a"), (space, "b"), (later, "c"), (space, "d")];
    assert_eq!(
        rows,
        expected.map(|(space, title)| (space, title.to_owned()))
    );
    let told = one.rows[&subscription].clone();
    assert_eq!(settled(one.answer(space, &query)), settled(told));
}

#[test]
fn ranked_queries_run_again_alone_and_not_at_every_key() {
    let (mut one, space, all) = tasks();
    let ranked = one.subscribe(FIRST, space, &Query::search("task 01").limit(5));
    let deleted = Query::of_type("org.example.Task").deleted(Deleted::Only);
    let plain = one.subscribe(FIRST, space, &deleted);
    one.pass(1_000);
    let runs = one.stat("live_runs");
    for n in 0..50 {
        one.write(space, vec![set(&all[10], "title", format!("task 01 {n}"))]);
        one.pass(1);
    }
    one.pass(200);
    let again = one.stat("live_runs") - runs;
    assert!(
        (1..=3).contains(&again),
        "{again} runs for 50 keys in 50 ms"
    );
    assert_eq!(one.rows[&ranked].rows.len(), 5);
    assert!(one.rows.get(&plain).is_none_or(|told| told.rows.is_empty()));
    // What cannot be in it does not make it run.
    let runs = one.stat("live_runs");
    one.write(space, vec![set(&all[400], "title", "other words")]);
    one.pass(500);
    assert_eq!(one.stat("live_runs"), runs);
}

#[test]
fn unsound_queries_are_refused_with_their_part() {
    let (mut one, space) = One::new();
    let query = Query::all().order_by("@nothing");
    let refused = one.call(FIRST, Request::Subscribe { space, query });
    let message = refused.unwrap_err().message;
    assert!(
        message.contains("order.0") && message.contains("@nothing"),
        "{message}"
    );
}
