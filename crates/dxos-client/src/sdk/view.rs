//! Views: a query and what is shown of its rows, kept as an object that tables, boards and others draw.

use std::borrow::Cow;

#[cfg(any(feature = "json", not(target_arch = "wasm32")))]
use dxos_base::query::Query;
use dxos_base::query::{PropertyPath, property};
use dxos_base::{ObjectView, Value};
use dxos_macros::Object;

/// A saved query with a projection.
#[derive(Object, Debug, Clone, PartialEq)]
#[object(type = "org.dxos.type.View", version = "0.1.0", crate = crate)]
pub struct View {
    /// Its name.
    #[object(label)]
    pub name: String,
    /// The query, in its JSON form.
    #[object(hidden)]
    pub query: String,
    /// What is shown of each row, in order.
    pub fields: Vec<ViewField>,
    /// The property by whose values rows are put into columns or groups, as a path.
    pub pivot: Option<String>,
}

/// A property shown in a view.
#[derive(Object, Debug, Clone, PartialEq, Default)]
#[object(nested, crate = crate)]
pub struct ViewField {
    /// The property, as a path (`address/city`).
    pub path: String,
    /// Shown instead of the property's own title.
    pub title: Option<String>,
    /// Width in CSS pixels.
    pub width: Option<u32>,
    /// Kept in the order, but not shown.
    #[object(default)]
    pub hidden: bool,
}

impl ViewField {
    /// A visible property.
    pub fn new(path: impl Into<String>) -> ViewField {
        ViewField {
            path: path.into(),
            ..ViewField::default()
        }
    }
}

impl View {
    /// The properties that are shown, in order.
    pub fn columns(&self) -> impl Iterator<Item = &ViewField> {
        self.fields.iter().filter(|field| !field.hidden)
    }

    /// The values of a row, one for each of [`View::columns`]; `None`: absent.
    pub fn project(&self, row: &ObjectView) -> Vec<Option<Value>> {
        let value = |field: &ViewField| value_at(row, &field.path);
        self.columns().map(value).collect()
    }

    /// The value that says into which column or group a row belongs; `None`: none, or no pivot.
    pub fn pivot_of(&self, row: &ObjectView) -> Option<Value> {
        value_at(row, self.pivot.as_deref()?)
    }
}

fn value_at(row: &ObjectView, path: &str) -> Option<Value> {
    property(row, &PropertyPath::from(path)).map(Cow::into_owned)
}

/// Why a stored view has no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[cfg(any(feature = "json", not(target_arch = "wasm32")))]
pub enum ViewQueryError {
    /// No JSON.
    #[error("the view's query is not JSON: {detail}")]
    Json {
        /// What the parser says.
        detail: String,
    },
    /// JSON, but no query.
    #[error(transparent)]
    Query(#[from] dxos_base::query::json::QueryJsonError),
}

// Pages that keep no views of their own download no JSON.
#[cfg(any(feature = "json", not(target_arch = "wasm32")))]
impl View {
    /// A view of a query that shows nothing yet.
    pub fn new(name: impl Into<String>, query: &Query) -> View {
        View {
            name: name.into(),
            query: dxos_base::query::json::to_json(query).to_string(),
            fields: Vec::new(),
            pivot: None,
        }
    }

    /// The query.
    ///
    /// # Errors
    /// When what is stored is no query: another program's, or a newer version's.
    pub fn query(&self) -> Result<Query, ViewQueryError> {
        let json = serde_json::from_str(&self.query).map_err(|error| ViewQueryError::Json {
            detail: error.to_string(),
        })?;
        Ok(dxos_base::query::json::from_json(&json)?)
    }
}
