//! Live queries: one change among many objects with many subscriptions, from the client's frame to the difference.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use dxos_base::query::field;
use dxos_base::{ObjectWrite, Query, SpaceId, Tick};
use dxos_node::{ChannelId, Context, Effect, Event, Node, NodeConfig};
use dxos_services::{
    ClientFrame, ClientId, Event as ClientEvent, NodeFrame, Request, Response, Write,
};
use dxos_store::SqliteStore;
use dxos_text::LoroEngine;

use crate::Options;
use crate::measure::{Outcome, quantile, spent};
use crate::space::{Repeatable, object, objects};

const OBJECTS: usize = 100_000;
const SUBSCRIPTIONS: usize = 100;
const CHANGES: usize = 400;
const CHANNEL: ChannelId = ChannelId(1);

/// A node on a file, and one client.
struct Host {
    node: Node,
    store: SqliteStore,
    text: LoroEngine,
    entropy: Repeatable,
    now: Tick,
    written: u64,
    differences: usize,
    replies: BTreeMap<u64, Response>,
    _dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Result<(Host, SpaceId)> {
        let dir = tempfile::tempdir()?;
        let mut store = SqliteStore::open_file(&dir.path().join("profile.db"))?;
        let (mut text, mut entropy) = (LoroEngine::new(), Repeatable::new(5));
        let now = Tick(1_764_000_000_000);
        let config = NodeConfig {
            profile_key: [7; 32],
            instance_marker: [1; 16],
        };
        let node = Node::open(
            config,
            &mut Context {
                now,
                store: &mut store,
                text: &mut text,
                entropy: &mut entropy,
            },
        )?;
        let mut host = Host {
            node,
            store,
            text,
            entropy,
            now,
            written: 0,
            differences: 0,
            replies: BTreeMap::new(),
            _dir: dir,
        };
        host.handle(Event::ChannelOpened(CHANNEL));
        let client = ClientId([1; 16]);
        host.frame(&ClientFrame::Hello {
            version: dxos_services::PROTOCOL_VERSION,
            client,
        });
        let identity = Request::CreateIdentity {
            name: "Ada".into(),
            device_label: "bench".into(),
            platform: "bench".into(),
        };
        host.call(identity)?;
        match host.call(Request::CreateSpace {
            name: "Many".into(),
        })? {
            Response::Space(space) => Ok((host, space)),
            other => bail!("a space was asked for, not {other:?}"),
        }
    }

    fn frame(&mut self, frame: &ClientFrame) {
        self.handle(Event::ChannelFrame(CHANNEL, dxos_base::encode(frame)));
    }

    fn call(&mut self, request: Request) -> Result<Response> {
        let call = 1;
        self.frame(&ClientFrame::Call { call, request });
        let reply = self.replies.remove(&call);
        reply.ok_or_else(|| anyhow::anyhow!("a call was refused"))
    }

    fn write(&mut self, space: SpaceId, writes: Vec<ObjectWrite>) {
        self.written += 1;
        let n = self.written;
        let write = Write::Objects { space, writes };
        self.frame(&ClientFrame::Write { n, write });
    }

    /// A second passes: what waits is sealed and told.
    fn pass(&mut self) {
        let end = self.now.plus_ms(1_000);
        while let Some(at) = self.node.wake_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.handle(Event::Wake);
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        let mut out = Vec::new();
        let mut cx = Context {
            now: self.now,
            store: &mut self.store,
            text: &mut self.text,
            entropy: &mut self.entropy,
        };
        self.node.handle(&mut cx, event, &mut out);
        for effect in out {
            let Effect::ToChannel(_, bytes) = effect else {
                continue;
            };
            match dxos_services::decode_node(&bytes) {
                Ok(NodeFrame::Reply {
                    call,
                    result: Ok(response),
                }) => drop(self.replies.insert(call, response)),
                Ok(NodeFrame::Batch { events }) => {
                    let told = |event: &&ClientEvent| matches!(event, ClientEvent::Query { .. });
                    self.differences += events.iter().filter(told).count();
                }
                _ => {}
            }
        }
    }
}

/// The change is one of a title, in the window of one view of fifty rows, beside 99 others of which none is touched.
/// The write itself, acknowledged on disk, is within.
pub(crate) fn query(_: &Options) -> Result<Vec<Outcome>> {
    let (mut host, space) = Host::new()?;
    for batch in objects(OBJECTS).chunks(1_000) {
        host.write(space, batch.to_vec());
        host.pass();
    }
    let change = |n: usize| ObjectWrite::set(object(n % 40), "title", format!("aa {n:06}"));
    let mut alone = Vec::new();
    for n in 0..CHANGES {
        alone.push(spent(|| host.write(space, vec![change(n)])).1.cpu * 1e6);
        host.pass();
    }
    for n in 0..SUBSCRIPTIONS {
        let person = match n {
            0 => Query::of_type("org.example.Task").order_by("title"),
            n => Query::of_type("org.example.Task")
                .filter(field("assignee").eq(format!("nobody {n}")))
                .order_by_descending("created"),
        };
        let query = person.limit(50);
        host.call(Request::Subscribe { space, query })?;
    }
    host.pass();
    let mut times = Vec::new();
    for n in 0..CHANGES {
        let before = host.differences;
        times.push(spent(|| host.write(space, vec![change(n + CHANGES)])).1.cpu * 1e6);
        ensure!(host.differences == before + 1, "one difference is told");
        host.pass();
    }
    let p95 = quantile(&mut times, 0.95);
    let outcome = Outcome::new("live_query_us", quantile(&mut times, 0.5), "µs CPU");
    let floor = quantile(&mut alone, 0.5);
    Ok(vec![outcome.with_p95(p95).with_floor(floor)])
}
