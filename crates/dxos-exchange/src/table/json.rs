//! Objects of a JSON list (or one object), in and out: the form of [`dxos_base::json`], in which plain JSON is itself.

use std::io::Write;

use dxos_base::json::{from_json, to_json};
use dxos_base::query::Deleted;
use dxos_base::{PlainObject, Query, SpaceId};
use dxos_client::Space;
use serde_json::Value as Json;

use super::letters::decode;
use super::{Import, RowIds, schema};
use crate::{ExchangeError, Progress, Put, ReadError, Report, all};

/// Writes objects into a space. Those that say no type get the one that is asked for.
///
/// # Errors
/// When it is no JSON, or the space takes no writes any more. What was written stays, and the same call goes on from
/// there.
pub async fn import_json(
    space: &Space,
    bytes: &[u8],
    how: Import<'_>,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ExchangeError> {
    let schema = schema(space, how.type_name).await?;
    let objects = read(bytes, space.id(), how, report)?;
    let count = objects.len() as u64;
    let mut put = Put::new(space, report);
    for (number, object) in objects.into_iter().enumerate() {
        progress(number as u64, count);
        let name = format!("object {}", number + 1);
        match object {
            Ok(object) => {
                let of_schema = schema
                    .as_ref()
                    .filter(|_| object.type_name == how.type_name);
                let misfits = of_schema.map(|schema| schema.misfits(&object.values));
                match misfits.unwrap_or_default().first() {
                    Some(misfit) => put.report().leave(name, misfit),
                    None => put.add(name, object).await?,
                }
            }
            Err(reason) => put.report().leave(name, reason),
        }
    }
    put.finish().await?;
    progress(count, count);
    Ok(())
}

/// Reads a list of objects, or one.
pub(crate) fn read(
    bytes: &[u8],
    space: SpaceId,
    how: Import<'_>,
    report: &mut Report,
) -> Result<Vec<Result<PlainObject, String>>, ReadError> {
    let (text, told) = decode(bytes);
    if let Some(why) = told {
        report.change("the file", why);
    }
    let json: Json =
        serde_json::from_str(&text).map_err(|error| ReadError::format("the file", error))?;
    let listed = match json {
        Json::Array(objects) => objects,
        object => vec![object],
    };
    let mut ids = RowIds::new(space, how);
    let objects = listed.iter().map(|json| {
        // Maps are sorted, so the same content has the same letters.
        let id = ids.next(&[json.to_string().as_bytes()]);
        let mut plain = from_json(json, space, || id).map_err(|error| error.to_string())?;
        if plain.type_name.is_empty() {
            plain.type_name = how.type_name.to_owned();
        }
        Ok(plain)
    });
    Ok(objects.collect())
}

/// Writes all objects of a type as a JSON list, one on a line. `type_name` may have a version or none.
///
/// # Errors
/// When the space cannot be read, or `into` not be written.
pub async fn export_json(
    space: &Space,
    type_name: &str,
    mut into: impl Write,
    report: &mut Report,
) -> Result<(), ExchangeError> {
    let wrong = |error| ExchangeError::Write {
        what: "the file".into(),
        source: error,
    };
    let name = type_name.split('@').next().unwrap_or_default();
    let query = Query::of_type(name).deleted(Deleted::Exclude);
    let mut before = "[\n";
    all(space, query, |object| {
        write!(into, "{before}{}", to_json(&object, space.id())).map_err(wrong)?;
        before = ",\n";
        report.taken += 1;
        Ok(())
    })
    .await?;
    let end = if before == "[\n" { "[]\n" } else { "\n]\n" };
    into.write_all(end.as_bytes()).map_err(wrong)
}
