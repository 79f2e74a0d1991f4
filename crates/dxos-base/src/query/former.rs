//! Names that properties had before: a query that asks for a renamed field finds values under its former names too,
//! as a typed read does.
//!
//! They belong to no query as it is written or kept: whoever asks or answers one adds what the types it knows say.
//! Only the first step of a path is a field of a type, so only that one is looked up.

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::query::{Aggregate, Filter, OrderBy, PropertyPath, Query, Select, Traversal};
use crate::schema::TypeSchema;

/// A name that a property had before, in objects of a type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FormerName {
    /// The type's name, without version.
    pub type_name: String,
    /// The former name.
    pub name: String,
}

impl Query {
    /// Lets paths that name a field of these types find values under its former names, the latest first. Names
    /// beyond [`limits::FORMER_NAMES_MAX`] of one path are left out.
    pub fn add_former_names<'s>(
        &mut self,
        types: impl IntoIterator<Item = &'s TypeSchema, IntoIter: Clone>,
    ) {
        let types = types.into_iter();
        self.each_path(&mut |path| path.add_former_names(types.clone()));
    }

    fn each_path(&mut self, visit: &mut impl FnMut(&mut PropertyPath)) {
        select_paths(&mut self.select, visit);
        for key in &mut self.order {
            if let OrderBy::Property(path) = &mut key.by {
                visit(path);
            }
        }
        let Some(group) = &mut self.group else { return };
        group.by.iter_mut().for_each(&mut *visit);
        for aggregate in &mut group.aggregates {
            let (Aggregate::Min(path) | Aggregate::Max(path)) = aggregate;
            visit(path);
        }
    }
}

impl PropertyPath {
    fn add_former_names<'s>(&mut self, types: impl Iterator<Item = &'s TypeSchema>) {
        let Some(first) = self.steps.first().filter(|first| !first.starts_with('@')) else {
            return;
        };
        for schema in types {
            let Some(field) = schema.field_named(first) else {
                continue;
            };
            for name in field.aliases.iter().rev() {
                let former = FormerName {
                    type_name: schema.name.clone(),
                    name: name.clone(),
                };
                let room = self.former.len() < limits::FORMER_NAMES_MAX;
                if room && !self.former.contains(&former) {
                    self.former.push(former);
                }
            }
        }
    }
}

fn select_paths(select: &mut Select, visit: &mut impl FnMut(&mut PropertyPath)) {
    match select {
        Select::Where(filter) => filter_paths(filter, visit),
        Select::Within(from, filter) => {
            select_paths(from, visit);
            filter_paths(filter, visit);
        }
        Select::Follow(from, step) => {
            select_paths(from, visit);
            if let Traversal::References(Some(path)) | Traversal::ReferredBy(Some(path)) = step {
                visit(path);
            }
        }
        Select::Union(sets) => sets.iter_mut().for_each(|set| select_paths(set, visit)),
        Select::Difference(from, without) => {
            select_paths(from, visit);
            select_paths(without, visit);
        }
    }
}

fn filter_paths(filter: &mut Filter, visit: &mut impl FnMut(&mut PropertyPath)) {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            filters
                .iter_mut()
                .for_each(|filter| filter_paths(filter, visit));
        }
        Filter::Not(filter) => filter_paths(filter, visit),
        Filter::Property { path, .. } => visit(path),
        Filter::In { path, select, of } => {
            visit(path);
            select_paths(&mut select.0, visit);
            visit(of);
        }
        Filter::Everything
        | Filter::Nothing
        | Filter::Type { .. }
        | Filter::Ids(_)
        | Filter::Text { .. }
        | Filter::Tag(_)
        | Filter::Key { .. }
        | Filter::ChildOf { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ObjectId;
    use crate::object::ObjectView;
    use crate::query::{field, matches, property, row_order};
    use crate::schema::{Field, FieldType};
    use crate::value::Value;

    fn task() -> TypeSchema {
        let mut due = Field::new("deadline", FieldType::Int);
        due.aliases = vec!["due".into(), "by".into()];
        let mut task = TypeSchema::new("org.example.Task", "0.1.0").unwrap();
        task.fields.push(due);
        task
    }

    fn object(id: u8, type_name: &str, values: &[(&str, i64)]) -> ObjectView {
        let mut view = ObjectView::new(ObjectId([id; 16]), type_name);
        let values = values
            .iter()
            .map(|(name, n)| ((*name).to_owned(), Value::Int(*n)));
        view.values.extend(values);
        view
    }

    #[test]
    fn a_renamed_field_is_found_under_its_former_names() {
        let path = |view: &ObjectView| {
            let mut path = PropertyPath::from("deadline");
            path.add_former_names([&task()].into_iter());
            property(view, &path).map(|value| value.into_owned())
        };
        let task = "org.example.Task@0.1.0";
        assert_eq!(path(&object(1, task, &[("due", 1)])), Some(Value::Int(1)));
        let both = object(1, task, &[("due", 1), ("by", 2)]);
        assert_eq!(path(&both), Some(Value::Int(2)), "the latest former name");
        let all = object(1, task, &[("due", 1), ("by", 2), ("deadline", 3)]);
        assert_eq!(path(&all), Some(Value::Int(3)), "the present name");
        let other = object(1, "org.example.Event@0.1.0", &[("due", 1)]);
        assert_eq!(path(&other), None, "another type's field of that name");
    }

    #[test]
    fn conditions_and_orders_take_old_and_new_objects_alike() {
        let mut query = Query::of_type("org.example.Task")
            .filter(field("deadline").gt(1))
            .order_by("deadline");
        query.add_former_names([&task()]);
        let twice = query.clone();
        query.add_former_names([&task()]);
        assert_eq!(query, twice, "knowing a type twice says nothing new");
        assert_eq!(query.check(), Ok(()));
        let task = "org.example.Task@0.1.0";
        let old = object(1, task, &[("due", 3)]);
        let new = object(2, task, &[("deadline", 2), ("due", 9)]);
        let low = object(3, task, &[("deadline", 1), ("due", 9)]);
        assert_eq!(matches(&query, &old), Some(true));
        assert_eq!(matches(&query, &new), Some(true));
        assert_eq!(matches(&query, &low), Some(false));
        assert!(row_order(&query.order, &new) < row_order(&query.order, &old));
    }

    #[test]
    fn too_many_names_are_left_out() {
        let mut schema = task();
        schema.fields[0].aliases = (0..200).map(|n| format!("name{n}")).collect();
        let mut query = Query::default().order_by("deadline");
        query.add_former_names([&schema]);
        assert_eq!(query.check(), Ok(()));
    }
}
