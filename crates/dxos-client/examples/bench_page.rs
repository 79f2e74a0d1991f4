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
    use dxos_base::{SpaceId, Value};
    use dxos_client::web::{self, Config};
    use dxos_client::{Client, Failure, ObjectWrite, Query};
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
            ObjectWrite::Create {
                object: self.client.new_object_id(),
                type_name: TYPE.into(),
                values: values
                    .map(|(name, value)| (name.to_owned(), value))
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
            }
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
