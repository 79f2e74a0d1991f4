//! A scripted node: one space, texts and rows in memory, the services protocol as a node speaks it. It can die at
//! any point (what it had stored stays) and lose answers on the way.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use dxos_base::text::{ARRIVING, apply, transform};
use dxos_base::{ObjectWrite, SpaceId, TextDelta};
use dxos_services::*;

use crate::optimistic::apply_write;
use crate::{Client, Query};

/// What survives the node.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) text: String,
    steps: Vec<TextDelta>,
    written: BTreeMap<ClientId, u64>,
    skipped: BTreeSet<(ClientId, u64)>,
    repeats: BTreeMap<ClientId, Repeat>,
    pub(super) rows: Vec<Row>,
    pub(super) objects_applied: Vec<u64>,
}

impl Disk {
    fn store_number(&mut self, id: ClientId, n: u64) {
        let last = self.written.entry(id).or_default();
        self.skipped.remove(&(id, n));
        self.skipped
            .extend((*last + 1..n).map(|skipped| (id, skipped)));
        *last = n.max(*last);
    }
}

#[derive(Clone, Copy)]
struct Repeat {
    n: u64,
    base: usize,
    before: usize,
    after: usize,
}

struct Channel {
    client: Client,
    id: Option<ClientId>,
    /// Version told, once the text is open.
    told: Option<usize>,
    repeats: bool,
    /// Subscriptions, and the rows told of each.
    subscriptions: Vec<(u64, Vec<RowId>)>,
    to_node: Rc<RefCell<VecDeque<Vec<u8>>>>,
    to_client: VecDeque<NodeFrame>,
}

/// See the module's words.
pub(super) struct FakeNode {
    pub(super) disk: Disk,
    channels: Vec<Channel>,
    subscription_last: u64,
    /// Refuses the next write with this.
    pub(super) refuse: Option<FailureKind>,
    /// Forgets how versions follow each other: answers opens with the whole text.
    pub(super) forgetful: bool,
    pub(super) calls: Vec<Request>,
    /// Steps to tell after the answer to an open.
    later: Vec<usize>,
}

fn version(count: usize) -> Vec<u8> {
    count.to_le_bytes().to_vec()
}

fn count(version: &[u8]) -> usize {
    usize::from_le_bytes(version.try_into().unwrap())
}

impl FakeNode {
    pub(super) fn new(disk: Disk) -> Self {
        FakeNode {
            disk,
            channels: Vec::new(),
            subscription_last: 0,
            refuse: None,
            forgetful: false,
            calls: Vec::new(),
            later: Vec::new(),
        }
    }

    pub(super) fn connect(&mut self, client: &Client) {
        let to_node = Rc::new(RefCell::new(VecDeque::new()));
        let queue = to_node.clone();
        self.channels.push(Channel {
            client: client.clone(),
            id: None,
            told: None,
            repeats: false,
            subscriptions: Vec::new(),
            to_node,
            to_client: VecDeque::new(),
        });
        client.connect(Rc::new(move |frame| queue.borrow_mut().push_back(frame)));
    }

    /// Dies: frames on the way are lost, both ways. The disk stays.
    pub(super) fn die(self) -> Disk {
        for channel in &self.channels {
            channel.client.disconnected();
        }
        self.disk
    }

    /// The node takes one frame of the client `index`, if there is one.
    pub(super) fn take(&mut self, index: usize) -> bool {
        let frame = self.channels[index].to_node.borrow_mut().pop_front();
        let Some(frame) = frame else { return false };
        self.handle(index, dxos_services::decode_client(&frame).unwrap());
        true
    }

    /// The client `index` hears one frame, if there is one.
    pub(super) fn tell(&mut self, index: usize) -> bool {
        let Some(frame) = self.channels[index].to_client.pop_front() else {
            return false;
        };
        self.channels[index]
            .client
            .clone()
            .receive(&dxos_base::encode(&frame))
            .unwrap();
        true
    }

    /// Until nothing moves.
    pub(super) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for index in 0..self.channels.len() {
                moved |= self.take(index);
                moved |= self.tell(index);
            }
            if !moved {
                return;
            }
        }
    }

    /// Tells every client a status of one space.
    pub(super) fn tell_status(&mut self, space: SpaceId, saved: SaveState) {
        let space = SpaceView {
            space,
            name: String::new(),
            personal: false,
            role: Role::Owner,
            members: Vec::new(),
            peers: Vec::new(),
            saved,
            sync: SyncState::Alone,
            progress: SyncProgress::default(),
            waiting: Vec::new(),
            forks: Vec::new(),
            life: SpaceLife::Ready,
        };
        let status = StatusView {
            identity: None,
            spaces: vec![space],
            network: NetworkView::Online,
            warnings: Vec::new(),
        };
        for index in 0..self.channels.len() {
            let events = vec![Event::Status(status.clone())];
            self.push(index, NodeFrame::Batch { events });
        }
    }

    fn push(&mut self, index: usize, frame: NodeFrame) {
        self.channels[index].to_client.push_back(frame);
    }

    fn handle(&mut self, index: usize, frame: ClientFrame) {
        match frame {
            ClientFrame::Hello { client, .. } => {
                self.channels[index].id = Some(client);
                let written = self.disk.written.get(&client).copied().unwrap_or(0);
                self.push(
                    index,
                    NodeFrame::Welcome {
                        version: PROTOCOL_VERSION,
                        written,
                    },
                );
            }
            ClientFrame::Call { call, request } => {
                self.calls.push(request.clone());
                let result = self.call(index, request);
                self.push(index, NodeFrame::Reply { call, result });
                for at in std::mem::take(&mut self.later) {
                    let event = self.step_event(at);
                    self.push(
                        index,
                        NodeFrame::Batch {
                            events: vec![event],
                        },
                    );
                }
                self.rows_to(index);
            }
            ClientFrame::Write { n, write } => self.write(index, n, write),
            ClientFrame::Presence { .. } => {}
        }
    }

    fn call(&mut self, index: usize, request: Request) -> Result<Response, Failure> {
        match request {
            Request::Subscribe { .. } => {
                self.subscription_last += 1;
                self.channels[index]
                    .subscriptions
                    .push((self.subscription_last, Vec::new()));
                Ok(Response::Subscribed(self.subscription_last))
            }
            Request::OpenText { base, .. } => Ok(Response::Text(self.open(index, base))),
            Request::CloseText { .. } => {
                self.channels[index].told = None;
                Ok(Response::Done)
            }
            Request::CreateSpace { .. } => Ok(Response::Space(super::SPACE)),
            _ => Ok(Response::Done),
        }
    }

    fn open(&mut self, index: usize, base: Option<Vec<u8>>) -> TextOpened {
        let now = self.disk.steps.len();
        let id = self.channels[index].id.unwrap();
        let written = self.disk.repeats.get(&id).map_or(0, |repeat| repeat.n);
        let base = base.filter(|_| !self.forgetful);
        let Some(base) = base.map(|base| count(&base)) else {
            self.channels[index].told = Some(now);
            let delta = dxos_base::text::difference("", &self.disk.text);
            return TextOpened {
                version: version(now),
                delta,
                on_base: false,
                written,
            };
        };
        // The client has not heard of its last write: it stands somewhere before it.
        let repeat = self
            .disk
            .repeats
            .get(&id)
            .filter(|r| (r.base..=r.before).contains(&base));
        let end = repeat.map_or(now, |repeat| repeat.before);
        self.channels[index].repeats = repeat.is_some();
        self.channels[index].told = Some(end);
        // Step by step: what was carried over each is not carried over all of them at once.
        self.later = (base..end).collect();
        TextOpened {
            version: version(base),
            delta: TextDelta::new(),
            on_base: true,
            written,
        }
    }

    fn write(&mut self, index: usize, n: u64, write: Write) {
        let id = self.channels[index].id.unwrap();
        let last = self.disk.written.get(&id).copied().unwrap_or(0);
        if n <= last && !self.disk.skipped.contains(&(id, n)) {
            let repeat = self
                .disk
                .repeats
                .get(&id)
                .filter(|repeat| repeat.n == n)
                .copied();
            let version = repeat.map(|repeat| version(repeat.after));
            self.push(
                index,
                NodeFrame::Written {
                    n,
                    result: Ok(version),
                },
            );
            if let Some(repeat) = repeat
                && std::mem::take(&mut self.channels[index].repeats)
            {
                self.channels[index].told = Some(repeat.after);
                self.tell_steps();
            }
            return;
        }
        if let Some(kind) = self.refuse.take() {
            let failure = Failure {
                kind,
                message: "no".into(),
                hint: String::new(),
            };
            self.push(
                index,
                NodeFrame::Written {
                    n,
                    result: Err(failure),
                },
            );
            return;
        }
        match write {
            Write::Objects { writes, .. } | Write::Marked { writes, .. } => {
                self.disk.store_number(id, n);
                self.disk.objects_applied.push(n);
                self.store_objects(&writes);
                self.push(
                    index,
                    NodeFrame::Written {
                        n,
                        result: Ok(None),
                    },
                );
                for index in 0..self.channels.len() {
                    self.rows_to(index);
                }
            }
            Write::Text { base, delta, .. } => {
                let base = count(&base);
                let before = self.disk.steps.len();
                let delta = self.disk.steps[base..]
                    .iter()
                    .fold(delta, |delta, earlier| transform(&delta, earlier, ARRIVING));
                self.tell_steps();
                self.step(delta);
                let after = self.disk.steps.len();
                self.disk.store_number(id, n);
                self.disk.repeats.insert(
                    id,
                    Repeat {
                        n,
                        base,
                        before,
                        after,
                    },
                );
                self.channels[index].told = Some(after);
                self.push(
                    index,
                    NodeFrame::Written {
                        n,
                        result: Ok(Some(version(after))),
                    },
                );
                self.tell_steps();
            }
        }
    }

    fn store_objects(&mut self, writes: &[ObjectWrite]) {
        for write in writes {
            apply_write(&mut self.disk.rows, &Query::default(), super::SPACE, write);
        }
    }

    fn rows_to(&mut self, index: usize) {
        let rows = self.disk.rows.clone();
        let events: Vec<Event> = self.channels[index]
            .subscriptions
            .iter_mut()
            .map(|(subscription, told)| {
                let old = std::mem::replace(told, rows.iter().map(Row::id).collect());
                Event::Query {
                    subscription: *subscription,
                    diff: QueryDiff::replacing(old, rows.clone()),
                }
            })
            .collect();
        if !events.is_empty() {
            self.push(index, NodeFrame::Batch { events });
        }
    }

    fn step(&mut self, delta: TextDelta) {
        self.disk.text = apply(&self.disk.text, &delta).unwrap();
        self.disk.steps.push(delta);
    }

    /// A change by a remote peer.
    pub(super) fn remote(&mut self, delta: TextDelta) {
        self.step(delta);
        self.tell_steps();
    }

    fn step_event(&self, at: usize) -> Event {
        Event::Text {
            text: super::address(),
            base: version(at),
            version: version(at + 1),
            delta: self.disk.steps[at].clone(),
        }
    }

    fn tell_steps(&mut self) {
        for channel in &mut self.channels {
            let Some(told) = &mut channel.told else {
                continue;
            };
            if channel.repeats {
                continue;
            }
            for at in *told..self.disk.steps.len() {
                let event = Event::Text {
                    text: super::address(),
                    base: version(at),
                    version: version(at + 1),
                    delta: self.disk.steps[at].clone(),
                };
                channel.to_client.push_back(NodeFrame::Batch {
                    events: vec![event],
                });
            }
            *told = self.disk.steps.len();
        }
    }
}
