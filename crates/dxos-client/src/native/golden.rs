//! A profile written by each version of the store, kept in `vectors/`: every later build opens it, shows the same,
//! and goes on writing.
//!
//! `vectors/profile-2/` is a whole profile (its keys open nothing else); `vectors/profile-2.txt` is what it shows. A new
//! version of the store adds a directory of its own and leaves this one as it is. Until the first release a changed
//! format may replace it: remove both, and run this test with `DXOS_BLESS=1`.

use std::fmt::Write as _;

use dxos_base::query::Deleted;
use dxos_base::{ObjectId, ObjectWrite, Query, TextChange, Value};

use super::tests::{config, run_local};
use super::*;
use crate::{TextAddress, TextSink, VerifyMode};

const FILES: [&str; 3] = ["key", "instance", "profile.db"];

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors")
}

fn typed(from: u32, insert: &str) -> Vec<TextChange> {
    vec![TextChange {
        from,
        delete: 0,
        insert: insert.into(),
    }]
}

/// An identity, its personal space and one more, with objects of all kinds of values and texts.
async fn write(profile: &Path) {
    let native = open(config(profile)).await.expect("a new profile opens");
    let client = native.client();
    client
        .create_identity("Ada", "laptop", "Linux")
        .await
        .expect("an identity is made");
    let space = client
        .create_space("Garden")
        .await
        .expect("a space is made");
    let values = [
        ("bool", Value::Bool(true)),
        ("bytes", Value::Bytes(vec![0, 1, 255])),
        ("float", Value::float(0.25)),
        ("int", Value::Int(-7)),
        ("list", Value::List(vec![Value::Int(1), Value::from("two")])),
        ("time", Value::Timestamp(1_700_000_000_000)),
        ("title", Value::from("Beet 😀")),
    ];
    for n in 1..=20u8 {
        let mut values: std::collections::BTreeMap<String, Value> = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        values.insert("n".into(), Value::Int(i64::from(n)));
        let create = ObjectWrite::Create {
            object: ObjectId([n; 16]),
            type_name: "org.example.Bed@0.1.0".into(),
            values,
        };
        client.write(space, vec![create]).await.expect("written");
    }
    let delete = ObjectWrite::delete(ObjectId([2; 16]));
    client.write(space, vec![delete]).await.expect("written");
    for (n, words) in [(1, "Sow in March.\n"), (3, "Grün, blue & 😀\n")] {
        let sink = TextSink::new(|_| {}, |_| {}, |_| {});
        let session = client
            .open_text(address(space, n), sink)
            .await
            .expect("the text opens");
        // Enough for a snapshot, a tail, and a last word in neither.
        for _ in 0..80 {
            session.edit(typed(0, words)).expect("typed");
            client.flush().await.expect("flushed");
        }
        session.edit(typed(0, "last ")).expect("typed");
        client.flush().await.expect("flushed");
    }
    native.close().await;
}

fn address(space: dxos_base::SpaceId, n: u8) -> TextAddress {
    TextAddress {
        space,
        object: ObjectId([n; 16]),
        property: "content".into(),
    }
}

/// What a profile shows, in words that do not depend on how views are made of.
async fn shown(client: &crate::Client) -> String {
    let mut out = String::new();
    let status = client
        .status_with(|status| status.identity.as_ref().map(|_| status.clone()))
        .await;
    let identity = status.identity.expect("waited for");
    let _ = writeln!(out, "{} {}", identity.name, identity.identity);
    for view in status.spaces {
        let _ = writeln!(out, "space {} {:?} {:?}", view.space, view.name, view.role);
        let query = Query::all().deleted(Deleted::Include);
        let mut objects = client.query(view.space, query).await.expect("answered");
        objects.sort_by_key(|object| object.object);
        for object in objects {
            let _ = writeln!(
                out,
                "{} {} shown={}",
                object.object, object.type_name, object.shown
            );
            for (name, value) in &object.values {
                let _ = writeln!(out, "  {name} = {value:?}");
            }
            if object.values.contains_key("content") {
                let sink = TextSink::new(|_| {}, |_| {}, |_| {});
                let text = address(view.space, object.object.0[0]);
                let session = client.open_text(text, sink).await.expect("the text opens");
                let content = session.content();
                let _ = writeln!(
                    out,
                    "  {} characters: {:?}",
                    content.len(),
                    content.chars().take(20).collect::<String>()
                );
            }
        }
    }
    out
}

#[test]
fn a_profile_of_store_version_2_opens_and_shows_the_same() {
    let golden = vectors().join("profile-2");
    let expected = vectors().join("profile-2.txt");
    if std::env::var_os("DXOS_BLESS").is_some() && !golden.exists() {
        let dir = tempfile::tempdir().unwrap();
        let profile = dir.path().join("p");
        run_local(async {
            write(&profile).await;
            let native = open(config(&profile)).await.unwrap();
            std::fs::write(&expected, shown(native.client()).await).unwrap();
            native.close().await;
        });
        std::fs::create_dir_all(&golden).unwrap();
        for file in FILES {
            std::fs::copy(profile.join(file), golden.join(file)).unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let profile = dir.path().join("p");
    std::fs::create_dir(&profile).unwrap();
    for file in FILES {
        std::fs::copy(golden.join(file), profile.join(file)).unwrap();
    }
    let expected = std::fs::read_to_string(&expected).unwrap();
    run_local(async {
        let native = open(config(&profile)).await.unwrap();
        let client = native.client();
        assert_eq!(shown(client).await, expected);
        let spaces = client
            .status_with(|status| Some(status.spaces.clone()))
            .await;
        for view in &spaces {
            let found = client.verify(view.space, VerifyMode::Check).await.unwrap();
            assert!(found.is_sound(), "{found:?}");
        }
        // A copy of a profile: it goes on in a feed of its own.
        let space = spaces.iter().find(|view| !view.personal).unwrap().space;
        let set = ObjectWrite::set(ObjectId([5; 16]), "title", "today");
        client.write(space, vec![set]).await.unwrap();
        let sink = TextSink::new(|_| {}, |_| {}, |_| {});
        let session = client.open_text(address(space, 1), sink).await.unwrap();
        session.edit(typed(0, "Today. ")).unwrap();
        client.flush().await.unwrap();
        assert!(session.content().starts_with("Today. last Sow"));
        drop(session);
        native.close().await;
        let native = open(config(&profile)).await.unwrap();
        let object = native.client().get(space, ObjectId([5; 16])).await.unwrap();
        assert_eq!(object.unwrap().values["title"], Value::from("today"));
        native.close().await;
    });
}
