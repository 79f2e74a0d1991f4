//! What is on the list, and which of it is shown.

use dxos_client::{Object, TypedQuery};

/// A thing to do. Tasks shows the same objects.
#[derive(Object, Clone, Debug, PartialEq)]
#[object(type = "org.dxos.type.Task", version = "0.1.0")]
pub struct Todo {
    #[object(label)]
    pub title: String,
    #[object(default)]
    pub done: bool,
}

impl Todo {
    /// From what was typed; nothing if that is nothing.
    pub fn typed(text: &str) -> Option<Todo> {
        let title = text.trim().to_owned();
        (!title.is_empty()).then_some(Todo { title, done: false })
    }
}

/// The todos shown: a route of the app.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filter {
    All,
    Active,
    Completed,
}

impl Filter {
    pub const ROUTES: [(Filter, &str, &str); 3] = [
        (Filter::All, "#/", "All"),
        (Filter::Active, "#/active", "Active"),
        (Filter::Completed, "#/completed", "Completed"),
    ];

    /// Of the address's fragment; an unknown one shows all.
    pub fn at(fragment: &str) -> Filter {
        let route = format!("#{fragment}");
        let known = Filter::ROUTES.into_iter().find(|(_, at, _)| *at == route);
        known.map_or(Filter::All, |(filter, ..)| filter)
    }

    /// In order of creation.
    pub fn query(self) -> TypedQuery<Todo> {
        match self {
            Filter::All => TypedQuery::all(),
            Filter::Active => Todo::DONE.eq(false),
            Filter::Completed => Todo::DONE.eq(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_trimmed_and_empty_ones_are_none() {
        let title = |text| Todo::typed(text).map(|todo| todo.title);
        assert_eq!(title("  buy milk\t"), Some("buy milk".into()));
        assert_eq!(title(" \u{2003}\n"), None);
    }

    #[test]
    fn routes_are_known_by_their_fragment() {
        assert_eq!(Filter::at("/active"), Filter::Active);
        assert_eq!(Filter::at("/completed"), Filter::Completed);
        for all in ["", "/", "/nothing"] {
            assert_eq!(Filter::at(all), Filter::All);
        }
    }
}
