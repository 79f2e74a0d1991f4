//! The command palette: places and actions of the graph, found by typing.

use dxos_app::{CloseDialog, Node, Open, ROOT, SwitchWorkspace};
use dxos_surface::{key_label, use_app};
use dxos_ui::{Dialog, Icon};
use leptos::prelude::*;

/// Rows shown at once.
const ROWS_MAX: usize = 50;

#[derive(Debug, Clone, PartialEq)]
enum Does {
    Go {
        id: String,
        workspace: String,
        opens: bool,
    },
    Run {
        node: String,
        action: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    label: String,
    place: String,
    tags: Vec<String>,
    icon: &'static str,
    keys: String,
    does: Does,
}

/// How well a label fits what was typed, 0 best; `None` if one of the words typed is not in it. Case is ignored.
fn rank(label: &str, typed: &str) -> Option<u8> {
    let (label, typed) = (label.to_lowercase(), typed.trim().to_lowercase());
    if label.starts_with(&typed) {
        return Some(0);
    }
    let begins = |word: &str| {
        label
            .split(|c: char| !c.is_alphanumeric())
            .any(|part| part.starts_with(word))
    };
    let of_word = |word: &str| match (begins(word), label.contains(word)) {
        (true, _) => Some(1),
        (false, true) => Some(2),
        (false, false) => None,
    };
    typed
        .split_whitespace()
        .map(of_word)
        .try_fold(0, |worst, rank| Some(worst.max(rank?)))
}

/// How well a row fits: by its name, else with its tags, which may be typed with their `#`.
fn rank_row(label: &str, tags: &[String], typed: &str) -> Option<u8> {
    const BY_TAG: u8 = 3;
    rank(label, typed).or_else(|| {
        let all = format!("{label} {}", tags.join(" "));
        rank(&all, &typed.replace('#', " ")).map(|rank| BY_TAG + rank)
    })
}

fn filtered(all: Vec<Row>, needle: &str) -> Vec<Row> {
    let mut found: Vec<(u8, Row)> = all
        .into_iter()
        .filter_map(|row| Some((rank_row(&row.label, &row.tags, needle)?, row)))
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found
        .into_iter()
        .map(|(_, row)| row)
        .take(ROWS_MAX)
        .collect()
}

fn place_row(node: Node, workspace: &Node) -> Row {
    let own = node.id == workspace.id;
    let mut place = Vec::new();
    if !own {
        place.push(workspace.label.clone());
    }
    place.extend(node.tags.iter().map(|tag| format!("#{tag}")));
    Row {
        label: node.label,
        place: place.join("  "),
        tags: node.tags,
        icon: if node.icon.is_empty() {
            "cube"
        } else {
            node.icon
        },
        keys: String::new(),
        does: Does::Go {
            id: node.id,
            workspace: workspace.id.clone(),
            opens: node.opens,
        },
    }
}

/// The dialog.
pub fn palette() -> impl IntoView {
    let app = use_app();
    let query = RwSignal::new(String::new());
    let chosen = RwSignal::new(0_usize);
    let input = NodeRef::<leptos::html::Input>::new();
    Effect::new(move |_| {
        if let Some(input) = input.get() {
            // A failed focus leaves the person where they were.
            let _ = input.focus();
        }
    });
    let places = Memo::new(move |_| {
        // What is in the present space first, then in the others, then the spaces themselves.
        let here = app.layout().get_untracked().workspace;
        let mut spaces = app.children_now(ROOT);
        spaces.sort_by_key(|space| here.as_ref() != Some(&space.id));
        let mut rows = Vec::new();
        for space in &spaces {
            let inside = app.children_now(&space.id);
            rows.extend(inside.into_iter().map(|node| place_row(node, space)));
        }
        rows.extend(spaces.iter().map(|space| place_row(space.clone(), space)));
        filtered(rows, &query.get())
    });
    let actions = Memo::new(move |_| {
        let layout = app.layout().get_untracked();
        let core = app.get();
        let mut rows = Vec::new();
        for id in [layout.attention, layout.workspace, Some(ROOT.to_owned())]
            .into_iter()
            .flatten()
        {
            let Some(node) = core.graph().node(&core, &id) else {
                continue;
            };
            for action in core.action_views(&id) {
                if action.id == "layout/palette" {
                    continue;
                }
                rows.push(Row {
                    label: action.label,
                    place: node.label.clone(),
                    tags: Vec::new(),
                    icon: action.icon,
                    keys: key_label(action.keys),
                    does: Does::Run {
                        node: id.clone(),
                        action: action.id,
                    },
                });
            }
        }
        filtered(rows, &query.get())
    });
    let all = Memo::new(move |_| [places.get(), actions.get()].concat());
    let run = move |row: Row| {
        app.send(CloseDialog {});
        match row.does {
            Does::Run { node, action } => app.run(&node, &action),
            Does::Go {
                id,
                workspace,
                opens,
            } => {
                app.send(SwitchWorkspace { subject: workspace });
                if opens {
                    app.send(Open {
                        subject: id,
                        beside: false,
                    });
                }
            }
        }
    };
    let key = move |event: leptos::ev::KeyboardEvent| {
        let count = all.with(Vec::len);
        match event.key().as_str() {
            "ArrowDown" if count > 0 => chosen.update(|at| *at = (*at + 1) % count),
            "ArrowUp" if count > 0 => chosen.update(|at| *at = (*at + count - 1) % count),
            "Enter" if !event.is_composing() => {
                if let Some(row) = all.with(|rows| rows.get(chosen.get_untracked()).cloned()) {
                    run(row);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    let group = move |title: &'static str, rows: Memo<Vec<Row>>, from: Signal<usize>| {
        move || {
            (!rows.with(Vec::is_empty)).then(|| {
                let items = rows.get().into_iter().enumerate().map(|(at, row)| {
                    let index = move || from.get() + at;
                    let selected = move || (chosen.get() == index()).to_string();
                    let label = row.label.clone();
                    let (place, keys, icon) = (row.place.clone(), row.keys.clone(), row.icon);
                    view! {
                        <li
                            role="option"
                            id=move || format!("palette-{}", index())
                            aria-selected=selected
                            on:mousemove=move |_| chosen.set(index())
                            on:click=move |_| run(row.clone())
                        >
                            <Icon name=icon/>
                            <b>{label}</b>
                            <em>{place}</em>
                            {(!keys.is_empty()).then(|| view! { <kbd>{keys}</kbd> })}
                        </li>
                    }
                });
                view! {
                    <li role="presentation">{title}</li>
                    {items.collect_view()}
                }
            })
        }
    };
    Effect::new(move |_| {
        let at = chosen.get();
        let row = document().get_element_by_id(&format!("palette-{at}"));
        if let Some(row) = row {
            let options = web_sys::ScrollIntoViewOptions::new();
            options.set_block(web_sys::ScrollLogicalPosition::Nearest);
            row.scroll_into_view_with_scroll_into_view_options(&options);
        }
    });
    let active = move || format!("palette-{}", chosen.get());
    view! {
        <Dialog title="Search or jump" class="pal" bare=true on_close=move |()| app.send(CloseDialog {})>
            <div class="q">
                <Icon name="magnifying-glass"/>
                <input
                    node_ref=input
                    type="text"
                    role="combobox"
                    aria-expanded="true"
                    aria-controls="palette-rows"
                    aria-activedescendant=active
                    aria-label="Search or jump"
                    placeholder="Search or jump"
                    autocomplete="off"
                    spellcheck="false"
                    prop:value=query
                    on:input=move |event| {
                        query.set(event_target_value(&event));
                        chosen.set(0);
                    }
                    on:keydown=key
                />
                <kbd>"Esc"</kbd>
            </div>
            <ul id="palette-rows" role="listbox" aria-label="Results">
                {group("Go to", places, Signal::derive(|| 0))}
                {group("Actions", actions, Signal::derive(move || places.with(Vec::len)))}
            </ul>
            <Show when=move || all.with(Vec::is_empty)>
                <p class="none">"Nothing is called that. Titles, tags and actions are searched."</p>
            </Show>
        </Dialog>
    }
}

#[cfg(test)]
mod tests {
    use super::{rank, rank_row};

    #[test]
    fn tags_are_found_after_names() {
        let tags = ["upper river".to_owned(), "moss".to_owned()];
        let find = |typed| rank_row("Field notes", &tags, typed);
        assert_eq!(find("field"), Some(0));
        assert_eq!(find("moss"), Some(4));
        assert_eq!(find("#river"), Some(4));
        assert_eq!(find("field #moss"), Some(4), "name and tag together");
        assert_eq!(find("#field"), Some(3), "a name behind a # too");
        assert_eq!(find("#stone"), None);
    }

    #[test]
    fn beginnings_of_words_come_first() {
        assert_eq!(rank("Sampling sites", "sam"), Some(0));
        assert_eq!(rank("Interview with Sam", "sam"), Some(1));
        assert_eq!(rank("Sesame", "sam"), Some(2));
        assert_eq!(rank("Theme: dark", "theme d"), Some(1));
        assert_eq!(rank("Theme: light", "theme d"), None);
        assert_eq!(rank("Field notes", "sam"), None);
        assert_eq!(rank("Anything", " "), Some(0));
    }
}
