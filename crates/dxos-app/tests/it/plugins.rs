//! Plugins come, go, fail and depend on each other.

use std::cell::Cell;
use std::rc::Rc;

use dxos_app::*;

const WORDS: Capability<String> = Capability::new("test/words");
const LATER: ActivationEvent = ActivationEvent("test/later");
const MISSING: Capability<u8> = Capability::new("test/missing");

pub fn app(plugins: Vec<Plugin>) -> App {
    App::new(plugins, Rc::new(|_| panic!("these tests wait for nothing")))
}

pub fn plugin(
    id: &'static str,
    depends_on: &'static [&'static str],
    modules: Vec<Module>,
) -> Plugin {
    let meta = PluginMeta {
        id,
        name: id,
        description: "",
        icon: "",
        tags: &[],
        depends_on,
        core: id == "core",
        source: "",
    };
    Plugin { meta, modules }
}

fn says(word: &'static str, on: ActivationEvent) -> Module {
    Module::new(word, on, move |_| Ok(vec![WORDS.of(word.to_owned())]))
}

fn words(app: &App) -> String {
    let all: Vec<String> = app
        .capabilities(&WORDS)
        .into_iter()
        .map(|(_, word)| (*word).clone())
        .collect();
    all.join(" ")
}

#[test]
fn modules_wait_for_their_event_and_keep_the_order_of_the_list() {
    let app = app(vec![
        plugin("a", &[], vec![says("a1", STARTUP), says("a2", LATER)]),
        plugin("b", &[], vec![says("b1", STARTUP)]),
    ]);
    assert_eq!(words(&app), "");
    app.start();
    assert_eq!(words(&app), "a1 b1");
    app.fire(LATER);
    assert_eq!(words(&app), "a1 a2 b1");
    app.disable("a").unwrap();
    assert_eq!(words(&app), "b1");
    app.enable("a").unwrap();
    assert_eq!(words(&app), "a1 a2 b1", "as if it had never been off");
}

#[test]
fn disabling_takes_dependents_along_and_spares_the_core() {
    let app = app(vec![
        plugin("core", &["base"], vec![]),
        plugin("base", &[], vec![says("base", STARTUP)]),
        plugin("low", &[], vec![says("low", STARTUP)]),
        plugin("high", &["low"], vec![says("high", STARTUP)]),
    ]);
    app.start();
    assert_eq!(
        app.disable("base"),
        Err(PluginError::Core { plugin: "core" })
    );
    assert_eq!(
        app.disable("nobody"),
        Err(PluginError::Unknown {
            plugin: "nobody".into()
        })
    );
    app.disable("low").unwrap();
    assert_eq!(words(&app), "base");
    assert_eq!(
        app.enable("high"),
        Err(PluginError::Needs {
            plugin: "high",
            needs: "low"
        })
    );
    app.enable("low").unwrap();
    app.enable("high").unwrap();
    assert_eq!(words(&app), "base low high");
}

#[test]
fn a_module_that_fails_is_set_aside_with_its_reason() {
    let fails = Module::new("fails", STARTUP, |context| {
        context.app.capability(&MISSING)?;
        Ok(Vec::new())
    });
    let app = app(vec![plugin("a", &[], vec![fails, says("on", STARTUP)])]);
    app.start();
    assert_eq!(words(&app), "on");
    let status = &app.plugins()[0];
    assert_eq!(status.active, ["on"]);
    let reason = PluginError::Missing {
        capability: "test/missing",
    };
    assert_eq!(status.failed, [("fails", reason)]);
}

#[test]
fn changes_are_told_after_they_are_in_place() {
    let app = app(vec![plugin("a", &[], vec![says("a", STARTUP)])]);
    let heard = Rc::new(Cell::new(0));
    let (inner, count) = (app.clone(), heard.clone());
    let observation = app.observe_contributions(move |_| count.set(words(&inner).len()));
    app.start();
    assert_eq!(heard.get(), 1);
    app.disable("a").unwrap();
    assert_eq!(heard.get(), 0);
    drop(observation);
    app.enable("a").unwrap();
    assert_eq!(heard.get(), 0, "dropped observations hear nothing");
}
