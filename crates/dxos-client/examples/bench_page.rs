//! What a page calls to measure the node in a browser's worker through the SDK; empty on other platforms.
//!
//! Build it for `wasm32-unknown-unknown`, make its glue with wasm-bindgen, and serve it beside the app, whose worker
//! it uses. The page takes the time around each call: nothing is measured in here.

#[cfg(target_arch = "wasm32")]
mod page {
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    use dxos_base::query::field;
    use dxos_base::{ObjectId, SpaceId, Value};
    use dxos_client::web::{self, Config};
    use dxos_client::{Client, Failure, ObjectWrite, Query, Subscription};
    use wasm_bindgen::prelude::*;

    const TYPE: &str = "org.example.Task@0.1.0";
    const WORDS: [&str; 16] = [
        "garden", "letter", "market", "silver", "window", "bridge", "summer", "planet", "kettle",
        "violin", "harbor", "copper", "meadow", "ticket", "pepper", "lantern",
    ];

    fn words(failure: Failure) -> JsValue {
        JsError::new(&format!("{} {}", failure.message, failure.hint)).into()
    }

    /// A client with the worker it started.
    #[wasm_bindgen]
    pub struct Bench {
        client: Client,
        made: RefCell<usize>,
        ids: RefCell<Vec<ObjectId>>,
        live: RefCell<Vec<Subscription>>,
        told: Rc<RefCell<Told>>,
    }

    /// What live queries told.
    #[derive(Default)]
    struct Told {
        count: usize,
        wake: Option<js_sys::Function>,
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
                made: RefCell::new(0),
                ids: RefCell::default(),
                live: RefCell::default(),
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
                let subscription = self.client.subscribe(space, query, move |_| {
                    let wake = {
                        let mut told = told.borrow_mut();
                        told.count += 1;
                        told.wake.take()
                    };
                    if let Some(wake) = wake {
                        // Resolves a promise: it runs nothing of ours.
                        let _ = wake.call0(&JsValue::NULL);
                    }
                });
                self.live.borrow_mut().push(subscription);
            }
            while self.told.borrow().count < count {
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

        /// Sets a property of the object made `n`th, in the client's cache: what follows it is told before this ends.
        pub fn write(&self, n: usize, value: bool) -> Result<(), JsValue> {
            let status = self.client.status();
            let space = status.and_then(|status| Some(status.spaces.first()?.space));
            let space = space.ok_or_else(|| JsError::new("no space yet"))?;
            let object = self.ids.borrow()[n];
            let write = ObjectWrite::set(object, "done", value);
            drop(self.client.write(space, vec![write]));
            Ok(())
        }

        /// The same, until it is acknowledged.
        pub async fn write_acked(&self, n: usize, value: bool) -> Result<(), JsValue> {
            let space = self.space().await;
            let object = self.ids.borrow()[n];
            let write = ObjectWrite::set(object, "done", value);
            self.client.write(space, vec![write]).await.map_err(words)
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
