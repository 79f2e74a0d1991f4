//! The shell as text: first run, documents, a plugin switched off at run time.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use dxos_app::{App, CloseDialog, LocalFuture, Open, OpenDialog, PluginError, SurfaceData, role};
use dxos_client::{Client, NetworkView, random_client_id};
use expect_test::{Expect, expect};

use crate::fake::FakeNode;

/// An app, its fake node and what it has under way.
struct World {
    app: App,
    node: FakeNode,
    futures: Rc<RefCell<Vec<LocalFuture>>>,
}

impl World {
    fn new() -> Self {
        let client = Client::new(random_client_id());
        let node = FakeNode::new(client.clone());
        let futures: Rc<RefCell<Vec<LocalFuture>>> = Rc::default();
        let queue = futures.clone();
        let app = App::new(
            composer::plugins(client),
            Rc::new(move |future| queue.borrow_mut().push(future)),
        );
        app.start();
        let world = World { app, node, futures };
        world.settle();
        world
    }

    fn with_person(name: &str) -> Self {
        let world = World::new();
        let client = world.node.client.clone();
        let name = name.to_owned();
        world.app.spawn(async move {
            client
                .create_identity(&name, "Laptop", "test")
                .await
                .expect("a fake node makes identities");
        });
        world.settle();
        world
    }

    /// Runs futures and frames until nothing moves.
    fn settle(&self) {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..20 {
            self.node.pump();
            let running = self.futures.take();
            let waiting: Vec<_> = running
                .into_iter()
                .filter_map(|mut future| match future.as_mut().poll(&mut context) {
                    Poll::Ready(()) => None,
                    Poll::Pending => Some(future),
                })
                .collect();
            self.futures.borrow_mut().extend(waiting);
            // Drawing asks the graph; asking starts live queries.
            let _ = self.app.to_text();
        }
        assert!(self.futures.borrow().is_empty(), "something waits for ever");
    }

    /// Does an action of the first node with this label.
    fn act(&self, label: &str) {
        let graph = self.app.graph();
        let mut nodes = vec![dxos_app::ROOT.to_owned()];
        while let Some(id) = nodes.pop() {
            let actions = graph.actions(&self.app, &id);
            if let Some(action) = actions.iter().find(|action| action.view.label == label) {
                (action.run)(&self.app);
                self.settle();
                return;
            }
            nodes.extend(
                graph
                    .children(&self.app, &id)
                    .into_iter()
                    .map(|node| node.id),
            );
        }
        panic!("nothing is called {label:?} in\n{}", self.app.to_text());
    }

    fn check(&self, want: &Expect) {
        want.assert_eq(&self.app.to_text());
    }

    fn rename(&self, title: &str) {
        let path = self
            .app
            .layout()
            .attention
            .expect("a document has attention");
        let (space, object) = dxos_surface::parse_path(&path).expect("it has an address");
        let object = object.expect("it is an object");
        self.app.send(dxos_plugin_markdown::RenameDocument {
            space,
            object,
            title: title.into(),
            before: None,
        });
        self.settle();
    }
}

#[test]
fn a_first_run_ends_in_a_personal_space() {
    let world = World::new();
    let failed: Vec<_> = world
        .app
        .plugins()
        .into_iter()
        .flat_map(|p| p.failed)
        .collect();
    assert_eq!(failed, [], "every module of every plugin starts");
    assert!(
        world
            .app
            .surface(role::GATE, &SurfaceData::default())
            .is_some()
    );
    world.check(&expect![[r#"
        shell [Search or jump · Show or hide sidebar · Plugins · Theme: light · Theme: dark]
    "#]]);

    let world = World::with_person("Ada");
    world.check(&expect![[r#"
        shell [Go offline · Show identity · Search or jump · Show or hide sidebar · Plugins · New space · Join a space · Theme: light · Theme: dark]
          space "Personal" [New document · Share space]
    "#]]);
}

#[test]
fn documents_are_made_named_deleted_and_brought_back() {
    let world = World::with_person("Ada");
    world.act("New document");
    world.rename("Field notes");
    world.check(&expect![[r#"
        shell [Go offline · Show identity · Search or jump · Show or hide sidebar · Plugins · New space · Join a space · Theme: light · Theme: dark]
          space "Personal" [New document · Share space · Undo rename to “Field notes”]
            Field notes [Share · History · Delete document]
          plank "Field notes" by markdown/article (attention)
    "#]]);

    world.act("Delete document");
    world.check(&expect![[r#"
        shell [Go offline · Show identity · Search or jump · Show or hide sidebar · Plugins · New space · Join a space · Theme: light · Theme: dark]
          space "Personal" [New document · Share space · Undo deletion of “Field notes”]
          toast Info "“Field notes” deleted" [undo]
    "#]]);
    let undo = world.app.layout().toasts[0].undo.expect("it can be undone");
    world.app.undo(undo);
    world.settle();
    assert!(
        world.app.to_text().contains("plank \"Field notes\""),
        "{}",
        world.app.to_text()
    );
}

#[test]
fn a_tag_is_put_on_a_document_and_taken_off() {
    let world = World::with_person("Ada");
    world.act("New document");
    world.rename("Field notes");
    let path = world.app.layout().attention.expect("it has attention");
    let (space, object) = dxos_surface::parse_path(&path).expect("it has an address");
    let object = object.expect("it is an object");
    // Of the node in the tree: what the palette finds it by.
    let tags = || {
        let documents = world
            .app
            .graph()
            .children(&world.app, &dxos_surface::space_path(space));
        assert_eq!(documents.len(), 1);
        documents[0].tags.clone()
    };
    for tag in ["river", "moss", "river"] {
        let tag = tag.to_owned();
        world
            .app
            .send(dxos_plugin_markdown::TagDocument { space, object, tag });
        world.settle();
    }
    assert_eq!(tags(), ["moss", "river"]);
    let tag = "moss".to_owned();
    world
        .app
        .send(dxos_plugin_markdown::UntagDocument { space, object, tag });
    world.settle();
    assert_eq!(tags(), ["river"]);
}

#[test]
fn without_the_markdown_plugin_the_shell_runs_on() {
    let world = World::with_person("Ada");
    world.act("New document");
    world.rename("Field notes");

    let queries = || world.node.tables.borrow().subscriptions.len();
    let before = queries();
    world.app.disable(dxos_plugin_markdown::ID).unwrap();
    world.settle();
    world.check(&expect![[r#"
        shell [Go offline · Show identity · Search or jump · Show or hide sidebar · Plugins · New space · Join a space · Theme: light · Theme: dark]
          space "Personal" [Share space · Undo rename to “Field notes”]
          plank "" by nothing (attention)
    "#]]);
    assert_eq!(queries(), before - 1, "its live query ended");

    // The shell still works: another space, a dialog.
    world.app.send(dxos_plugin_space::CreateSpace {
        name: "River study".into(),
    });
    world.settle();
    world.app.send(OpenDialog {
        name: dxos_surface::DIALOG_PLUGINS.into(),
        subject: String::new(),
    });
    world.check(&expect![[r#"
        shell [Go offline · Show identity · Search or jump · Show or hide sidebar · Plugins · New space · Join a space · Theme: light · Theme: dark]
          space "Personal" [Share space · Undo rename to “Field notes”]
          space "River study" [Share space · Remove from this device · Delete for everyone] ←
          dialog "layout/plugins" by layout/plugins
    "#]]);
    world.app.send(CloseDialog {});

    // An intent of the missing plugin is refused in words, and nothing breaks.
    let space = dxos_base::SpaceId([1; 20]);
    world.app.send(dxos_plugin_markdown::CreateDocument {
        space,
        title: String::new(),
    });
    assert!(
        world.app.to_text().contains("toast Bad"),
        "{}",
        world.app.to_text()
    );

    world.app.enable(dxos_plugin_markdown::ID).unwrap();
    world.settle();
    let text = world.app.to_text();
    assert!(
        text.contains("Field notes [Share · History · Delete document]"),
        "documents are back:\n{text}"
    );
}

#[test]
fn sharing_a_space_opens_its_dialog() {
    let world = World::with_person("Ada");
    world.app.send(dxos_plugin_space::CreateSpace {
        name: "River study".into(),
    });
    world.settle();
    world.act("Share space");
    world.check(&expect![[r#"
        shell [Go offline · Show identity · Search or jump · Show or hide sidebar · Plugins · New space · Join a space · Theme: light · Theme: dark]
          space "Personal" [New document · Share space]
          space "River study" [New document · Share space · Remove from this device · Delete for everyone] ←
          dialog "space/share" by space/share
    "#]]);
}

#[test]
fn offline_is_a_switch_that_says_what_it_will_do() {
    let world = World::with_person("Ada");
    world.act("Go offline");
    assert_eq!(
        world.node.client.status().unwrap().network,
        NetworkView::Off
    );
    world.act("Go online");
    assert_eq!(
        world.node.client.status().unwrap().network,
        NetworkView::Online
    );
}

#[test]
fn the_parts_of_the_shell_cannot_be_switched_off() {
    let world = World::with_person("Ada");
    for plugin in world.app.plugins() {
        let result = world.app.disable(plugin.meta.id);
        let core = matches!(result, Err(PluginError::Core { .. }));
        assert_eq!(core, plugin.meta.core, "{}", plugin.meta.id);
    }
}

#[test]
fn a_readers_documents_offer_no_changes() {
    let world = World::with_person("Ada");
    world.act("New document");
    world
        .node
        .status(|status| status.spaces[0].role = dxos_client::Role::Reader);
    world.settle();
    let text = world.app.to_text();
    assert!(
        !text.contains("New document") && !text.contains("Delete document"),
        "{text}"
    );
    world.app.send(Open {
        subject: "root/nowhere".into(),
        beside: true,
    });
    assert!(world.app.to_text().contains("plank \"\" by nothing"));
}
