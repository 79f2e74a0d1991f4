//! The sample of client 0.8.3, archives made here, damage.

use std::collections::BTreeMap;

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ObjId, ObjType, ROOT, ScalarValue};
use dxos_base::plain::PlaceStep;
use dxos_base::{PlainObject, Ref, Value};
use serde_json::{Value as Json, json};

use super::{SpaceArchive, read};

const SAMPLE: &[u8] = include_bytes!("../../tests/fixtures/dxos-0.8.3-sample.tar");
const SAMPLE_JSON: &str = include_str!("../../tests/fixtures/dxos-0.8.3-sample.json");

/// A value as the original's JSON has it.
fn shown(plain: &PlainObject, place: &mut Vec<PlaceStep>, value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::String(text) => json!(text),
        Value::Text(_) => json!(plain.texts[place]),
        Value::List(values) => {
            let mut out = Vec::new();
            for (number, value) in values.iter().enumerate() {
                place.push(PlaceStep::Number(number as u32));
                out.push(shown(plain, place, value));
                place.pop();
            }
            Json::Array(out)
        }
        Value::Map(values) => {
            let mut out = serde_json::Map::new();
            for (name, value) in values {
                place.push(PlaceStep::Name(name.clone()));
                out.insert(name.clone(), shown(plain, place, value));
                place.pop();
            }
            Json::Object(out)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_sample_of_client_0_8_3_gives_what_that_client_shows() {
    let archive = read(SAMPLE).unwrap();
    assert_eq!(archive.name.as_deref(), Some("Imported from DXOS"));
    assert_eq!(
        archive.space.unwrap().to_string(),
        "BI6DQDHS3S44HTJ7EP5ULLIJ6SWH6THXO"
    );
    assert_eq!((archive.changed, archive.left), (vec![], vec![]));
    let wanted: Vec<Json> = serde_json::from_str(SAMPLE_JSON).unwrap();
    let by_id: BTreeMap<String, &PlainObject> = archive
        .objects
        .iter()
        .map(|object| (object.object.to_string(), object))
        .collect();
    assert_eq!(by_id.len(), wanted.len() + 1, "and the deleted one");
    for json in &wanted {
        let plain = by_id[json["@id"].as_str().unwrap()];
        assert!(!plain.deleted);
        let dxn = json["@type"]["/"].as_str().unwrap();
        let (type_name, _) = super::names::type_name(dxn.strip_prefix("dxn:type:").unwrap());
        assert_eq!(plain.type_name, type_name);
        let fields = json.as_object().unwrap().iter();
        let fields: BTreeMap<_, _> = fields.filter(|(name, _)| !name.starts_with('@')).collect();
        assert_eq!(
            fields.keys().map(|name| name.as_str()).collect::<Vec<_>>(),
            plain.values.keys().map(String::as_str).collect::<Vec<_>>()
        );
        for (name, json) in fields {
            let mut place = vec![PlaceStep::Name(name.clone())];
            assert_eq!(
                &shown(plain, &mut place, &plain.values[name]),
                json,
                "{name}"
            );
        }
        if dxn.contains("Document") {
            assert!(matches!(plain.values["content"], Value::Text(_)));
            assert!(matches!(plain.values["name"], Value::String(_)));
        }
    }
    let deleted: Vec<_> = archive
        .objects
        .iter()
        .filter(|object| object.deleted)
        .collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].type_name, "com.example.type.Task@0.1.0");
    assert!(deleted[0].values.contains_key("title"));
}

/// Makes archives.
#[derive(Default)]
struct Maker {
    files: Vec<(String, Vec<u8>)>,
}

impl Maker {
    fn file(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), bytes.into()));
        self
    }

    fn document(self, id: &str, fill: impl FnOnce(&mut AutoCommit)) -> Self {
        let mut document = AutoCommit::new();
        fill(&mut document);
        let bytes = document.save();
        self.file(&format!("documents/{id}.bin"), bytes)
    }

    fn tar(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn read(&self) -> SpaceArchive {
        read(&self.tar()[..]).unwrap()
    }
}

const A: &str = "01M832KFWS8DVC1KZFQQET0SJX";
const B: &str = "01M832KFY986MZAZNY0KT7Z6D8";

fn links(document: &mut AutoCommit, to: &[(&str, &str)]) {
    let links = document.put_object(ROOT, "links", ObjType::Map).unwrap();
    for (id, url) in to {
        document.put(&links, *id, *url).unwrap();
    }
}

fn map(document: &mut AutoCommit, at: &ObjId, name: &str) -> ObjId {
    document.put_object(at, name, ObjType::Map).unwrap()
}

/// An object with strings as older clients keep them; gives its `system` and `data`.
fn object(document: &mut AutoCommit, id: &str, dxn: &str) -> (ObjId, ObjId) {
    let objects = map(document, &ROOT, "objects");
    let object = map(document, &objects, id);
    let system = map(document, &object, "system");
    let of_type = map(document, &system, "type");
    document.put(&of_type, "/", dxn).unwrap();
    map(document, &object, "meta");
    let data = map(document, &object, "data");
    (system, data)
}

#[test]
fn all_kinds_of_values_relations_parents_and_old_references_are_read() {
    let archive = Maker::default()
        .document("root", |root| {
            links(root, &[(A, "automerge:a#heads"), (B, "automerge:b")])
        })
        .document("b", |document| {
            drop(object(document, B, "dxn:type:x.org/type/B:1.0.0"))
        })
        .document("a", |document| {
            let (system, data) = object(document, A, "dxn:type:x.org/type/Link:0.2.0");
            for (name, value) in [
                ("source", format!("dxn:echo:@:{A}")),
                (
                    "target",
                    format!("dxn:echo:BI6DQDHS3S44HTJ7EP5ULLIJ6SWH6THXO:{B}"),
                ),
                ("parent", format!("echo:///{B}")),
            ] {
                let end = map(document, &system, name);
                document.put(&end, "/", value).unwrap();
            }
            let text = document.put_object(&data, "text", ObjType::Text).unwrap();
            document.splice_text(&text, 0, 0, "short").unwrap();
            document
                .put(&data, "count", ScalarValue::counter(7))
                .unwrap();
            document
                .put(&data, "when", ScalarValue::Timestamp(1234))
                .unwrap();
            document.put(&data, "raw", vec![1_u8, 2]).unwrap();
            document.put(&data, "big", u64::MAX).unwrap();
            document.put(&data, "@odd", 1).unwrap();
            let old = map(document, &data, "old");
            for (name, value) in [
                ("@type", "dxos.echo.model.document.Reference"),
                ("itemId", B),
            ] {
                document.put(&old, name, value).unwrap();
            }
            let queue = map(document, &data, "queue");
            document.put(&queue, "/", "dxn:queue:data:B:1").unwrap();
        })
        .file("notes.txt", "?")
        .read();
    let a = archive
        .objects
        .iter()
        .find(|o| o.object.to_string() == A)
        .unwrap();
    let b = Ref::local(B.parse().unwrap());
    assert_eq!(a.type_name, "org.x.type.Link@0.2.0");
    assert_eq!(a.meta.source, Some(Ref::local(A.parse().unwrap())));
    assert_eq!(a.meta.parent, Some(b));
    assert_eq!(a.meta.target.unwrap().object, b.object);
    assert!(
        a.meta.target.unwrap().space.is_some(),
        "no metadata tells that it is this space"
    );
    assert!(matches!(a.values["text"], Value::Text(_)));
    assert_eq!(a.texts[&vec![PlaceStep::Name("text".into())]], "short");
    assert_eq!(a.values["count"], Value::Counter(7));
    assert_eq!(a.values["when"], Value::Timestamp(1234));
    assert_eq!(a.values["raw"], Value::Bytes(vec![1, 2]));
    assert_eq!(a.values["big"], Value::float(u64::MAX as f64));
    assert_eq!(a.values["_@odd"], Value::Int(1));
    assert_eq!(a.values["old"], Value::Ref(b));
    assert!(matches!(a.values["queue"], Value::Map(_)));
    assert_eq!(archive.changed.len(), 3, "{:?}", archive.changed);
    assert_eq!(archive.left.len(), 1, "{:?}", archive.left);
}

#[test]
fn what_is_missing_damaged_or_not_of_the_space_is_told_and_the_rest_taken() {
    let maker = Maker::default()
        .file(
            "metadata.json",
            r#"{"version":1,"echo":{"currentRootUrl":"automerge:root"}}"#,
        )
        .document("root", |root| {
            links(
                root,
                &[
                    (A, "automerge:gone"),
                    (B, "automerge:b"),
                    ("zz", "automerge:old"),
                ],
            );
        })
        .document("b", |document| {
            drop(object(document, B, "dxn:type:x.org/type/B:1.0.0"))
        })
        .document("old", |document| {
            drop(object(document, "zz", "dxn:echo:@:nowhere"))
        })
        .document("stray", |document| {
            drop(object(document, A, "dxn:type:x.org/type/B:1.0.0"))
        })
        .file("documents/damaged.bin", "\u{85}oJ");
    let archive = maker.read();
    assert_eq!(archive.objects.len(), 2);
    let left: Vec<&str> = archive.left.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(
        left,
        [
            "documents/damaged.bin",
            "document stray",
            &format!("object {A}")
        ]
    );
    // Cut anywhere, it is an error or the objects until there.
    let tar = maker.tar();
    for length in (0..tar.len()).step_by(97) {
        if let Ok(archive) = read(&tar[..length]) {
            assert!(archive.objects.len() <= 3);
        }
    }
    // Packed, the same.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, &tar).unwrap();
    assert_eq!(
        read(&packer.finish().unwrap()[..]).unwrap().objects.len(),
        2
    );
}

#[test]
fn what_nests_without_end_costs_one_object() {
    let archive = Maker::default()
        .document("root", |root| {
            links(root, &[(A, "automerge:a"), (B, "automerge:b")])
        })
        .document("b", |document| {
            drop(object(document, B, "dxn:type:x.org/type/B:1.0.0"))
        })
        .document("a", |document| {
            let (_, mut at) = object(document, A, "dxn:type:x.org/type/B:1.0.0");
            for _ in 0..2_000 {
                at = map(document, &at, "a");
            }
        })
        .read();
    assert_eq!(archive.objects.len(), 1);
    assert!(archive.left[0].1.contains("too deep"), "{:?}", archive.left);
}

#[test]
fn documents_of_the_originals_composer_are_documents_here() {
    let archive = Maker::default()
        .document("root", |root| {
            links(root, &[(A, "automerge:a"), (B, "automerge:b")])
        })
        .document("b", |document| {
            let (_, data) = object(document, B, "dxn:type:dxos.org/type/Text:0.1.0");
            let text = document
                .put_object(&data, "content", ObjType::Text)
                .unwrap();
            document.splice_text(&text, 0, 0, "# Hello").unwrap();
        })
        .document("a", |document| {
            let (_, data) = object(document, A, "dxn:type:dxos.org/type/Document:0.1.0");
            document.put(&data, "name", "Greeting").unwrap();
            let content = map(document, &data, "content");
            document
                .put(&content, "/", format!("dxn:echo:@:{B}"))
                .unwrap();
        })
        .read();
    let document = archive
        .objects
        .iter()
        .find(|o| o.object.to_string() == A)
        .unwrap();
    assert_eq!(document.type_name, "org.dxos.type.Document@0.1.0");
    assert_eq!(document.values["title"], Value::from("Greeting"));
    assert_eq!(
        document.values["contentOf"],
        Value::Ref(Ref::local(B.parse().unwrap()))
    );
    assert_eq!(
        document.texts[&vec![PlaceStep::Name("content".into())]],
        "# Hello"
    );
}

#[test]
fn a_later_version_and_other_files_are_refused() {
    let later = Maker::default().file("metadata.json", r#"{"version":2}"#);
    let error = read(&later.tar()[..]).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    for bytes in [&b""[..], b"hello", &[0; 4096]] {
        read(bytes).unwrap_err();
    }
}

#[test]
fn damaged_archives_never_panic() {
    let small = Maker::default()
        .document("root", |root| links(root, &[(B, "automerge:b")]))
        .document("b", |document| {
            drop(object(document, B, "dxn:type:x.org/type/B:1.0.0"))
        })
        .tar();
    dxos_base::fuzz::seeded(&[SAMPLE.to_vec(), small], 400, crate::fuzz::dxos_archive);
    // Damage within a document is found by its checksum, so the checks before it are called directly.
    let mut document = AutoCommit::new();
    object(&mut document, B, "dxn:type:x.org/type/B:1.0.0");
    dxos_base::fuzz::seeded(&[document.save()], 2_000, |bytes| {
        drop(super::bounds::check(bytes))
    });
}
