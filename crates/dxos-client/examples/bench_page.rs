//! What a page calls to measure the node in a browser's worker through the SDK; empty on other platforms.
//!
//! Build it for `wasm32-unknown-unknown`, make its glue with wasm-bindgen, and serve it beside the app, whose worker
//! it uses. The page takes the time around each call: nothing is measured in here.

#[cfg(target_arch = "wasm32")]
mod page {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use dxos_base::query::field;
    use dxos_base::{ObjectId, SpaceId, Value};
    use dxos_client::web::{self, Config};
    use dxos_client::{
        Client, Failure, InvitationState, InvitationView, ObjectWrite, Query, Role, Subscription,
        TextAddress, TextChange, TextSession, TextSink,
    };
    use wasm_bindgen::prelude::*;

    const TYPE: &str = "org.example.Task@0.1.0";
    const DOCUMENT: &str = "org.example.Document@0.1.0";
    const SENTENCE: &str = "All that is typed is kept. ";
    const WORDS: [&str; 16] = [
        "garden", "letter", "market", "silver", "window", "bridge", "summer", "planet", "kettle",
        "violin", "harbor", "copper", "meadow", "ticket", "pepper", "lantern",
    ];

    /// Rows of the list on screen.
    const ROWS: u32 = 50;

    /// Resolves a promise that waits: it runs nothing of ours.
    fn call(wake: Option<js_sys::Function>) {
        if let Some(wake) = wake {
            let _ = wake.call0(&JsValue::NULL);
        }
    }

    fn words(failure: Failure) -> JsValue {
        JsError::new(&format!("{} {}", failure.message, failure.hint)).into()
    }

    /// A client with the worker it started.
    #[wasm_bindgen]
    pub struct Bench {
        client: Client,
        /// The space worked in; `None`: the first.
        space: Cell<Option<SpaceId>>,
        made: RefCell<usize>,
        ids: RefCell<Vec<ObjectId>>,
        live: RefCell<Vec<Subscription>>,
        text: RefCell<Vec<TextSession>>,
        told: Rc<RefCell<Told>>,
    }

    /// What live queries told.
    #[derive(Default)]
    struct Told {
        count: usize,
        /// The title in the middle of the list on screen.
        title: String,
        wake: Option<js_sys::Function>,
    }

    impl Told {
        /// Counts, and gives whom to wake.
        fn more(&mut self) -> Option<js_sys::Function> {
            self.count += 1;
            self.wake.take()
        }
    }

    #[wasm_bindgen]
    impl Bench {
        /// Starts the worker on a profile of this origin.
        pub fn start(profile: String) -> Bench {
            console_error_panic_hook::set_once();
            let config = Config {
                profile,
                on_phase: Rc::new(|_| {}),
                ..Config::new(|_| {})
            };
            Bench {
                client: web::start(config),
                space: Cell::new(None),
                made: RefCell::new(0),
                ids: RefCell::default(),
                live: RefCell::default(),
                text: RefCell::default(),
                told: Rc::default(),
            }
        }

        /// Makes the identity if there is none; waits for the personal space.
        pub async fn ready(&self) -> Result<(), JsValue> {
            let known = self
                .client
                .status_with(|status| Some(status.identity.is_some()))
                .await;
            if !known {
                let made = self.client.create_identity("Bench", "Bench", "Bench").await;
                made.map_err(words)?;
            }
            self.space().await;
            Ok(())
        }

        async fn space(&self) -> SpaceId {
            if let Some(space) = self.space.get() {
                return space;
            }
            self.client
                .status_with(|status| status.spaces.first().map(|space| space.space))
                .await
        }

        /// Makes `count` small objects, `batch` in a write, each acknowledged before the next; ends when all of it
        /// is sealed and on disk.
        pub async fn create(&self, count: usize, batch: usize) -> Result<(), JsValue> {
            let space = self.space().await;
            let first = self.made.replace_with(|made| *made + count);
            let numbers: Vec<usize> = (first..first + count).collect();
            for numbers in numbers.chunks(batch) {
                let writes = numbers.iter().map(|n| self.task(*n)).collect();
                self.client.write(space, writes).await.map_err(words)?;
            }
            self.client.flush().await.map_err(words)
        }

        /// The objects of the native benchmark: title, done, assignee, created and tags.
        fn task(&self, n: usize) -> ObjectWrite {
            let word = |shift: usize| WORDS[(n.wrapping_mul(2_654_435_761) >> shift) % WORDS.len()];
            let title = format!("{} {} {} {n}", word(3), word(9), word(15));
            let tags = format!("{},{}", WORDS[n % 16], WORDS[n / 16 % 16]);
            let values = [
                ("title", Value::String(title)),
                ("done", Value::Bool(n % 3 == 0)),
                ("assignee", Value::String(format!("person {}", n % 40))),
                (
                    "created",
                    Value::Timestamp(1_764_000_000_000 + n as i64 * 997),
                ),
                ("tags", Value::String(tags)),
            ];
            let object = self.client.new_object_id();
            self.ids.borrow_mut().push(object);
            ObjectWrite::Create {
                object,
                type_name: TYPE.into(),
                values: values
                    .map(|(name, value)| (name.to_owned(), value))
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
            }
        }

        /// Follows `count` lists, each of one assignee's tasks; resolves when all have told their rows.
        pub async fn follow(&self, count: usize) -> Result<(), JsValue> {
            let space = self.space().await;
            for n in 0..count {
                let query = Query::of_type("org.example.Task")
                    .filter(field("assignee").eq(format!("person {n}")))
                    .order_by_descending("created")
                    .limit(50);
                let told = self.told.clone();
                let subscription = self.client.subscribe_rows(space, query, move |_| {
                    let wake = told.borrow_mut().more();
                    call(wake);
                });
                self.live.borrow_mut().push(subscription);
            }
            while self.told.borrow().count < count {
                self.next_told().await?;
            }
            Ok(())
        }

        /// Shows the newest fifty; the one in the middle is what [`Bench::write_shown`] writes.
        pub async fn show_newest(&self) -> Result<(), JsValue> {
            let space = self.space().await;
            let query = Query::of_type("org.example.Task")
                .order_by_descending("created")
                .limit(ROWS);
            let told = self.told.clone();
            let subscription = self.client.subscribe_rows(space, query, move |found| {
                let wake = {
                    let mut told = told.borrow_mut();
                    let row = found.rows.get(ROWS as usize / 2);
                    if let Some(Value::String(title)) =
                        row.and_then(|row| row.object.values.get("title"))
                    {
                        told.title.clone_from(title);
                    }
                    told.more()
                };
                call(wake);
            });
            self.live.borrow_mut().push(subscription);
            while self.told.borrow().title.is_empty() {
                self.next_told().await?;
            }
            Ok(())
        }

        /// Waits until a live query tells something.
        async fn next_told(&self) -> Result<(), JsValue> {
            let told = self.told.clone();
            let promise = js_sys::Promise::new(&mut |resolve, _| {
                told.borrow_mut().wake = Some(resolve);
            });
            wasm_bindgen_futures::JsFuture::from(promise)
                .await
                .map(drop)
        }

        /// Gives the shown object a title, in the client's cache: the list shows it before this ends.
        pub fn write_shown(&self, n: usize) -> Result<(), JsValue> {
            let status = self.client.status();
            let space = status.and_then(|status| Some(status.spaces.first()?.space));
            let space = space.ok_or_else(|| JsError::new("no space yet"))?;
            let ids = self.ids.borrow();
            let object = ids[ids.len() - 1 - ROWS as usize / 2];
            let title = format!("changed {n}");
            let write = ObjectWrite::set(object, "title", title.clone());
            drop(self.client.write(space, vec![write]));
            match self.told.borrow().title == title {
                true => Ok(()),
                false => Err(JsError::new("the list does not show the write").into()),
            }
        }

        /// Sets a property of the object made `n`th; ends when it is acknowledged.
        pub async fn write_acked(&self, n: usize, value: bool) -> Result<(), JsValue> {
            let space = self.space().await;
            let object = self.ids.borrow()[n];
            let write = ObjectWrite::set(object, "done", value);
            self.client.write(space, vec![write]).await.map_err(words)
        }

        /// Makes a document with a text of about so many bytes; ends when it is on disk.
        pub async fn write_document(&self, bytes: usize) -> Result<(), JsValue> {
            let space = self.space().await;
            let create = ObjectWrite::Create {
                object: self.client.new_object_id(),
                type_name: DOCUMENT.into(),
                values: BTreeMap::new(),
            };
            let made = self.client.write(space, vec![create]).await;
            made.map_err(words)?;
            let text = self.open_document().await?;
            let insert = SENTENCE.repeat(bytes / SENTENCE.len());
            let change = TextChange {
                from: 0,
                delete: 0,
                insert,
            };
            let edited = text.edit(vec![change]);
            edited.map_err(|error| JsError::new(&error.to_string()))?;
            self.flush().await
        }

        /// Opens the document and keeps it open; gives the length of its text.
        pub async fn show_document(&self) -> Result<usize, JsValue> {
            let text = self.open_document().await?;
            let length = text.content().len();
            self.text.borrow_mut().push(text);
            Ok(length)
        }

        async fn open_document(&self) -> Result<TextSession, JsValue> {
            let space = self.space().await;
            let query = Query::of_type("org.example.Document");
            let found = self.client.query_ids(space, query).await.map_err(words)?;
            let object = *found.first().ok_or_else(|| JsError::new("no document"))?;
            let address = TextAddress {
                space,
                object,
                property: "content".into(),
            };
            let sink = TextSink::new(|_| {}, |_| {}, |_| {});
            self.client.open_text(address, sink).await.map_err(words)
        }

        /// Makes a space to work in from now on, and invites somebody into it: gives the code.
        pub async fn share(&self) -> Result<String, JsValue> {
            const TTL_MS: u64 = 600_000;
            let space = self.client.create_space("Shared").await.map_err(words)?;
            self.space.set(Some(space));
            let invited = self.client.invite(space, Role::Editor, TTL_MS).await;
            Ok(invited.map_err(words)?.code)
        }

        /// The digits for the guest, once the invitation of this side has them.
        pub fn digits(&self) -> Option<String> {
            let codes = self.client.invitations().into_iter();
            let mut codes = codes.map(|view| view.auth_code);
            codes.find(|code| !code.is_empty())
        }

        /// Joins by a code, up to where the digits are asked for.
        pub async fn join(&self, code: String) -> Result<(), JsValue> {
            let view = self.client.join(&code).await.map_err(words)?;
            self.reached(&view, InvitationState::ReadyForAuthentication)
                .await
        }

        /// Gives the digits and waits for the space with its newest object, the `count`th; then asks how many there are.
        pub async fn receive(&self, digits: String, count: usize) -> Result<usize, JsValue> {
            let view = self.client.invitations().pop();
            let view = view.ok_or_else(|| JsError::new("nothing was joined"))?;
            let given = self.client.authenticate(view.invitation, &digits).await;
            given.map_err(words)?;
            self.reached(&view, InvitationState::Success).await?;
            let joined = self.client.invitation(view.invitation);
            let space = joined.and_then(|view| view.space);
            let space = space.ok_or_else(|| JsError::new("joined no space"))?;
            self.space.set(Some(space));
            let newest = Query::of_type("org.example.Task")
                .order_by_descending("created")
                .limit(1);
            let (last, told) = (Rc::new(Cell::new(false)), self.told.clone());
            let ending = format!(" {}", count - 1);
            let found = last.clone();
            let subscription = self.client.subscribe_rows(space, newest, move |rows| {
                let title = rows
                    .rows
                    .first()
                    .and_then(|row| row.object.values.get("title"));
                found.set(matches!(title, Some(Value::String(title)) if title.ends_with(&ending)));
                let wake = told.borrow_mut().more();
                call(wake);
            });
            while !last.get() {
                self.next_told().await?;
            }
            drop(subscription);
            let all = Query::of_type("org.example.Task");
            let ids = self.client.query_ids(space, all).await.map_err(words)?;
            Ok(ids.len())
        }

        /// Waits until an invitation is at a step.
        async fn reached(
            &self,
            view: &InvitationView,
            state: InvitationState,
        ) -> Result<(), JsValue> {
            let (id, told) = (view.invitation, self.told.clone());
            let listener = self.client.on_invitation(move |_| {
                let wake = told.borrow_mut().more();
                call(wake);
            });
            loop {
                let now = self.client.invitation(id).map(|view| view.state);
                match now {
                    Some(now) if now == state => break,
                    Some(InvitationState::Error | InvitationState::Cancelled) => {
                        return Err(JsError::new("the invitation failed").into());
                    }
                    _ => self.next_told().await?,
                }
            }
            drop(listener);
            Ok(())
        }

        /// Waits until all is sealed and on disk.
        pub async fn flush(&self) -> Result<(), JsValue> {
            self.client.flush().await.map_err(words)
        }

        /// The best twenty for words; gives the number of rows.
        pub async fn search(&self, text: String) -> Result<usize, JsValue> {
            let space = self.space().await;
            let query = Query::search(text).limit(20);
            let rows = self.client.query(space, query).await.map_err(words)?;
            Ok(rows.len())
        }

        /// The first page of the newest open tasks; gives the number of rows.
        pub async fn page(&self) -> Result<usize, JsValue> {
            let space = self.space().await;
            let query = Query::of_type("org.example.Task")
                .filter(field("done").eq(false))
                .order_by_descending("created")
                .limit(50);
            let rows = self.client.query(space, query).await.map_err(words)?;
            Ok(rows.len())
        }
    }
}
