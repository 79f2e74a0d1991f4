//! Names of the original and what they are here: types, references, ids.
//!
//! | Original | Here |
//! | :-- | :-- |
//! | `dxn:type:example.com/type/Task:0.1.0`, `dxn:com.example.type.Task:0.1.0` | `com.example.type.Task@0.1.0` |
//! | `dxn:echo:@:ID`, `dxn:echo:SPACE:ID`, `echo:///ID`, `echo://SPACE/ID` | a reference |
//! | `{"@type": "dxos.echo.model.document.Reference", itemId, protocol, host}` | the older form of either |

use dxos_base::schema::TypeRef;
use dxos_base::{ObjectId, SpaceId};

/// What a name of the original leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// An object; `None`: of the same space.
    Object { space: Option<SpaceId>, id: String },
    /// A type.
    Type(String),
    /// Something there is nothing for here, such as a queue.
    Other,
}

/// Reads a DXN or an address.
pub(super) fn parse(text: &str) -> Name {
    let object = |space: &str, id: &str| {
        let space = match space {
            "" | "@" => Some(None),
            other => other.parse().ok().map(Some),
        };
        // An id is one segment; what follows it would be a place in the object.
        match space {
            Some(space) if !id.is_empty() && !id.contains(['/', ':']) => Name::Object {
                space,
                id: id.to_owned(),
            },
            _ => Name::Other,
        }
    };
    if let Some(rest) = text.strip_prefix("echo://") {
        return match rest.split_once('/') {
            Some((space, id)) => object(space, id),
            None => Name::Other,
        };
    }
    if let Some(rest) = text.strip_prefix("echo:/") {
        return object("", rest);
    }
    let Some(rest) = text.strip_prefix("dxn:") else {
        return Name::Other;
    };
    match rest.split_once(':') {
        Some(("type", name)) if !name.is_empty() => Name::Type(name.to_owned()),
        Some(("echo", rest)) => match rest.split_once(':') {
            Some((space, id)) => object(space, id),
            None => object("", rest),
        },
        Some(("queue" | "blob" | "", _)) => Name::Other,
        // The later form has no kind: a reverse-domain name, perhaps with a version.
        Some((name, _)) if name.contains('.') => Name::Type(rest.to_owned()),
        None if rest.contains('.') => Name::Type(rest.to_owned()),
        _ => Name::Other,
    }
}

/// `@type` here of a type's name there, `NAME[:VERSION]`; and whether it is quite the same name.
pub(super) fn type_name(name: &str) -> (String, bool) {
    let (name, version) = match name.rsplit_once(':') {
        Some((name, version)) => (name, version),
        None => (name, "0.0.0"),
    };
    // `example.com/type/Task`: the domain is turned round, the path follows it.
    let mut parts: Vec<&str> = Vec::new();
    match name.split_once('/') {
        Some((domain, path)) => {
            parts.extend(domain.rsplit('.'));
            parts.extend(path.split('/'));
        }
        None => parts.extend(name.split('.')),
    }
    let mut same = !version.is_empty();
    let mut clean: Vec<String> = Vec::new();
    for part in parts {
        let mut out = String::new();
        for letter in part.chars() {
            match letter {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => out.push(letter),
                '.' => out.push('_'),
                _ => {
                    out.push('_');
                    same = false;
                }
            }
        }
        if out.is_empty() || !out.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            out.insert_str(0, "x_");
            same = false;
        }
        clean.push(out);
    }
    if clean.len() == 1 {
        clean.insert(0, "unknown".into());
        same = false;
    }
    let version = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = version.split('.');
    let mut number = || -> Option<u32> { numbers.next()?.parse().ok() };
    let version = match (number(), number(), number()) {
        (Some(major), Some(minor), Some(patch)) => format!("{major}.{minor}.{patch}"),
        (Some(major), Some(minor), None) => format!("{major}.{minor}.0"),
        (Some(major), None, None) => format!("{major}.0.0"),
        _ => {
            same = false;
            "0.0.0".to_owned()
        }
    };
    match TypeRef::new(&clean.join("."), &version) {
        Ok(found) => (found.to_string(), same),
        Err(_) => ("unknown.Type@0.0.0".to_owned(), false),
    }
}

/// The object an id of the original stands for. Ids of old spaces that are no ULIDs get one derived from them.
pub(super) fn object_id(id: &str) -> ObjectId {
    id.parse()
        .unwrap_or_else(|_| ObjectId::well_known(&SpaceId([0; 20]), "org.dxos.archive", id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_become_ours() {
        for (there, here, same) in [
            (
                "example.com/type/Task:0.1.0",
                "com.example.type.Task@0.1.0",
                true,
            ),
            (
                "com.example.type.Task:0.1.0",
                "com.example.type.Task@0.1.0",
                true,
            ),
            (
                "dxos.org/type/Document:0.2.13",
                "org.dxos.type.Document@0.2.13",
                true,
            ),
            ("example.com/type/Task", "com.example.type.Task@0.0.0", true),
            (
                "example.com/type/Task:1",
                "com.example.type.Task@1.0.0",
                true,
            ),
            ("Task:x", "unknown.Task@0.0.0", false),
            (
                "example.com/tüp/9:1.2.3",
                "com.example.t_p.x_9@1.2.3",
                false,
            ),
            ("", "unknown.x_@0.0.0", false),
            ("a.b/c.d:1.0.0", "b.a.c_d@1.0.0", true),
        ] {
            assert_eq!(type_name(there), (here.to_owned(), same), "{there}");
            assert!(here.parse::<TypeRef>().is_ok());
        }
    }

    #[test]
    fn references_are_read_in_all_their_forms() {
        let space: SpaceId = "BI6DQDHS3S44HTJ7EP5ULLIJ6SWH6THXO".parse().unwrap();
        let id = "01M832KFWS8DVC1KZFQQET0SJX";
        let here = Name::Object {
            space: None,
            id: id.into(),
        };
        let there = Name::Object {
            space: Some(space),
            id: id.into(),
        };
        for (text, wanted) in [
            (format!("dxn:echo:@:{id}"), &here),
            (format!("dxn:echo:{id}"), &here),
            (format!("echo:///{id}"), &here),
            (format!("echo:/{id}"), &here),
            (format!("dxn:echo:{space}:{id}"), &there),
            (format!("echo://{space}/{id}"), &there),
            (format!("dxn:queue:data:{space}:{id}"), &Name::Other),
            (format!("dxn:echo:nowhere:{id}"), &Name::Other),
            (
                "dxn:type:a.b/C:1.0.0".into(),
                &Name::Type("a.b/C:1.0.0".into()),
            ),
            ("dxn:a.b.C:1.0.0".into(), &Name::Type("a.b.C:1.0.0".into())),
            ("https://example.com".into(), &Name::Other),
            ("dxn:".into(), &Name::Other),
            (String::new(), &Name::Other),
        ] {
            assert_eq!(&parse(&text), wanted, "{text}");
        }
    }
}
