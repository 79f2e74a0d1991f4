//! Comma-separated values, in and out.
//!
//! The first row names the properties: as the type's schema names or titles them, else as it stands. `@id` is the object's
//! id. An empty cell is an absent property.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use dxos_base::json::ID;
use dxos_base::plain::PlaceStep;
use dxos_base::schema::TypeSchema;
use dxos_base::{ObjectId, ObjectMeta, PlainObject, Query, SpaceId, limits};
use dxos_client::Space;

use super::cells::{self, Column};
use super::letters::decode;
use super::{Import, RowIds, schema};
use crate::{ExchangeError, Progress, Put, ReadError, Report, all};

/// A table as it was read.
#[derive(Debug)]
pub(crate) struct Table {
    /// Of each column: property and kind; `None`: the id.
    columns: Vec<Option<(String, Column)>>,
    /// With the line each begins on.
    rows: Vec<(u64, StringRecord)>,
}

impl Table {
    /// Its rows as objects.
    pub(crate) fn objects(
        &self,
        space: SpaceId,
        how: Import<'_>,
    ) -> Vec<Result<PlainObject, String>> {
        let mut ids = RowIds::new(space, how);
        let rows = self.rows.iter();
        rows.map(|(_, row)| object(&self.columns, row, space, how, None, &mut ids))
            .collect()
    }
}

/// Writes the rows of a table into a space as objects.
///
/// # Errors
/// When it is no table, or the space takes no writes any more. What was written stays, and the same call goes on from
/// there.
pub async fn import_csv(
    space: &Space,
    bytes: &[u8],
    how: Import<'_>,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ExchangeError> {
    let schema = schema(space, how.type_name).await?;
    let table = read(bytes, schema.as_ref(), report)?;
    let count = table.rows.len() as u64;
    let mut ids = RowIds::new(space.id(), how);
    let mut put = Put::new(space, report);
    for (done, (line, row)) in table.rows.iter().enumerate() {
        progress(done as u64, count);
        let object = object(
            &table.columns,
            row,
            space.id(),
            how,
            schema.as_ref(),
            &mut ids,
        );
        let name = format!("line {line}");
        match object {
            Ok(object) => {
                if row.len() < table.columns.len() {
                    let why = format!(
                        "has {} of {} cells; the others are empty",
                        row.len(),
                        table.columns.len()
                    );
                    put.report().change(name.clone(), why);
                }
                put.add(name, object).await?;
            }
            Err(reason) => put.report().leave(name, reason),
        }
    }
    put.finish().await?;
    progress(count, count);
    Ok(())
}

/// Reads a table.
pub(crate) fn read(
    bytes: &[u8],
    schema: Option<&TypeSchema>,
    report: &mut Report,
) -> Result<Table, ReadError> {
    let wrong = |detail: &dyn std::fmt::Display| ReadError::format("the table", detail);
    let (text, told) = decode(bytes);
    if let Some(why) = told {
        report.change("the table", why);
    }
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(&text))
        .flexible(true)
        .from_reader(text.as_bytes());
    let names = reader.headers().map_err(|error| wrong(&error))?.clone();
    if names.len() > limits::TABLE_COLUMNS_MAX {
        return Err(ReadError::too_large(
            "the table",
            format!("more than {} columns", limits::TABLE_COLUMNS_MAX),
        ));
    }
    if names.is_empty() {
        return Err(wrong(&"there is nothing in it"));
    }
    let mut rows = Vec::new();
    let (mut line, mut counted) = (1, 0);
    for row in reader.records() {
        let row = row.map_err(|error| wrong(&error))?;
        let mut at = row.position().map_or(0, |place| place.byte() as usize);
        // Behind the CR of a CRLF.
        at += usize::from(text.as_bytes().get(at) == Some(&b'\n'));
        line += text.as_bytes()[counted..at.max(counted)]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count() as u64;
        counted = at.max(counted);
        rows.push((line, row));
    }
    let mut columns = Vec::new();
    let mut seen = BTreeSet::new();
    for (number, name) in names.iter().enumerate() {
        let name = name.trim();
        if name == ID {
            columns.push(None);
            continue;
        }
        let field = schema.and_then(|schema| {
            let named = schema.field_named(name);
            let lower = name.to_lowercase();
            named.or_else(|| {
                let mut fields = schema.fields.iter();
                fields.find(|field| {
                    field.title().to_lowercase() == lower || field.name.to_lowercase() == lower
                })
            })
        });
        let property = match field {
            Some(field) => field.name.clone(),
            None if name.is_empty() => format!("column {}", number + 1),
            None => name.to_owned(),
        };
        if property.starts_with('@') || property.len() >= limits::NAME_BYTES_MAX {
            return Err(wrong(&format!(
                "{} can be no name of a property",
                cut(&property)
            )));
        }
        if !seen.insert(property.clone()) {
            return Err(wrong(&format!("two columns are {}", cut(&property))));
        }
        let column = match field {
            Some(field) => Column::of(&field.kind),
            None => Column::guess(
                rows.iter()
                    .map(|(_, row)| row.get(number).unwrap_or_default()),
            ),
        };
        columns.push(Some((property, column)));
    }
    Ok(Table { columns, rows })
}

/// What stands between cells: what is most often in the first line, outside of quotes.
fn delimiter(text: &str) -> u8 {
    let mut counts = [0_usize; 4];
    let all = [b',', b';', b'\t', b'|'];
    let mut quoted = false;
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => {
                if let Some(which) = all.iter().position(|other| *other == byte) {
                    counts[which] += 1;
                }
            }
        }
    }
    let best = (0..all.len()).rev().max_by_key(|which| counts[*which]);
    best.map_or(b',', |which| all[which])
}

fn cut(text: &str) -> String {
    text.chars().take(32).collect()
}

fn object(
    columns: &[Option<(String, Column)>],
    row: &StringRecord,
    space: SpaceId,
    how: Import<'_>,
    schema: Option<&TypeSchema>,
    ids: &mut RowIds<'_>,
) -> Result<PlainObject, String> {
    let parts: Vec<&[u8]> = row.iter().map(str::as_bytes).collect();
    let mut plain = PlainObject {
        object: ids.next(&parts),
        type_name: how.type_name.to_owned(),
        meta: ObjectMeta::default(),
        created_ms: 0,
        updated_ms: 0,
        deleted: false,
        values: BTreeMap::new(),
        texts: BTreeMap::new(),
    };
    for (number, cell) in row.iter().enumerate() {
        let Some(column) = columns.get(number) else {
            return Err(format!(
                "has {} cells where there are {} columns",
                row.len(),
                columns.len()
            ));
        };
        if cell.is_empty() {
            continue;
        }
        let Some((name, column)) = column else {
            plain.object = cell
                .trim()
                .parse::<ObjectId>()
                .map_err(|error| error.to_string())?;
            continue;
        };
        let (value, text) = column
            .read(cell, space)
            .map_err(|why| format!("{name}: \"{}\" {why}", cut(cell)))?;
        if let Some(text) = text {
            plain
                .texts
                .insert(vec![PlaceStep::Name(name.clone())], text);
        }
        plain.values.insert(name.clone(), value);
    }
    let misfits = schema
        .map(|schema| schema.misfits(&plain.values))
        .unwrap_or_default();
    match misfits.first() {
        Some(misfit) => Err(misfit.to_string()),
        None => Ok(plain),
    }
}

/// Writes all objects of a type as a table. `type_name` may have a version or none.
///
/// # Errors
/// When the space cannot be read, or `into` not be written.
pub async fn export_csv(
    space: &Space,
    type_name: &str,
    into: impl Write,
    report: &mut Report,
) -> Result<(), ExchangeError> {
    let wrong = |error: csv::Error| ExchangeError::Write {
        what: "the table".into(),
        source: std::io::Error::other(error),
    };
    let name = type_name.split('@').next().unwrap_or_default();
    let mut objects = Vec::new();
    all(space, Query::of_type(name), |object| {
        objects.push(object);
        Ok(())
    })
    .await?;
    let of_type = match (type_name.contains('@'), objects.last()) {
        (false, Some(object)) => object.type_name.clone(),
        _ => type_name.to_owned(),
    };
    // A name without version, and no object to tell one: the table is empty.
    let schema = match of_type.contains('@') {
        true => schema(space, &of_type).await?,
        false => None,
    };
    let mut names: Vec<String> = schema
        .iter()
        .flat_map(|schema| schema.fields.iter().map(|field| field.name.clone()))
        .collect();
    let known: BTreeSet<String> = names.iter().cloned().collect();
    let others: BTreeSet<&String> = objects
        .iter()
        .flat_map(|object| object.values.keys())
        .collect();
    names.extend(
        others
            .into_iter()
            .filter(|name| !known.contains(*name))
            .cloned(),
    );
    let columns: Vec<Option<Column>> = names
        .iter()
        .map(|name| {
            schema
                .as_ref()?
                .field_named(name)
                .map(|field| Column::of(&field.kind))
        })
        .collect();
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(into);
    let header = std::iter::once(ID).chain(names.iter().map(String::as_str));
    writer.write_record(header).map_err(wrong)?;
    for object in &objects {
        if object.meta
            != (ObjectMeta {
                created_by: object.meta.created_by,
                updated_by: object.meta.updated_by,
                ..ObjectMeta::default()
            })
        {
            report.change(
                format!("object {}", object.object),
                "has tags, keys or relations, which a table does not hold",
            );
        }
        let mut row = vec![object.object.to_string()];
        for (name, column) in names.iter().zip(&columns) {
            let place = [PlaceStep::Name(name.clone())];
            let text = object.texts.get(&place[..]).map(String::as_str);
            let cell = object
                .values
                .get(name)
                .map(|value| cells::write(value, text, column.as_ref(), space.id()));
            row.push(cell.unwrap_or_default());
        }
        writer.write_record(&row).map_err(wrong)?;
        report.taken += 1;
    }
    writer.flush().map_err(|error| wrong(error.into()))
}
