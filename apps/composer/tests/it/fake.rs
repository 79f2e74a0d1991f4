//! A node played by a test: answers a client's frames from plain tables, without storage, network or text engine.
//!
//! Frames are exchanged when [`FakeNode::pump`] is called, never within the client's own call.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use dxos_base::*;
use dxos_client::*;

#[derive(Default)]
pub struct Tables {
    pub status: Option<StatusView>,
    pub objects: BTreeMap<(SpaceId, ObjectId), ObjectView>,
    pub texts: BTreeMap<TextAddress, (u8, String)>,
    pub subscriptions: BTreeMap<u64, (SpaceId, Query)>,
    told: BTreeMap<u64, Vec<RowId>>,
    pub requests: Vec<Request>,
    pub invitation: Option<InvitationView>,
    pub carets: Vec<CaretView>,
    /// Steps that can be undone: their marks, and the objects before them.
    steps: Vec<(SpaceId, UndoMark, Vec<(ObjectId, Option<ObjectView>)>)>,
    subscription_last: u64,
    inbox: VecDeque<Vec<u8>>,
    /// Milliseconds since the epoch, given to what is made.
    pub now_ms: u64,
}

#[derive(Clone)]
pub struct FakeNode {
    pub client: Client,
    pub tables: Rc<RefCell<Tables>>,
}

pub fn person(n: u8, name: &str, hue: u16, role: Role, online: bool) -> MemberView {
    let identity = IdentityKey([n; 32]);
    MemberView {
        identity,
        name: name.into(),
        role,
        hue,
        online,
        object: None,
    }
}

pub fn space(n: u8, name: &str, personal: bool, members: Vec<MemberView>) -> SpaceView {
    SpaceView {
        life: dxos_client::SpaceLife::Ready,
        space: SpaceId([n; 20]),
        name: name.into(),
        personal,
        role: Role::Owner,
        members,
        peers: Vec::new(),
        saved: SaveState::Saved,
        sync: SyncState::Alone,
        progress: dxos_client::SyncProgress::default(),
        waiting: Vec::new(),
        forks: Vec::new(),
    }
}

impl FakeNode {
    /// A node without an identity, connected.
    pub fn new(client: Client) -> Self {
        let status = StatusView {
            identity: None,
            spaces: Vec::new(),
            network: NetworkView::Online,
            warnings: Vec::new(),
        };
        let tables = Tables {
            status: Some(status),
            ..Tables::default()
        };
        let node = FakeNode {
            client,
            tables: Rc::new(RefCell::new(tables)),
        };
        let inbox = node.tables.clone();
        node.client.connect(Rc::new(move |frame| {
            inbox.borrow_mut().inbox.push_back(frame)
        }));
        node
    }

    /// Answers everything said so far, and what is said to the answers.
    pub fn pump(&self) {
        loop {
            let next = self.tables.borrow_mut().inbox.pop_front();
            let Some(bytes) = next else { return };
            let frame = decode_client(&bytes).expect("a client's frame is well-formed");
            let answers = self.answer(frame);
            for answer in answers {
                self.tell(&answer);
            }
        }
    }

    pub fn tell(&self, frame: &NodeFrame) {
        let bytes = dxos_base::encode(frame);
        self.client
            .receive(&bytes)
            .expect("a node's frame is well-formed");
    }

    pub fn event(&self, event: Event) {
        self.tell(&NodeFrame::Batch {
            events: vec![event],
        });
    }

    /// Changes the status and tells it.
    pub fn status(&self, change: impl FnOnce(&mut StatusView)) {
        let status = {
            let mut tables = self.tables.borrow_mut();
            let status = tables.status.as_mut().expect("a fake node has a status");
            change(status);
            status.clone()
        };
        self.event(Event::Status(status));
    }

    fn rows(&self, subscription: u64) -> Option<NodeFrame> {
        let mut tables = self.tables.borrow_mut();
        let (space, query) = tables.subscriptions.get(&subscription)?;
        let wanted = |view: &&ObjectView| dxos_base::query::matches(query, view) == Some(true);
        let of_space = tables.objects.iter().filter(|((at, _), _)| at == space);
        let row = |view: &ObjectView| Row {
            space: *space,
            object: view.clone(),
        };
        let rows: Vec<Row> = of_space
            .map(|(_, view)| view)
            .filter(wanted)
            .map(row)
            .collect();
        let now = rows.iter().map(Row::id).collect();
        let before = tables.told.insert(subscription, now).unwrap_or_default();
        let diff = QueryDiff::replacing(before, rows);
        Some(NodeFrame::Batch {
            events: vec![Event::Query { subscription, diff }],
        })
    }

    fn all_rows(&self) -> Vec<NodeFrame> {
        let ids: Vec<u64> = self.tables.borrow().subscriptions.keys().copied().collect();
        ids.into_iter().filter_map(|id| self.rows(id)).collect()
    }

    fn answer(&self, frame: ClientFrame) -> Vec<NodeFrame> {
        match frame {
            ClientFrame::Hello { .. } => {
                let status = self.tables.borrow().status.clone();
                let events = status.into_iter().map(Event::Status).collect();
                vec![
                    NodeFrame::Welcome {
                        version: PROTOCOL_VERSION,
                        written: 0,
                    },
                    NodeFrame::Batch { events },
                ]
            }
            ClientFrame::Call { call, request } => {
                self.tables.borrow_mut().requests.push(request.clone());
                let (response, mut after) = self.called(request);
                let mut frames = vec![NodeFrame::Reply {
                    call,
                    result: Ok(response),
                }];
                frames.append(&mut after);
                frames
            }
            ClientFrame::Write { n, write } => {
                let result = Ok(self.written(write));
                let mut frames = vec![NodeFrame::Written { n, result }];
                frames.extend(self.all_rows());
                frames
            }
            ClientFrame::Presence { .. } => Vec::new(),
        }
    }

    fn called(&self, request: Request) -> (Response, Vec<NodeFrame>) {
        match request {
            Request::CreateIdentity { name, .. } => {
                let mut tables = self.tables.borrow_mut();
                let status = tables.status.as_mut().expect("a fake node has a status");
                status.identity = Some(IdentityView {
                    identity: IdentityKey([1; 32]),
                    name: name.clone(),
                    device: DeviceKey([1; 32]),
                    hue: 255,
                });
                let me = person(1, &name, 255, Role::Owner, true);
                status.spaces = vec![space(1, "Personal", true, vec![me])];
                let events = vec![Event::Status(status.clone())];
                (Response::Done, vec![NodeFrame::Batch { events }])
            }
            Request::CreateSpace { name } => {
                let mut tables = self.tables.borrow_mut();
                let status = tables.status.as_mut().expect("a fake node has a status");
                let n = status.spaces.len() as u8 + 1;
                let me = person(1, "Ada", 255, Role::Owner, true);
                status.spaces.push(space(n, &name, false, vec![me]));
                let events = vec![Event::Status(status.clone())];
                (
                    Response::Space(SpaceId([n; 20])),
                    vec![NodeFrame::Batch { events }],
                )
            }
            Request::Subscribe { space, query } => {
                let id = {
                    let mut tables = self.tables.borrow_mut();
                    tables.subscription_last += 1;
                    let id = tables.subscription_last;
                    tables.subscriptions.insert(id, (space, query));
                    id
                };
                (
                    Response::Subscribed(id),
                    self.rows(id).into_iter().collect(),
                )
            }
            Request::Unsubscribe { subscription } => {
                self.tables.borrow_mut().subscriptions.remove(&subscription);
                (Response::Done, Vec::new())
            }
            Request::OpenText { text, .. } => {
                let (version, content) = {
                    let mut tables = self.tables.borrow_mut();
                    tables.texts.entry(text.clone()).or_default().clone()
                };
                let delta = vec![TextChange {
                    from: 0,
                    delete: 0,
                    insert: content,
                }];
                let opened = TextOpened {
                    version: vec![version],
                    delta,
                    on_base: false,
                    written: 0,
                };
                let carets = self.tables.borrow().carets.clone();
                let events = vec![Event::Carets { text, carets }];
                (Response::Text(opened), vec![NodeFrame::Batch { events }])
            }
            Request::Invite { .. } | Request::Join { .. } => {
                let view = self.tables.borrow().invitation.clone();
                (
                    Response::Invitation(view.expect("the test prepared an invitation")),
                    Vec::new(),
                )
            }
            Request::SetOffline { offline } => {
                let mut tables = self.tables.borrow_mut();
                let status = tables.status.as_mut().expect("a fake node has a status");
                status.network = if offline {
                    NetworkView::Off
                } else {
                    NetworkView::Online
                };
                let events = vec![Event::Status(status.clone())];
                (Response::Done, vec![NodeFrame::Batch { events }])
            }
            Request::Undo { space, redo, .. } => {
                let undone = (!redo).then(|| self.undo(space)).flatten();
                (Response::Undone(undone), self.all_rows())
            }
            Request::UndoLabels { space, .. } => {
                let tables = self.tables.borrow();
                let mut steps = tables.steps.iter().rev();
                let last = steps.find(|(of, ..)| *of == space);
                let undo = last.map(|(_, mark, _)| mark.label.clone());
                (Response::UndoLabels { undo, redo: None }, Vec::new())
            }
            _ => (Response::Done, Vec::new()),
        }
    }

    fn undo(&self, space: SpaceId) -> Option<UndoneView> {
        let mut tables = self.tables.borrow_mut();
        let last = tables.steps.iter().rposition(|(of, ..)| *of == space)?;
        let (_, mark, objects) = tables.steps.remove(last);
        for (object, before) in objects {
            match before {
                Some(view) => tables.objects.insert((space, object), view),
                None => tables.objects.remove(&(space, object)),
            };
        }
        Some(UndoneView {
            label: mark.label,
            skipped: 0,
        })
    }

    fn written(&self, write: Write) -> Option<Vec<u8>> {
        let mut tables = self.tables.borrow_mut();
        let now = tables.now_ms;
        if let Write::Marked {
            space,
            writes,
            mark,
        } = &write
        {
            let objects = writes.iter().map(ObjectWrite::object);
            let objects = objects
                .map(|object| (object, tables.objects.get(&(*space, object)).cloned()))
                .collect();
            tables.steps.push((*space, mark.clone(), objects));
        }
        match write {
            Write::Objects { space, writes } | Write::Marked { space, writes, .. } => {
                for write in writes {
                    match write {
                        ObjectWrite::Create {
                            object,
                            type_name,
                            values,
                        } => {
                            let view = ObjectView {
                                created_ms: now,
                                updated_ms: now,
                                ..ObjectView::created(object, &type_name, &values)
                            };
                            tables.objects.insert((space, object), view);
                        }
                        other => {
                            if let Some(view) = tables.objects.get_mut(&(space, other.object())) {
                                view.apply(&other);
                            }
                        }
                    }
                }
                None
            }
            Write::Text { text, delta, .. } => {
                let (version, content) = tables.texts.entry(text).or_default();
                if let Ok(next) = dxos_base::text::apply(content, &delta) {
                    *content = next;
                }
                *version = version.wrapping_add(1);
                Some(vec![*version])
            }
        }
    }
}
