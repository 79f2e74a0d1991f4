//! Documents put together: which object counts, what its names mean here, what is not part of the space.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::plain::PlaceStep;
use dxos_base::{
    ForeignKey, ObjectId, ObjectMeta, PlainObject, Ref, SpaceId, TextId, Value, limits,
};
use serde_json::Value as Json;

use super::SpaceArchive;
use super::document::{Document, Object, document_of};
use super::names::{self, Name};
use crate::ReadError;

/// The type of the object that holds a space's name.
const PROPERTIES: &str = "org.dxos.type.Properties@";
/// The last version of the archive known here.
const VERSION: u64 = 1;

pub(super) fn assemble(
    out: &mut SpaceArchive,
    metadata: Option<&Json>,
    mut documents: BTreeMap<String, Document>,
) -> Result<(), ReadError> {
    let told = |pointer: &str| metadata.and_then(|json| json.pointer(pointer));
    if let Some(version) = told("/version").and_then(Json::as_u64)
        && version > VERSION
    {
        return Err(ReadError::Version {
            what: "the archive".into(),
            version,
            known: VERSION,
        });
    }
    let space = told("/originalSpaceId").or_else(|| told("/spaceId"));
    out.space = space
        .and_then(Json::as_str)
        .and_then(|text| text.parse().ok());
    let root = told("/echo/currentRootUrl").or_else(|| told("/currentRootUrl"));
    let root = root.and_then(Json::as_str).map(document_of);
    let root = root_of(root, &documents, out);
    let mut objects: BTreeMap<String, Result<Object, String>> = BTreeMap::new();
    if let Some(root) = root.and_then(|root| documents.remove(&root)) {
        objects.extend(root.objects);
        linked(&root.links, &mut documents, &mut objects, out);
        for (id, document) in &documents {
            if !document.objects.is_empty() {
                let count = document.objects.len();
                let why = format!(
                    "{count} objects in it are not of this space: its root leads to none of them"
                );
                out.left.push((format!("document {id}"), why));
            }
        }
    } else {
        out.changed.push((
            "the archive".into(),
            "has no readable root document: all objects in it are taken".into(),
        ));
        for (_, document) in documents {
            for (id, object) in document.objects {
                objects.entry(id).or_insert(object);
            }
        }
    }
    let space = out.space;
    let types = stored_types(&objects);
    for (id, object) in objects {
        match object {
            Ok(object) => {
                let plain = plain(&id, object, space, &types, out);
                out.objects.push(plain);
            }
            Err(reason) => out.left.push((format!("object {id}"), reason)),
        }
    }
    out.objects.sort_by_key(|object| object.object);
    open_documents(&mut out.objects);
    let properties = out
        .objects
        .iter()
        .find(|object| object.type_name.starts_with(PROPERTIES));
    let name = properties.and_then(|object| object.values.get("name")?.as_str());
    out.name = name.map(str::to_owned);
    Ok(())
}

/// Documents of the original's Composer, which keep name and text in other places than ours, get what ours need; what
/// they had stays: the name, and the reference to the text's object as `contentOf`.
fn open_documents(objects: &mut [PlainObject]) {
    let is_of = |object: &PlainObject, name: &str| {
        let own = object.type_name.split('@').next();
        own == Some(name)
    };
    let place = vec![PlaceStep::Name("content".into())];
    let texts: BTreeMap<ObjectId, String> = objects
        .iter()
        .filter(|object| is_of(object, "org.dxos.type.Text"))
        .filter_map(|object| {
            let plain = object.values.get("content").and_then(Value::as_str);
            let text = object.texts.get(&place).map(String::as_str).or(plain)?;
            Some((object.object, text.to_owned()))
        })
        .collect();
    for document in objects {
        if !is_of(document, "org.dxos.type.Document") {
            continue;
        }
        if let Some(Value::String(name)) = document.values.get("name").cloned() {
            document
                .values
                .entry("title".into())
                .or_insert(Value::String(name));
        }
        if let Some(Value::Ref(reference)) = document.values.get("content").cloned()
            && reference.space.is_none()
            && let Some(text) = texts.get(&reference.object)
        {
            document
                .values
                .insert("contentOf".into(), Value::Ref(reference));
            document
                .values
                .insert("content".into(), Value::Text(TextId([0; 16])));
            document.texts.insert(place.clone(), text.clone());
        }
    }
}

/// The root document: the one that is told, else the one that links to most.
fn root_of(
    told: Option<&str>,
    documents: &BTreeMap<String, Document>,
    out: &mut SpaceArchive,
) -> Option<String> {
    if let Some(told) = told {
        match documents.get(told) {
            Some(document) if document.unreadable.is_none() => return Some(told.to_owned()),
            _ => out.changed.push((
                format!("document {told}"),
                "is the root by the metadata, and not readable; another one is taken for it".into(),
            )),
        }
    }
    let roots = documents
        .iter()
        .filter(|(_, document)| !document.links.is_empty());
    let root = roots.max_by_key(|(_, document)| document.links.len());
    root.map(|(id, _)| id.clone())
}

/// Takes the objects that a root links to out of their documents.
fn linked(
    links: &BTreeMap<String, String>,
    documents: &mut BTreeMap<String, Document>,
    objects: &mut BTreeMap<String, Result<Object, String>>,
    out: &mut SpaceArchive,
) {
    let mut seen = BTreeSet::new();
    for (id, name) in links {
        if objects.contains_key(id) {
            out.changed.push((
                format!("object {id}"),
                "stands in the root and in a document of its own; that of the root is taken".into(),
            ));
            if let Some(document) = documents.get_mut(name) {
                document.objects.remove(id);
            }
            continue;
        }
        let found = match documents.get_mut(name) {
            None => Err(format!("its document {name} is not in the archive")),
            Some(document) => match (document.objects.remove(id), &document.unreadable) {
                (Some(object), _) => object,
                (None, Some(reason)) => {
                    Err(format!("its document {name} is not readable: {reason}"))
                }
                (None, None) => Err(format!("it is not in its document {name}")),
            },
        };
        seen.insert(name.clone());
        objects.insert(id.clone(), found);
    }
    // A document may hold more than the object that leads to it.
    for name in seen {
        let Some(document) = documents.get_mut(&name) else {
            continue;
        };
        for (id, object) in std::mem::take(&mut document.objects) {
            objects.entry(id).or_insert(object);
        }
    }
}

/// Types that are objects of the archive themselves: by id, `NAME:VERSION`.
fn stored_types(objects: &BTreeMap<String, Result<Object, String>>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (id, object) in objects {
        let Ok(object) = object else { continue };
        let text = |name: &str| object.values.get(name).and_then(Value::as_str);
        if let (Some(name), Some(version)) = (text("typename"), text("version")) {
            out.insert(id.clone(), format!("{name}:{version}"));
        }
    }
    out
}

fn plain(
    id: &str,
    object: Object,
    space: Option<SpaceId>,
    types: &BTreeMap<String, String>,
    out: &mut SpaceArchive,
) -> PlainObject {
    let called = format!("object {id}");
    let at = |place: &str| format!("{called}, {place}");
    let mut meta = ObjectMeta::default();
    let type_name = match &object.type_name {
        Some(Name::Type(name)) => type_of(name, &called, out),
        Some(Name::Object { id: type_id, .. }) => match types.get(type_id) {
            Some(name) => type_of(name, &called, out),
            None => {
                out.changed.push((
                    called.clone(),
                    format!("its type is the object {type_id}, which is not here; it has none now"),
                ));
                String::new()
            }
        },
        Some(Name::Other) => {
            out.changed.push((
                called.clone(),
                "the name of its type is not known here; it has none now".into(),
            ));
            String::new()
        }
        None => String::new(),
    };
    for (name, end, into) in [
        ("@source", &object.source, &mut meta.source),
        ("@target", &object.target, &mut meta.target),
        ("@parent", &object.parent, &mut meta.parent),
    ] {
        match end {
            Some(Name::Object { space: other, id }) => {
                *into = Some(local(
                    Ref {
                        space: *other,
                        object: names::object_id(id),
                    },
                    space,
                ));
            }
            Some(_) => out.left.push((at(name), "leads to no object".into())),
            None => {}
        }
    }
    if meta.parent.is_some_and(|parent| parent.space.is_some()) {
        out.left
            .push((at("@parent"), "leads to another space".into()));
        meta.parent = None;
    }
    meta.tags.extend(object.tags);
    meta.keys.extend(
        object
            .keys
            .into_iter()
            .map(|(source, id)| ForeignKey { source, id }),
    );
    if id.parse::<ObjectId>().is_err() {
        out.changed.push((
            called.clone(),
            "has another id here, as its own is of an old form".into(),
        ));
        if id.len() < limits::NAME_BYTES_MAX && !id.is_empty() {
            meta.keys.insert(ForeignKey {
                source: "org.dxos".into(),
                id: id.to_owned(),
            });
        }
    }
    out.changed.extend(
        object
            .changed
            .iter()
            .map(|(place, why)| (at(place), (*why).to_owned())),
    );
    out.left.extend(
        object
            .left
            .iter()
            .map(|(place, why)| (at(place), (*why).to_owned())),
    );
    let mut plain = PlainObject {
        object: names::object_id(id),
        type_name,
        meta,
        created_ms: 0,
        updated_ms: 0,
        deleted: object.deleted,
        values: object.values,
        texts: object.texts,
    };
    plain.rewrite(&|reference| local(reference, space));
    plain
}

fn type_of(name: &str, called: &str, out: &mut SpaceArchive) -> String {
    let (type_name, same) = names::type_name(name);
    if !same {
        let short: String = name.chars().take(64).collect();
        out.changed.push((
            called.to_owned(),
            format!("its type {short} is {type_name} here"),
        ));
    }
    type_name
}

/// A reference to the exported space is one within the space.
fn local(reference: Ref, space: Option<SpaceId>) -> Ref {
    match reference.space == space {
        true => Ref::local(reference.object),
        false => reference,
    }
}
