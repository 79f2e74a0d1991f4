//! Writes to objects, as every client asks for them: the one write type of the system.
//!
//! A path may lead through maps and lists. Reserved places (names that start with `@` at the top of an object):
//! * `@parent`, `@source`, `@target` take a reference of the kind their meaning allows;
//! * `@meta/tags` and `@meta/keys/<source>` are sets; see [`ObjectWrite::tag`] and [`ObjectWrite::add_key`];
//! * everything else there belongs to the database, and writing it is an error that names the path.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ElementId, ObjectId};
use crate::object::ForeignKey;
use crate::path::{IntoPath, Path, key_path};
use crate::value::{Ref, Value};

/// Name at the top of an object that holds its type.
pub const TYPE: &str = "@type";
/// Name at the top of an object that holds tags and foreign keys.
pub const META: &str = "@meta";
/// Below [`META`]: the set of tags.
pub const TAGS: &str = "tags";
/// Below [`META`]: by source, the set of ids.
pub const KEYS: &str = "keys";
/// Name at the top of an object that holds the parent.
pub const PARENT: &str = "@parent";
/// Name at the top of a relation that holds where it leads from.
pub const SOURCE: &str = "@source";
/// Name at the top of a relation that holds where it leads to.
pub const TARGET: &str = "@target";

/// One write to one object. What it does where is checked by the node: an error names the path, and nothing of the
/// call is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ObjectWrite {
    /// A new object; the client makes the id, so it can name it before the answer.
    Create {
        /// Its id.
        object: ObjectId,
        /// `@type` such as `org.dxos.type.Document@0.1.0`; empty if untyped.
        type_name: String,
        /// First values by top-level name, what [`ObjectMeta::values`](crate::ObjectMeta::values) gives among them.
        values: BTreeMap<String, Value>,
    },
    /// Sets the value at a path. Containers are spread over registers; [`Value::Counter`] sets a counter's base;
    /// [`Value::Text`] makes the path a text, if it is none, whatever id is named.
    Set {
        /// The object.
        object: ObjectId,
        /// Where; not empty.
        path: Path,
        /// The value.
        value: Value,
    },
    /// Removes what is at a path; the empty path deletes the object. Containers and objects can be restored.
    Remove {
        /// The object.
        object: ObjectId,
        /// Where.
        path: Path,
    },
    /// Brings back a removed container (empty path: the object) with all that is in it; else does nothing.
    Restore {
        /// The object.
        object: ObjectId,
        /// Where.
        path: Path,
    },
    /// Inserts an element into a list, which begins to be if nothing is there.
    Insert {
        /// The object.
        object: ObjectId,
        /// The list.
        list: Path,
        /// The new element: 8 random bytes, so that the client can name it before the answer.
        element: ElementId,
        /// Where in the list.
        place: Place,
        /// The value.
        value: Value,
    },
    /// Moves an element within its list: one register, so it is never doubled.
    Move {
        /// The object.
        object: ObjectId,
        /// The list.
        list: Path,
        /// The element.
        element: ElementId,
        /// Its place afterwards, counted without it.
        place: Place,
    },
    /// Adds to a counter; makes one of an absent path or an integer. Steps of all writers add up.
    Count {
        /// The object.
        object: ObjectId,
        /// The counter.
        path: Path,
        /// The step.
        by: i64,
    },
    /// Puts a member into a set (a map of member → true), which begins to be if nothing is there.
    Include {
        /// The object.
        object: ObjectId,
        /// The set.
        set: Path,
        /// The member.
        member: String,
    },
    /// Takes a member out of a set.
    Exclude {
        /// The object.
        object: ObjectId,
        /// The set.
        set: Path,
        /// The member.
        member: String,
    },
    /// Makes the path a text, if it is none, and puts content into it, if it has none.
    Text {
        /// The object.
        object: ObjectId,
        /// Where; not empty.
        path: Path,
        /// What it begins with.
        content: String,
    },
}

/// A place in a list, among the elements that show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Before all others.
    Start,
    /// Behind all others.
    End,
    /// Before the element that is there now, counted from 0; past the end: behind all others.
    At(u32),
    /// Right behind an element; at the end if it is gone.
    After(ElementId),
    /// Right before an element; at the end if it is gone.
    Before(ElementId),
}

impl Place {
    /// The number of elements before it, among `elements`.
    pub fn index_in(self, elements: &[ElementId]) -> usize {
        let find = |wanted: ElementId| elements.iter().position(|element| *element == wanted);
        match self {
            Place::Start => 0,
            Place::End => elements.len(),
            Place::At(at) => (at as usize).min(elements.len()),
            Place::After(element) => find(element).map_or(elements.len(), |at| at + 1),
            Place::Before(element) => find(element).unwrap_or(elements.len()),
        }
    }
}

impl ObjectWrite {
    /// A new object with values.
    pub fn create(
        object: ObjectId,
        type_name: impl Into<String>,
        values: impl IntoIterator<Item = (String, Value)>,
    ) -> Self {
        ObjectWrite::Create {
            object,
            type_name: type_name.into(),
            values: values.into_iter().collect(),
        }
    }

    /// Sets a value.
    pub fn set(object: ObjectId, path: impl IntoPath, value: impl Into<Value>) -> Self {
        ObjectWrite::Set {
            object,
            path: path.into_path(),
            value: value.into(),
        }
    }

    /// Removes a value.
    pub fn remove(object: ObjectId, path: impl IntoPath) -> Self {
        ObjectWrite::Remove {
            object,
            path: path.into_path(),
        }
    }

    /// Deletes an object, restorably.
    pub fn delete(object: ObjectId) -> Self {
        ObjectWrite::Remove {
            object,
            path: Path::new(),
        }
    }

    /// Brings a deleted object back.
    pub fn restore(object: ObjectId) -> Self {
        ObjectWrite::Restore {
            object,
            path: Path::new(),
        }
    }

    /// Adds to a counter.
    pub fn count(object: ObjectId, path: impl IntoPath, by: i64) -> Self {
        ObjectWrite::Count {
            object,
            path: path.into_path(),
            by,
        }
    }

    /// Puts a member into a set.
    pub fn include(object: ObjectId, set: impl IntoPath, member: impl Into<String>) -> Self {
        ObjectWrite::Include {
            object,
            set: set.into_path(),
            member: member.into(),
        }
    }

    /// Takes a member out of a set.
    pub fn exclude(object: ObjectId, set: impl IntoPath, member: impl Into<String>) -> Self {
        ObjectWrite::Exclude {
            object,
            set: set.into_path(),
            member: member.into(),
        }
    }

    /// Tags an object.
    pub fn tag(object: ObjectId, tag: impl Into<String>) -> Self {
        Self::include(object, [META, TAGS], tag)
    }

    /// Takes a tag off an object.
    pub fn untag(object: ObjectId, tag: impl Into<String>) -> Self {
        Self::exclude(object, [META, TAGS], tag)
    }

    /// Notes what the object is called in another system.
    pub fn add_key(object: ObjectId, key: ForeignKey) -> Self {
        Self::include(object, key_path(&[META, KEYS, &key.source]), key.id)
    }

    /// Removes a foreign key.
    pub fn remove_key(object: ObjectId, key: ForeignKey) -> Self {
        Self::exclude(object, key_path(&[META, KEYS, &key.source]), key.id)
    }

    /// Puts an object under a parent of the same space, or under none.
    pub fn set_parent(object: ObjectId, parent: Option<ObjectId>) -> Self {
        match parent {
            Some(parent) => Self::set(object, PARENT, Ref::local(parent)),
            None => Self::remove(object, PARENT),
        }
    }

    /// Whether every value in it can be read back ([`Value::depth_fits`]); a node refuses the whole frame otherwise.
    pub fn depth_fits(&self) -> bool {
        match self {
            ObjectWrite::Create { values, .. } => values.values().all(Value::depth_fits),
            ObjectWrite::Set { value, .. } | ObjectWrite::Insert { value, .. } => {
                value.depth_fits()
            }
            _ => true,
        }
    }

    /// The object it is about.
    pub fn object(&self) -> ObjectId {
        match self {
            ObjectWrite::Create { object, .. }
            | ObjectWrite::Set { object, .. }
            | ObjectWrite::Remove { object, .. }
            | ObjectWrite::Restore { object, .. }
            | ObjectWrite::Insert { object, .. }
            | ObjectWrite::Move { object, .. }
            | ObjectWrite::Count { object, .. }
            | ObjectWrite::Include { object, .. }
            | ObjectWrite::Exclude { object, .. }
            | ObjectWrite::Text { object, .. } => *object,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_among_what_shows() {
        let [a, b, c] = [1, 2, 3].map(|n| ElementId([n; 8]));
        let at = |place: Place| place.index_in(&[a, b]);
        assert_eq!((at(Place::Start), at(Place::End)), (0, 2));
        assert_eq!((at(Place::At(1)), at(Place::At(9))), (1, 2));
        assert_eq!((at(Place::After(a)), at(Place::Before(b))), (1, 1));
        assert_eq!((at(Place::After(c)), at(Place::Before(c))), (2, 2));
    }
}
