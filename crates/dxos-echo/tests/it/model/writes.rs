//! Random writes of every kind.

use dxos_base::fuzz::SplitMix64;
use dxos_base::{
    ElementId, ForeignKey, ObjectId, ObjectView, ObjectWrite, Path, Place, Ref, SpaceId, Step,
    TextId, Value, key_path,
};

use super::OBJECTS;
use crate::replica::SPACE;

/// Writes, by what they do.
pub const WRITES: [&str; 34] = [
    "set null",
    "set bool",
    "set int",
    "set float",
    "set string",
    "set bytes",
    "set timestamp",
    "set reference",
    "set list",
    "set map",
    "set text",
    "set counter",
    "set set",
    "set nested",
    "set in element",
    "remove value",
    "remove element",
    "restore value",
    "delete object",
    "restore object",
    "insert",
    "insert beside",
    "move",
    "count",
    "count nested",
    "include",
    "exclude",
    "tag",
    "untag",
    "add key",
    "remove key",
    "parent",
    "relate",
    "fill text",
];
/// A value of a kind that is kept whole, or a text or counter.
pub fn scalar(random: &mut SplitMix64, kind: &str) -> Value {
    match kind {
        "null" => Value::Null,
        "bool" => Value::Bool(random.below(2) == 0),
        "float" => Value::float(random.one(&[0.5, -0.0, f64::NAN, f64::MAX, 1.0])),
        "string" => Value::from(random.one(&["", "a", "é\u{0}"])),
        "bytes" => Value::Bytes(vec![0, random.below(3) as u8]),
        "timestamp" => Value::Timestamp(random.below(3) as i64 - 1),
        "reference" => Value::Ref(Ref {
            space: random.one(&[None, Some(SpaceId([9; 20])), Some(SPACE)]),
            object: ObjectId([random.below(5) as u8; 16]),
        }),
        "counter" => Value::Counter(random.below(5) as i64 - 2),
        "text" => Value::Text(TextId([0; 16])),
        _ => Value::Int(random.one(&[0, 1, -7, i64::MAX, i64::MIN])),
    }
}

/// A value that may hold others.
pub fn nested(random: &mut SplitMix64) -> Value {
    let kind = random.one(&["null", "int", "text", "counter", "reference"]);
    match random.below(4) {
        0 => Value::List(
            (0..random.below(3))
                .map(|_| scalar(random, "int"))
                .collect(),
        ),
        1 => Value::Map([("a".to_owned(), scalar(random, kind))].into()),
        _ => scalar(random, kind),
    }
}

/// A place at the top, or in a map or a list element that shows.
fn place(random: &mut SplitMix64, view: &ObjectView) -> Path {
    let lists: Vec<&Path> = view.lists.keys().collect();
    match random.below(4) {
        0 => key_path(&["m", random.one(&["a", "b"])]),
        1 if !lists.is_empty() => element(random, view).unwrap_or_else(|| key_path(&["a"])),
        _ => key_path(&[random.one(&["a", "b", "l", "m"])]),
    }
}

fn list(random: &mut SplitMix64, view: &ObjectView) -> Option<Path> {
    let lists: Vec<&Path> = view.lists.keys().collect();
    (!lists.is_empty()).then(|| lists[random.below(lists.len())].clone())
}

fn element(random: &mut SplitMix64, view: &ObjectView) -> Option<Path> {
    let mut path = list(random, view)?;
    let ids = view.elements(&path);
    path.push(Step::Element(ids[random.below(ids.len())]));
    Some(path)
}

/// A write of the kind to the object, as far as it has what the kind needs.
pub fn write(random: &mut SplitMix64, kind: &str, view: &ObjectView) -> Option<ObjectWrite> {
    let object = view.object;
    let fresh = ElementId(random.number().to_le_bytes());
    let any_place = random.one(&[Place::Start, Place::End, Place::At(1), Place::At(99)]);
    let key = ForeignKey {
        source: random.one(&["s", "t"]).to_owned(),
        id: random.one(&["1", "2"]).to_owned(),
    };
    let member = random.one(&["x", "y", "@z"]);
    let set = random.one(&[&["s"][..], &["m", "s"]]);
    Some(match kind {
        "set list" => {
            let values = (0..random.below(4)).map(|_| nested(random)).collect();
            ObjectWrite::set(
                object,
                key_path(&[random.one(&["l", "a"])]),
                Value::List(values),
            )
        }
        "set map" => {
            let values = ["a", "b"].map(|name| (name.to_owned(), nested(random)));
            ObjectWrite::set(
                object,
                key_path(&[random.one(&["m", "a"])]),
                Value::Map(values.into()),
            )
        }
        "set set" => ObjectWrite::set(object, set, Value::set(["x", member])),
        "set nested" => {
            let value = nested(random);
            ObjectWrite::set(
                object,
                key_path(&["m", random.one(&["a", "b"]), "c"]),
                value,
            )
        }
        "set in element" => {
            let mut path = element(random, view)?;
            path.push(Step::Key("n".to_owned()));
            ObjectWrite::set(object, path, nested(random))
        }
        "remove value" => {
            ObjectWrite::remove(object, key_path(&[random.one(&["a", "l", "m", "s"])]))
        }
        "remove element" => ObjectWrite::remove(object, element(random, view)?),
        "restore value" => ObjectWrite::Restore {
            object,
            path: place(random, view),
        },
        "delete object" => ObjectWrite::delete(object),
        "restore object" => ObjectWrite::restore(object),
        "insert" | "insert beside" => {
            let found = list(random, view);
            let list = found.unwrap_or_else(|| key_path(&["l"]));
            let ids = view.elements(&list);
            let place = match kind == "insert beside" && !ids.is_empty() {
                true => {
                    let beside = ids[random.below(ids.len())];
                    random.one(&[Place::After(beside), Place::Before(beside)])
                }
                false => any_place,
            };
            ObjectWrite::Insert {
                object,
                list,
                element: fresh,
                place,
                value: nested(random),
            }
        }
        "move" => {
            let list = list(random, view)?;
            let ids = view.elements(&list);
            ObjectWrite::Move {
                object,
                element: ids[random.below(ids.len())],
                place: random.one(&[Place::After(ids[0]), any_place]),
                list,
            }
        }
        "count" => ObjectWrite::count(object, "n", random.below(5) as i64 - 2),
        "count nested" => ObjectWrite::count(object, ["m", "n"], 3),
        "include" => ObjectWrite::include(object, set, member),
        "exclude" => ObjectWrite::exclude(object, set, member),
        "tag" => ObjectWrite::tag(object, member),
        "untag" => ObjectWrite::untag(object, member),
        "add key" => ObjectWrite::add_key(object, key),
        "remove key" => ObjectWrite::remove_key(object, key),
        "parent" => {
            let parent = ObjectId([random.below(OBJECTS as usize + 1) as u8; 16]);
            ObjectWrite::set_parent(object, Some(parent).filter(|parent| parent.0[0] > 0))
        }
        "relate" => {
            let end = random.one(&["@source", "@target"]);
            ObjectWrite::set(object, end, scalar(random, "reference"))
        }
        "fill text" => ObjectWrite::Text {
            object,
            path: place(random, view),
            content: random.one(&["", "Hello"]).to_owned(),
        },
        scalar_kind => {
            let kind = scalar_kind.strip_prefix("set ")?;
            let value = scalar(random, kind);
            ObjectWrite::set(object, place(random, view), value)
        }
    })
}
