//! Tables: objects of one type as comma-separated values or as a JSON list, in and out.
//!
//! Invariants
//! * a row becomes an object whole or not at all; the report names rows by their line;
//! * rows have ids made of their content, unless `@id` gives one, so the same table twice makes nothing twice, and a row
//!   put in between makes one object.

mod cells;
mod csv;
mod json;
mod letters;

pub use self::csv::{export_csv, import_csv};
pub use self::json::{export_json, import_json};

use std::collections::BTreeMap;

use dxos_base::schema::{TypeRef, TypeSchema};
use dxos_base::{ObjectId, SpaceId, hash};
use dxos_client::Space;

use crate::ExchangeError;

/// What a table is read as.
#[derive(Debug, Clone, Copy)]
pub struct Import<'a> {
    /// `@type` of its objects, with version; empty: none, or what the objects say themselves.
    pub type_name: &'a str,
    /// What the source is called: rows of one source and content are the same objects.
    pub source: &'a str,
}

/// The schema of a type, if the code or the space has it.
///
/// # Errors
/// When the name is none, or the space cannot be read.
async fn schema(space: &Space, type_name: &str) -> Result<Option<TypeSchema>, ExchangeError> {
    if type_name.is_empty() {
        return Ok(None);
    }
    let name: TypeRef = type_name.parse().map_err(|_| dxos_client::Error::NoType {
        type_name: type_name.to_owned(),
    })?;
    let types = space.types().await?;
    Ok(types
        .get(&name)
        .map(|found| TypeSchema::clone(&found.schema)))
}

/// Reads any bytes as each kind of table.
#[doc(hidden)]
pub(crate) fn read_any(bytes: &[u8]) {
    let space = SpaceId([1; 20]);
    let how = Import {
        type_name: "",
        source: "",
    };
    let mut report = crate::Report::default();
    if let Ok(table) = csv::read(bytes, None, &mut report) {
        for object in table.objects(space, how) {
            drop(object);
        }
    }
    if let Ok(objects) = json::read(bytes, space, how, &mut report) {
        for object in objects.into_iter().flatten() {
            dxos_base::invariant!(
                object.values.values().all(dxos_base::Value::depth_fits),
                "what is read is not too deep"
            );
        }
    }
}

/// Ids of rows, from their content.
struct RowIds<'a> {
    space: SpaceId,
    name: String,
    /// How often a content came.
    count: BTreeMap<[u8; 32], u64>,
    how: Import<'a>,
}

impl<'a> RowIds<'a> {
    fn new(space: SpaceId, how: Import<'a>) -> RowIds<'a> {
        RowIds {
            space,
            name: format!("org.dxos.table/{}", how.source),
            count: BTreeMap::new(),
            how,
        }
    }

    fn next(&mut self, parts: &[&[u8]]) -> ObjectId {
        let mut all: Vec<&[u8]> = vec![self.how.type_name.as_bytes()];
        let lengths: Vec<[u8; 8]> = parts
            .iter()
            .map(|part| (part.len() as u64).to_le_bytes())
            .collect();
        for (length, part) in lengths.iter().zip(parts) {
            all.push(length);
            all.push(part);
        }
        let print = hash("table row", &all).0;
        let count = self.count.entry(print).or_default();
        *count += 1;
        let print: String = print.iter().map(|byte| format!("{byte:02x}")).collect();
        ObjectId::well_known(&self.space, &self.name, &format!("{print}/{count}"))
    }
}
