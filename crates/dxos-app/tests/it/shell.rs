//! Layout, intents, graph and surfaces, asserted as text.

use std::rc::Rc;

use dxos_app::*;
use expect_test::{Expect, expect};

use crate::plugins::{app, plugin};

fn layout() -> Plugin {
    let module = Module::new("intents", STARTUP, |_| {
        Ok(layout_resolvers()
            .into_iter()
            .map(|r| Resolver::CAPABILITY.of(r))
            .collect())
    });
    plugin("core", &[], vec![module])
}

fn node(id: &str, label: &str) -> Node {
    Node {
        id: id.into(),
        kind: "note".into(),
        label: label.into(),
        opens: true,
        ..Graph::root()
    }
}

fn surface(id: &'static str, priority: i32, kind: &'static str) -> Contribution {
    SURFACES.of(Surface {
        id,
        role: role::ARTICLE,
        priority,
        matches: Rc::new(move |data| kind.is_empty() || data.kind == kind),
        component: Rc::new(()),
    })
}

#[derive(Debug, Clone)]
struct Remove;
impl Intent for Remove {
    const ID: &'static str = "test/remove";
    type Output = ();
}

/// Two spaces with notes, an action that can be undone, and two surfaces.
fn notes() -> Plugin {
    let module = Module::new("notes", STARTUP, |_| {
        let expand = |_: &App, parent: &Node| match parent.id.as_str() {
            ROOT => vec![node("root/a", "A"), node("root/b", "B")],
            "root/a" => vec![node("root/a/1", "One"), node("root/a/2", "Two")],
            _ => Vec::new(),
        };
        let connector = Connector {
            id: "notes",
            matches: Rc::new(|_| true),
            expand: Rc::new(expand),
        };
        let actions = |_: &App, node: &Node| {
            let depth = node.id.matches('/').count();
            let remove =
                Action::new("remove", "Remove", "trash", |app: &App| app.send(Remove)).danger();
            let rename = Action::new("rename", "Rename", "pencil", |_: &App| {});
            if depth == 2 {
                vec![remove, rename]
            } else {
                Vec::new()
            }
        };
        let remove = Resolver::new(|_, _: Remove| {
            let run = Box::new(|app: &App| {
                app.send(NewToast {
                    tone: Tone::Good,
                    title: "Back".into(),
                    hint: String::new(),
                });
            });
            let undo = Some(Undo {
                label: "Removed".into(),
                run,
            });
            Resolution::Now(Ok(Outcome { output: (), undo }))
        });
        Ok(vec![
            Connector::CAPABILITY.of(connector),
            ActionSource::CAPABILITY.of(ActionSource {
                id: "notes",
                actions: Rc::new(actions),
            }),
            Resolver::CAPABILITY.of(remove),
            surface("any", -1, ""),
            surface("note", 0, "note"),
        ])
    });
    plugin("notes", &[], vec![module])
}

fn started() -> App {
    let app = app(vec![layout(), notes()]);
    app.start();
    app
}

fn check(app: &App, want: &Expect) {
    want.assert_eq(&app.to_text());
}

fn open(app: &App, subject: &str, beside: bool) {
    app.send(Open {
        subject: subject.into(),
        beside,
    });
}

#[test]
fn planks_open_beside_or_instead_and_attention_follows() {
    let app = started();
    app.send(SwitchWorkspace {
        subject: "root/a".into(),
    });
    open(&app, "root/a/1", false);
    open(&app, "root/a/2", true);
    check(
        &app,
        &expect![[r#"
            shell
              space "A" ←
                One [Rename · Remove]
                Two [Rename · Remove]
              space "B"
              plank "One" by note
              plank "Two" by note (attention)
        "#]],
    );
    app.send(ClosePlank {
        subject: "root/a/2".into(),
    });
    assert_eq!(app.layout().attention.as_deref(), Some("root/a/1"));
    open(&app, "root/a/2", false);
    assert_eq!(app.layout().deck, ["root/a/2"]);
    app.send(SwitchWorkspace {
        subject: "root/b".into(),
    });
    assert_eq!(app.layout().deck, [""; 0]);
    for n in 0..20 {
        open(&app, &format!("root/a/{n}"), true);
    }
    assert_eq!(app.layout().deck.len(), 8, "the oldest go first");
}

#[test]
fn what_can_be_undone_says_so_and_is_undone_once() {
    let app = started();
    app.graph()
        .node(&app, "root/a/1")
        .expect("paths are expanded from the root");
    app.run_action("root/a/1", "remove");
    let undo = app.layout().toasts[0].undo.expect("a message offers it");
    app.undo(undo);
    app.undo(undo);
    let titles: Vec<String> = app
        .layout()
        .toasts
        .into_iter()
        .map(|toast| toast.title)
        .collect();
    assert_eq!(titles, ["Removed", "Back"]);
}

#[test]
fn without_its_plugin_an_intent_is_refused_in_words_and_its_planks_stay_harmless() {
    let app = started();
    open(&app, "root/a/1", false);
    app.disable("notes").unwrap();
    app.send(Remove);
    check(
        &app,
        &expect![[r#"
            shell
              plank "" by nothing (attention)
              toast Bad "nothing can carry out \"test/remove\" now"
        "#]],
    );
    app.enable("notes").unwrap();
    assert!(app.to_text().contains("plank \"One\" by note"));
}

#[test]
fn children_are_kept_until_they_are_invalidated() {
    let app = started();
    let calls = Rc::new(std::cell::Cell::new(0));
    let count = calls.clone();
    let observation = app.graph().observe(move |_| count.set(count.get() + 1));
    assert_eq!(app.graph().children(&app, "root/a").len(), 2);
    assert_eq!(app.graph().children(&app, "root/a").len(), 2);
    assert_eq!(calls.get(), 0, "reading tells nobody");
    app.graph().invalidate("root/a");
    assert_eq!(calls.get(), 1);
    assert_eq!(app.graph().children(&app, "root/nowhere").len(), 0);
    drop(observation);
}
