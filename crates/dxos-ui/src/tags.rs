//! Tags of an object: chips, and a field that adds one by typing.
//!
//! Invariants
//! * what is added is in the one form of [`normal_tag`], so words typed otherwise are no other tag;
//! * a tag that is known already keeps its spelling: `River` becomes `river` where that is what others wrote;
//! * nothing typed is lost: leaving the field adds it, Escape throws it away.
//!
//! Not here: where tags are kept. The caller writes what it is told.

use leptos::prelude::*;

use crate::icon::Icon;

/// Longest tag, in characters: a label, not a sentence.
pub const TAG_CHARACTERS_MAX: usize = 48;
/// Tags offered at once.
const OFFERED_MAX: usize = 6;

/// The one form of a typed tag: no `#` before it, single spaces within, at most [`TAG_CHARACTERS_MAX`]; `None` if
/// nothing is left.
pub fn normal_tag(typed: &str) -> Option<String> {
    let visible: String = typed
        .chars()
        .map(|c| if c.is_control() || c == ',' { ' ' } else { c })
        .collect();
    let words: Vec<&str> = visible
        .trim_start_matches(|c: char| c == '#' || c.is_whitespace())
        .split_whitespace()
        .collect();
    let tag: String = words.join(" ").chars().take(TAG_CHARACTERS_MAX).collect();
    let tag = tag.trim_end();
    (!tag.is_empty()).then(|| tag.to_owned())
}

/// Tags that are complete, ended by a comma or a line break, and what is still being typed.
fn split_typed(typed: &str) -> (Vec<String>, String) {
    let mut parts: Vec<&str> = typed.split([',', '\n']).collect();
    let rest = parts.pop().unwrap_or_default().trim_start().to_owned();
    (parts.into_iter().filter_map(normal_tag).collect(), rest)
}

/// A typed tag as it is written here: one that is known but for its letters' case is that one.
fn known_form(tag: String, known: &[String]) -> String {
    let lower = tag.to_lowercase();
    let same = known.iter().find(|known| known.to_lowercase() == lower);
    same.cloned().unwrap_or(tag)
}

/// Known tags that fit what is typed and are not on the object: those that begin with it, then those with a word
/// that does, then the others that hold it.
fn offered(typed: &str, known: &[String], used: &[String]) -> Vec<String> {
    let wanted = normal_tag(typed).unwrap_or_default().to_lowercase();
    let mut found: Vec<(u8, &String)> = known
        .iter()
        .filter(|tag| !used.contains(tag))
        .filter_map(|tag| {
            let lower = tag.to_lowercase();
            let rank = if lower.starts_with(&wanted) {
                0
            } else if lower
                .split_whitespace()
                .any(|word| word.starts_with(&wanted))
            {
                1
            } else if lower.contains(&wanted) {
                2
            } else {
                return None;
            };
            Some((rank, tag))
        })
        .collect();
    found.sort();
    let found = found.into_iter().map(|(_, tag)| tag.clone());
    found.take(OFFERED_MAX).collect()
}

/// The option after a step through `count` options; beyond either end is none of them.
fn stepped(at: Option<usize>, forward: bool, count: usize) -> Option<usize> {
    match (at, forward) {
        (None, true) => (count > 0).then_some(0),
        (None, false) => count.checked_sub(1),
        (Some(at), true) => Some(at + 1).filter(|next| *next < count),
        (Some(at), false) => at.checked_sub(1),
    }
}

/// An object's tags, and a field that adds one.
#[component]
pub fn TagField(
    /// Unique in the page, ASCII without spaces: ties the field to what it offers.
    #[prop(into)]
    id: String,
    /// The object's tags, in order.
    #[prop(into)]
    tags: Signal<Vec<String>>,
    /// Tags used elsewhere, in order: these are offered.
    #[prop(into)]
    known: Signal<Vec<String>>,
    /// Shown only, not changed.
    #[prop(into)]
    read_only: Signal<bool>,
    /// Told a tag to put on the object.
    #[prop(into)]
    on_add: UnsyncCallback<String>,
    /// Told a tag to take off.
    #[prop(into)]
    on_remove: UnsyncCallback<String>,
) -> impl IntoView {
    let field = NodeRef::<leptos::html::Input>::new();
    // What screen readers are told: chips come and go without the focus moving.
    let said = RwSignal::new(String::new());
    let remove = move |tag: String| {
        said.set(format!("Tag {tag} removed"));
        on_remove.run(tag);
        if let Some(field) = field.get_untracked() {
            // The button that had the focus is gone; a failed focus leaves the person where they were.
            let _ = field.focus();
        }
    };
    let chip = move |tag: String| {
        let label = format!("Remove tag {tag}");
        let gone = tag.clone();
        let button = move || {
            let gone = gone.clone();
            (!read_only.get()).then(|| {
                view! {
                    <button type="button" aria-label=label.clone() title=label.clone() on:click=move |_| remove(gone.clone())>
                        <Icon name="x"/>
                    </button>
                }
            })
        };
        view! { <li class="tag" data-tag=tag.clone()><span>{tag.clone()}</span>{button}</li> }
    };
    let shown = move || !read_only.get() || !tags.with(Vec::is_empty);
    view! {
        <div class="tags" hidden=move || !shown()>
            <ul aria-label="Tags">
                <For each=move || tags.get() key=String::clone children=chip/>
            </ul>
            <Show when=move || !read_only.get()>
                <Entry id=id.clone() field=field tags=tags known=known said=said on_add=on_add on_remove=remove/>
            </Show>
            <span class="unseen" role="status">{said}</span>
        </div>
    }
}

/// The field, with what it offers.
#[component]
fn Entry(
    id: String,
    field: NodeRef<leptos::html::Input>,
    tags: Signal<Vec<String>>,
    known: Signal<Vec<String>>,
    said: RwSignal<String>,
    on_add: UnsyncCallback<String>,
    #[prop(into)] on_remove: UnsyncCallback<String>,
) -> impl IntoView {
    let typed = RwSignal::new(String::new());
    let open = RwSignal::new(false);
    let active = RwSignal::new(None::<usize>);
    let offers = Memo::new(move |_| {
        let fitting = || known.with(|known| tags.with(|tags| offered(&typed.get(), known, tags)));
        open.get().then(fitting).unwrap_or_default()
    });
    let clear = move || {
        typed.set(String::new());
        open.set(false);
        active.set(None);
        // Spaces alone are nothing typed to the signal, but stand in the field.
        if let Some(field) = field.get_untracked() {
            field.set_value("");
        }
    };
    let add = move |tag: String| {
        let tag = known.with_untracked(|known| known_form(tag, known));
        if !tags.with_untracked(|tags| tags.contains(&tag)) {
            said.set(format!("Tag {tag} added"));
            on_add.run(tag);
        }
    };
    let finish = move || {
        if let Some(tag) = normal_tag(&typed.get_untracked()) {
            add(tag);
        }
        clear();
    };
    let choose = move |tag: String| {
        add(tag);
        clear();
    };
    let input = move |event: leptos::ev::Event| {
        let (complete, rest) = split_typed(&event_target_value(&event));
        complete.into_iter().for_each(add);
        open.set(!rest.is_empty());
        active.set(None);
        typed.set(rest);
    };
    let key = move |event: leptos::ev::KeyboardEvent| {
        if event.is_composing() {
            return;
        }
        let empty = typed.with_untracked(String::is_empty);
        match event.key().as_str() {
            "Enter" => match active
                .get_untracked()
                .and_then(|at| offers.with_untracked(|o| o.get(at).cloned()))
            {
                Some(tag) => choose(tag),
                None => finish(),
            },
            "ArrowDown" | "ArrowUp" => {
                open.set(true);
                let forward = event.key() == "ArrowDown";
                active.update(|at| *at = stepped(*at, forward, offers.with_untracked(Vec::len)));
            }
            "Escape" if open.get_untracked() || !empty => {
                clear();
                // Not the dialog's or the plank's key this time.
                event.stop_propagation();
            }
            "Backspace" if empty => match tags.with_untracked(|tags| tags.last().cloned()) {
                Some(tag) => on_remove.run(tag),
                None => return,
            },
            _ => return,
        }
        event.prevent_default();
    };
    let list = format!("{id}-offers");
    let option = {
        let id = id.clone();
        move |at: usize| format!("{id}-offer-{at}")
    };
    let pointed = {
        let option = option.clone();
        move || active.get().map(option.clone())
    };
    let rows = move || {
        offers
            .get()
            .into_iter()
            .enumerate()
            .map(|(at, tag)| {
                let shown = tag.clone();
                view! {
                    <li
                        role="option"
                        id=option(at)
                        aria-selected=move || (active.get() == Some(at)).to_string()
                        // The press must not take the focus, or leaving the field would add what is typed.
                        on:mousedown=move |event| event.prevent_default()
                        on:mousemove=move |_| active.set(Some(at))
                        on:click=move |_| choose(tag.clone())
                    >
                        {shown}
                    </li>
                }
            })
            .collect_view()
    };
    let any = move || !offers.with(Vec::is_empty);
    view! {
        <div class="add">
            <input
                node_ref=field
                type="text"
                role="combobox"
                aria-label="Add a tag"
                aria-autocomplete="list"
                aria-expanded=move || any().to_string()
                aria-controls=list.clone()
                aria-activedescendant=pointed
                placeholder="Add a tag"
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                enterkeyhint="done"
                prop:value=typed
                on:input=input
                on:keydown=key
                on:blur=move |_| finish()
            />
            <ul id=list role="listbox" aria-label="Tags in this space" hidden=move || !any()>{rows}</ul>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_tag_has_one_form_however_it_is_typed() {
        for (typed, tag) in [
            ("river", Some("river")),
            ("  #river ", Some("river")),
            ("## # river", Some("river")),
            ("upper\t \nriver", Some("upper river")),
            ("a,b", Some("a b")),
            ("Grüße 🌊", Some("Grüße 🌊")),
            ("C#", Some("C#")),
            ("\u{0}\u{7f}", None),
            (" # ", None),
            ("", None),
        ] {
            assert_eq!(normal_tag(typed).as_deref(), tag, "{typed:?}");
        }
        let long = "é".repeat(TAG_CHARACTERS_MAX + 1);
        let normal = normal_tag(&long).unwrap();
        assert_eq!(normal.chars().count(), TAG_CHARACTERS_MAX);
        assert_eq!(normal_tag(&normal), Some(normal.clone()), "the form keeps");
    }

    #[test]
    fn a_comma_or_a_line_ends_a_tag() {
        assert_eq!(split_typed("riv"), (all(&[]), "riv".into()));
        assert_eq!(split_typed("river,"), (all(&["river"]), "".into()));
        assert_eq!(
            split_typed("river, moss\nstone, le"),
            (all(&["river", "moss", "stone"]), "le".into())
        );
        assert_eq!(split_typed(",, ,"), (all(&[]), "".into()));
    }

    #[test]
    fn what_is_known_keeps_its_spelling() {
        let known = all(&["river", "Berlin"]);
        assert_eq!(known_form("RIVER".into(), &known), "river");
        assert_eq!(known_form("berlin".into(), &known), "Berlin");
        assert_eq!(known_form("Moss".into(), &known), "Moss");
    }

    #[test]
    fn beginnings_are_offered_first_and_what_is_used_not_at_all() {
        let known = all(&["driver", "moss", "river", "upper river", "Riverbed"]);
        assert_eq!(
            offered("riv", &known, &[]),
            all(&["Riverbed", "river", "upper river", "driver"])
        );
        assert_eq!(
            offered("#Riv", &known, &all(&["river"])),
            all(&["Riverbed", "upper river", "driver"])
        );
        assert_eq!(offered("stone", &known, &[]), all(&[]));
        let many: Vec<String> = (0..20).map(|n| format!("tag {n}")).collect();
        assert_eq!(offered("", &many, &[]).len(), OFFERED_MAX);
    }

    #[test]
    fn arrows_go_through_the_offers_and_out_again() {
        assert_eq!(stepped(None, true, 2), Some(0));
        assert_eq!(stepped(Some(0), true, 2), Some(1));
        assert_eq!(stepped(Some(1), true, 2), None, "back to what is typed");
        assert_eq!(stepped(None, false, 2), Some(1));
        assert_eq!(stepped(Some(0), false, 2), None);
        assert_eq!(stepped(None, true, 0), None);
        assert_eq!(stepped(None, false, 0), None);
    }
}
