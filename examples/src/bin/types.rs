//! Types made at run time: a person makes a type of things, uses it and changes it, without a program that knows it.
//! `types DIRECTORY` keeps the profile there.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dxos_client::query::{Query, field};
use dxos_client::schema::{Field, FieldChange, FieldType, TypeSchema};
use dxos_client::{Client, Config, Value};

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).context("usage: types DIRECTORY")?;
    dxos_client::native::run(types(&directory))?
}

async fn types(directory: &str) -> Result<()> {
    let client = Client::open(Config::default().directory(directory)).await?;
    client.halo().create_identity("Ada").await?;
    let space = client.spaces().create("Library").await?;

    // A type is an object of the space: it replicates, and every member and tool sees it.
    let types = space.types().await?;
    let book = TypeSchema::new("org.example.Book", "0.1.0")?
        .field(Field::new("title", FieldType::String).required())
        .field(Field::new("pages", FieldType::Int))
        .label("title");
    types.create(book.clone()).await?;
    let name = book.type_ref();
    println!("a book is {}", book.to_json());

    let values = |title: &str, pages: Value| {
        BTreeMap::from([
            ("title".to_owned(), title.into()),
            ("pages".to_owned(), pages),
        ])
    };
    let sea = values("The Sea", Value::from(320));
    space.add_values(&name.to_string(), sea).await?;
    let refused = space
        .add_values(&name.to_string(), values("The Lake", "many".into()))
        .await;
    if let Err(error) = refused {
        println!("refused: {error} {}", error.hint());
    }

    // Stored books keep what they have; the new field is absent in them.
    let read = FieldChange::Add {
        field: Field::new("read", FieldType::Bool),
        at: None,
    };
    types.change(&name, vec![read]).await?;
    let long = Query::of_type("org.example.Book").filter(field("pages").gt(300));
    for row in space.query(long).run().await? {
        println!(
            "long: {:?}",
            row.values["title"].as_str().unwrap_or_default()
        );
    }
    client.close().await;
    Ok(())
}
