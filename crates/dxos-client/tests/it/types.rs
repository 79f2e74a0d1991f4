//! Types made and changed at run time.

use std::collections::BTreeMap;

use dxos_client::query::{Query, field};
use dxos_client::schema::{
    Field, FieldChange, FieldType, Format, TypeRef, TypeSchema, VersionRange,
};
use dxos_client::{ErrorKind, ObjectView, Value};

use crate::{open, with_space};

fn book() -> TypeSchema {
    TypeSchema::new("org.example.Book", "0.1.0")
        .unwrap()
        .field(Field::new("title", FieldType::String).required())
        .field(Field::new(
            "price",
            FieldType::Format(Format::Currency(Some("EUR".into()))),
        ))
        .label("title")
}

fn values(pairs: &[(&str, Value)]) -> BTreeMap<String, Value> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

#[test]
fn a_stored_type_is_used_like_one_of_the_code() {
    with_space(|_, space| async move {
        let types = space.types().await.unwrap();
        types.create(book()).await.unwrap();
        assert_eq!(
            types.create(book()).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
        let name = book().type_ref().to_string();
        let good = values(&[("title", "Sea".into()), ("price", 9.5.into())]);
        let sea = space.add_values(&name, good).await.unwrap();
        let refused = space
            .add_values(&name, values(&[("price", "x".into())]))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let set = |name: &str, value: Value| BTreeMap::from([(name.to_owned(), Some(value))]);
        assert_eq!(
            types
                .set(sea, set("title", 5.into()))
                .await
                .unwrap_err()
                .hint(),
            "Change title."
        );
        types.set(sea, set("title", "Lake".into())).await.unwrap();
        let query = Query::of_type("org.example.Book").filter(field("title").eq("Lake"));
        assert_eq!(space.query(query).run().await.unwrap().len(), 1);
        assert!(
            types
                .newest("org.example.Book", &VersionRange::default())
                .is_some()
        );
        types.delete(&book().type_ref()).await.unwrap();
        assert!(types.get(&book().type_ref()).is_none());
        types.create(book()).await.unwrap();
        assert_eq!(*types.get(&book().type_ref()).unwrap().schema, book());
    });
}

#[test]
fn fields_are_added_renamed_removed_and_retyped_and_stored_data_stays_readable() {
    with_space(|_, space| async move {
        let types = space.types().await.unwrap();
        types.create(book()).await.unwrap();
        let name: TypeRef = book().type_ref();
        let first = values(&[("title", "Sea".into()), ("price", 9.5.into())]);
        let sea = space.add_values(&name.to_string(), first).await.unwrap();
        let rename = FieldChange::Rename {
            from: "title".into(),
            to: "name".into(),
        };
        let add = FieldChange::Add {
            field: Field::new("read", FieldType::Bool),
            at: Some(0),
        };
        let retype = FieldChange::Retype {
            name: "price".into(),
            kind: FieldType::Int,
        };
        types.change(&name, [rename, add, retype]).await.unwrap();
        let schema = types.get(&name).unwrap().schema;
        let names: Vec<_> = schema
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .collect();
        assert_eq!(names, ["read", "name", "price"]);
        let old = space.get_view(sea).await.unwrap().unwrap().values;
        let renamed = schema.field_named("name").unwrap();
        assert_eq!(
            TypeSchema::value_of(renamed, &old),
            Some(("title", &"Sea".into()))
        );
        let misfits: Vec<_> = schema.misfits(&old).iter().map(|m| m.path_text()).collect();
        assert_eq!(
            misfits,
            ["price"],
            "what was retyped does not fit until it is written anew"
        );
        let remove = FieldChange::Remove {
            name: "price".into(),
        };
        types.change(&name, [remove]).await.unwrap();
        assert_eq!(types.get(&name).unwrap().schema.misfits(&old), []);
        let unknown = FieldChange::Remove {
            name: "none".into(),
        };
        assert_eq!(
            types.change(&name, [unknown]).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
    });
}

#[test]
fn queries_find_renamed_fields_under_their_former_names() {
    with_space(|_, space| async move {
        let types = space.types().await.unwrap();
        types.create(book()).await.unwrap();
        let name: TypeRef = book().type_ref();
        let mut old = Vec::new();
        for title in ["Sea", "Air"] {
            let values = values(&[("title", title.into())]);
            old.push(space.add_values(&name.to_string(), values).await.unwrap());
        }
        let [sea, air] = old[..] else { panic!("two") };
        let by_name = Query::of_type("org.example.Book")
            .filter(field("name").gte("B"))
            .order_by("name");
        let mut rows = space.query(by_name.clone()).subscribe();
        let ids = |views: &[ObjectView]| views.iter().map(|v| v.object).collect::<Vec<_>>();
        assert_eq!(ids(&rows.next().await.unwrap().rows), []);
        let rename = FieldChange::Rename {
            from: "title".into(),
            to: "name".into(),
        };
        types.change(&name, [rename]).await.unwrap();
        // Asked before the field had this name.
        assert_eq!(ids(&rows.next().await.unwrap().rows), [sea]);
        let bay = values(&[("name", "Bay".into())]);
        let bay = space.add_values(&name.to_string(), bay).await.unwrap();
        assert_eq!(ids(&rows.next().await.unwrap().rows), [bay, sea]);
        assert_eq!(ids(&space.query(by_name).run().await.unwrap()), [bay, sea]);
        let grouped = Query::of_type("org.example.Book").group_by("name");
        let answer = space.client().answer(space.id(), grouped).await.unwrap();
        assert_eq!(answer.groups.len(), 3);
        // An object written anew under the present name counts by that.
        let set = BTreeMap::from([("name".to_owned(), Some("Zoo".into()))]);
        types.set(air, set).await.unwrap();
        assert_eq!(ids(&rows.next().await.unwrap().rows), [bay, sea, air]);
    });
}

#[test]
fn stored_types_are_there_in_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    dxos_client::native::run(async {
        let client = open(directory.path()).await;
        client.halo().create_identity("Ada").await.unwrap();
        let space = client.spaces().create("Home").await.unwrap();
        space.types().await.unwrap().create(book()).await.unwrap();
        let id = space.id();
        client.close().await;
        let client = open(directory.path()).await;
        client.halo().wait_for_identity().await;
        let types = client.spaces().get(id).unwrap().types().await.unwrap();
        assert_eq!(*types.get(&book().type_ref()).unwrap().schema, book());
        client.close().await;
    })
    .unwrap();
}
