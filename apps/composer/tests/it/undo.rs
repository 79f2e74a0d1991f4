//! Undo, redo and history on real nodes: what plugins do becomes steps, which are taken back in turn.

use std::cell::RefCell;
use std::rc::Rc;

use dxos_app::{App, Intent, LocalFuture, Open};
use dxos_base::history::{HistoryWindow, Point};
use dxos_client::testing::{Peer, World};
use dxos_client::{ObjectId, Space};
use dxos_plugin_history::{RedoStep, RestoreObject, UndoStep};
use dxos_plugin_markdown::{
    CreateDocument, DeleteDocument, RenameDocument, TagDocument, TypeTitle,
};
use dxos_surface::{object_path, space_path};

/// Composer of one of the peers.
struct Composer {
    app: App,
    space: Space,
    futures: Rc<RefCell<Vec<LocalFuture>>>,
}

impl Composer {
    fn of(world: &mut World, peer: &Peer, space: &Space) -> Composer {
        let futures: Rc<RefCell<Vec<LocalFuture>>> = Rc::default();
        let queue = futures.clone();
        let app = App::new(
            composer::plugins(peer.client()),
            Rc::new(move |future| queue.borrow_mut().push(future)),
        );
        app.start();
        let composer = Composer {
            app,
            space: space.clone(),
            futures,
        };
        composer.settle(world);
        composer
    }

    /// Lets all that is under way come to rest.
    fn settle(&self, world: &mut World) {
        for _ in 0..4 {
            for future in self.futures.take() {
                world.spawn(future);
            }
            world.settle();
            // Drawing asks the graph; asking starts live queries.
            let _ = self.app.to_text();
        }
    }

    fn send(&self, world: &mut World, intent: impl Intent) {
        self.app.send(intent);
        self.settle(world);
    }

    fn undo(&self, world: &mut World) {
        let space = self.space.id();
        self.send(world, UndoStep { space });
    }

    fn redo(&self, world: &mut World) {
        let space = self.space.id();
        self.send(world, RedoStep { space });
    }

    /// Names of documents, with their tags.
    fn documents(&self) -> Vec<String> {
        let path = space_path(self.space.id());
        let nodes = self.app.graph().children(&self.app, &path);
        let one = |node: &dxos_app::Node| {
            let tags = node.tags.iter().map(|tag| format!(" #{tag}"));
            format!("{}{}", node.label, tags.collect::<String>())
        };
        nodes.iter().map(one).collect()
    }

    fn the_document(&self) -> ObjectId {
        let path = space_path(self.space.id());
        let nodes = self.app.graph().children(&self.app, &path);
        let subject = nodes.first().and_then(|node| node.subject);
        subject
            .and_then(|subject| subject.object)
            .expect("there is one")
    }

    /// Actions on the space that begin with a word.
    fn offers(&self, word: &str) -> Vec<String> {
        let views = self.app.action_views(&space_path(self.space.id()));
        let labels = views.into_iter().map(|view| view.label);
        labels.filter(|label| label.starts_with(word)).collect()
    }

    fn toast(&self) -> String {
        let layout = self.app.layout();
        layout
            .toasts
            .last()
            .map(|t| t.title.clone())
            .unwrap_or_default()
    }

    fn press_undo(&self, world: &mut World) {
        let toasts = self.app.layout().toasts;
        let undo = toasts.iter().rev().find_map(|toast| toast.undo);
        self.app.undo(undo.expect("a message offers it"));
        self.settle(world);
    }
}

fn alone() -> (World, Composer) {
    let mut world = World::new(1);
    let [ada] = world.peers();
    let [space] = world.shared_space("River study", [&ada]);
    let composer = Composer::of(&mut world, &ada, &space);
    (world, composer)
}

fn note(world: &mut World, composer: &Composer, title: &str) -> ObjectId {
    let space = composer.space.id();
    let title = title.to_owned();
    composer.send(world, CreateDocument { space, title });
    composer.the_document()
}

#[test]
fn every_kind_of_change_is_undone_in_turn_and_done_again() {
    let (mut world, composer) = alone();
    let world = &mut world;
    let space = composer.space.id();
    assert_eq!(composer.offers("Undo"), [""; 0]);
    let object = note(world, &composer, "Notes");
    // Typed with two pauses, and left: one step.
    for title in ["Fi", "Field no"] {
        let title = title.to_owned();
        composer.send(
            world,
            TypeTitle {
                space,
                object,
                title,
            },
        );
    }
    composer.send(
        world,
        RenameDocument {
            space,
            object,
            title: "Field notes".into(),
            before: Some("Notes".into()),
        },
    );
    let tag = "river".to_owned();
    composer.send(world, TagDocument { space, object, tag });
    let label = "Field notes".to_owned();
    composer.send(
        world,
        DeleteDocument {
            space,
            object,
            label,
        },
    );
    assert_eq!(composer.documents(), [""; 0]);

    for (offered, documents) in [
        (
            "Undo deletion of “Field notes”",
            &["Field notes #river"][..],
        ),
        ("Undo tag “river”", &["Field notes"]),
        ("Undo rename to “Field notes”", &["Notes"]),
        ("Undo new document", &[]),
    ] {
        assert_eq!(composer.offers("Undo"), [offered]);
        composer.undo(world);
        assert_eq!(composer.documents(), documents, "after {offered}");
    }
    assert_eq!(composer.offers("Undo"), [""; 0]);
    composer.undo(world);
    assert_eq!(composer.toast(), "There is nothing to undo here");

    for documents in [
        &["Notes"][..],
        &["Field notes"],
        &["Field notes #river"],
        &[],
    ] {
        assert_eq!(composer.offers("Redo").len(), 1);
        composer.redo(world);
        assert_eq!(composer.documents(), documents);
    }
    assert_eq!(composer.offers("Redo"), [""; 0]);
    assert_eq!(composer.toast(), "Done again: deletion of “Field notes”");
}

#[test]
fn the_message_of_a_deletion_takes_that_deletion_back_whatever_was_done_since() {
    let (mut world, composer) = alone();
    let world = &mut world;
    let space = composer.space.id();
    let object = note(world, &composer, "First");
    let label = "First".to_owned();
    composer.send(
        world,
        DeleteDocument {
            space,
            object,
            label,
        },
    );
    let title = "Second".to_owned();
    composer.send(world, CreateDocument { space, title });
    composer.press_undo(world);
    assert_eq!(composer.documents(), ["First", "Second"]);
    assert_eq!(composer.offers("Undo"), ["Undo return of “First”"]);

    // The usual way: nothing came between, and no step of its own is left.
    let label = "First".to_owned();
    composer.send(
        world,
        DeleteDocument {
            space,
            object,
            label,
        },
    );
    composer.press_undo(world);
    assert_eq!(composer.documents(), ["First", "Second"]);
    assert_eq!(composer.offers("Redo"), ["Redo deletion of “First”"]);
    let open = composer.app.layout().attention;
    assert_eq!(open, Some(object_path(space, object)));
}

#[test]
fn what_another_person_named_since_stays() {
    let mut world = World::new(2);
    let [ada, bo] = world.peers();
    let [of_ada, of_bo] = world.shared_space("River study", [&ada, &bo]);
    let world = &mut world;
    let first = Composer::of(world, &ada, &of_ada);
    let space = of_ada.id();
    let object = note(world, &first, "Notes");
    let second = Composer::of(world, &bo, &of_bo);
    let rename = |title: &str| RenameDocument {
        space,
        object,
        title: title.into(),
        before: None,
    };
    first.send(world, rename("By Ada"));
    second.send(world, rename("By Bo"));
    first.settle(world);
    first.undo(world);
    assert_eq!(first.documents(), ["By Bo"]);
    assert_eq!(first.toast(), "Undone: rename to “By Ada”");
    let hint = first.app.layout().toasts.last().map(|t| t.hint.clone());
    assert_eq!(
        hint.as_deref(),
        Some("One part was changed by others since, and stays.")
    );
    // The other's steps are the other's.
    second.undo(world);
    assert_eq!(second.documents(), ["By Ada"]);
}

#[test]
fn restoring_is_a_step_that_its_message_takes_back() {
    let (mut world, composer) = alone();
    let world = &mut world;
    let space = composer.space.id();
    let object = note(world, &composer, "Notes");
    world.advance(10 * 60_000);
    composer.send(
        world,
        RenameDocument {
            space,
            object,
            title: "Field notes".into(),
            before: None,
        },
    );
    let window = HistoryWindow {
        before: None,
        limit: 10,
        pause_ms: 120_000,
    };
    let of = composer.space.clone();
    let page = world.run(async move { of.history(object, window).await.unwrap() });
    assert_eq!(page.total, 2);
    let point = Point::Through(page.edits[1].last);
    let restore = RestoreObject {
        space,
        object,
        point,
        label: "Field notes".into(),
        moment: "10:00".into(),
    };
    composer.send(world, restore);
    assert_eq!(composer.documents(), ["Notes"]);
    assert_eq!(composer.toast(), "Restored as it was 10:00");
    assert_eq!(composer.offers("Undo"), ["Undo restoring of “Field notes”"]);
    composer.press_undo(world);
    assert_eq!(composer.documents(), ["Field notes"]);
    assert_eq!(composer.offers("Redo"), ["Redo restoring of “Field notes”"]);
}

#[test]
fn the_history_stands_beside_the_document_with_attention() {
    let (mut world, composer) = alone();
    let world = &mut world;
    let space = composer.space.id();
    let object = note(world, &composer, "Notes");
    let path = object_path(space, object);
    composer.app.run_action(&path, "history/show");
    let shown = "companion \"history\" by history/companion";
    assert!(
        composer.app.to_text().contains(shown),
        "{}",
        composer.app.to_text()
    );
    // It follows the attention, and goes by the same key.
    let title = "Other".to_owned();
    composer.send(world, CreateDocument { space, title });
    let (_, subject) = composer.app.layout().companion().expect("it stays");
    assert_ne!(subject, path);
    composer.app.send(Open {
        subject: path.clone(),
        beside: true,
    });
    composer.app.run_action(&path, "history/show");
    assert_eq!(composer.app.layout().companion(), None);
}
