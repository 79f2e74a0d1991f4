//! The native host over a real node, store and text engine.

use std::cell::RefCell;
use std::rc::Rc;

use dxos_base::{ObjectWrite, TextChange};
use tokio::task::LocalSet;

use super::*;
use crate::{Connection, NetworkView, TextAddress, TextSink};

pub(super) fn config(profile: &Path) -> Config {
    Config {
        profile: profile.to_owned(),
        signal_url: "ws://127.0.0.1:9/signal".into(),
    }
}

pub(super) fn run_local<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, future)
}

fn sink(document: &Rc<RefCell<String>>) -> TextSink {
    let document = document.clone();
    let apply = move |delta: &Vec<TextChange>| {
        let after = dxos_base::text::apply(&document.borrow(), delta).unwrap();
        *document.borrow_mut() = after;
    };
    TextSink::new(apply, |_| {}, |_| {})
}

#[test]
fn a_profile_keeps_what_was_written_and_serves_a_second_process() {
    let dir = tempfile::tempdir().unwrap();
    let profile = dir.path().join("p");
    let address = run_local(async {
        let native = open(config(&profile)).await.unwrap();
        assert!(native.holds_profile());
        let client = native.client();
        client
            .create_identity("Ada", "test", "Linux")
            .await
            .unwrap();
        let space = client
            .status_with(|status| Some(status.spaces.first()?.space))
            .await;
        let object = client.new_object_id();
        let values = [("title".to_owned(), "Notes".into())].into();
        let create = ObjectWrite::Create {
            object,
            type_name: "t@0.1.0".into(),
            values,
        };
        client.write(space, vec![create]).await.unwrap();
        let address = TextAddress {
            space,
            object,
            property: "content".into(),
        };
        let document = Rc::new(RefCell::new(String::new()));
        let session = client
            .open_text(address.clone(), sink(&document))
            .await
            .unwrap();
        let insert = |text: &str| {
            vec![TextChange {
                from: 0,
                delete: 0,
                insert: text.into(),
            }]
        };
        session.edit(insert("world")).unwrap();

        // The same user, another process: here the lock is held, so this one goes over the socket.
        let second = open(config(&profile)).await.unwrap();
        assert!(!second.holds_profile());
        let other = Rc::new(RefCell::new(String::new()));
        let their = second
            .client()
            .open_text(address.clone(), sink(&other))
            .await
            .unwrap();
        their.edit(insert("hello ")).unwrap();
        second.client().flush().await.unwrap();
        client.flush().await.unwrap();
        assert_eq!(session.content(), their.content());
        assert!(session.content().contains("hello ") && session.content().contains("world"));
        drop((session, their));
        second.close().await;
        native.close().await;
        address
    });
    run_local(async {
        let native = open(config(&profile)).await.unwrap();
        let client = native.client();
        let document = Rc::new(RefCell::new(String::new()));
        let session = client.open_text(address, sink(&document)).await.unwrap();
        assert_eq!(session.content(), "hello world");
        assert_eq!(client.connection(), Connection::Live);
        let network = client
            .status_with(|status| status.identity.as_ref().map(|_| status.network))
            .await;
        assert_ne!(network, NetworkView::Online);
        drop(session);
        native.close().await;
    });
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(profile.join("key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_second_process_takes_over_when_the_holder_ends() {
    let dir = tempfile::tempdir().unwrap();
    run_local(async {
        let holder = open(config(dir.path())).await.unwrap();
        holder
            .client()
            .create_identity("Ada", "test", "Linux")
            .await
            .unwrap();
        let second = open(config(dir.path())).await.unwrap();
        let client = second.client().clone();
        let space = client
            .status_with(|status| Some(status.spaces.first()?.space))
            .await;
        holder.close().await;
        let object = client.new_object_id();
        let create = ObjectWrite::Create {
            object,
            type_name: "t@0.1.0".into(),
            values: [].into(),
        };
        client.write(space, vec![create]).await.unwrap();
        assert!(second.holds_profile());
        assert!(client.get(space, object).await.unwrap().is_some());
        second.close().await;
    });
}

#[test]
fn a_copied_profile_has_another_instance_marker() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    std::fs::create_dir_all(&one).unwrap();
    std::fs::create_dir_all(&two).unwrap();
    let first = profile::open_keys(&one).unwrap();
    assert_eq!(profile::open_keys(&one).unwrap().marker, first.marker);
    for file in ["key", "instance"] {
        std::fs::copy(one.join(file), two.join(file)).unwrap();
    }
    let copied = profile::open_keys(&two).unwrap();
    assert_eq!(copied.key, first.key);
    assert_ne!(copied.marker, first.marker);
}

#[test]
fn a_damaged_or_missing_key_is_an_error_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), b"short").unwrap();
    assert!(matches!(
        profile::open_keys(dir.path()),
        Err(OpenError::Key { .. })
    ));
    std::fs::remove_file(dir.path().join("key")).unwrap();
    std::fs::write(dir.path().join("profile.db"), b"").unwrap();
    assert!(matches!(
        profile::open_keys(dir.path()),
        Err(OpenError::File { .. })
    ));
    assert!(!dir.path().join("key").exists());
}
