//! Reading all objects of a space, with their texts, in pieces of bounded size.

use dxos_base::query::Deleted;
use dxos_base::{ObjectId, PlainObject, Query, limits};
use dxos_client::Space;

use crate::ExchangeError;

/// Objects asked for at first.
const OBJECTS_FIRST: usize = 16;
/// Objects asked for at once, at most; the node takes no more than a thousand.
const OBJECTS_MAX: usize = 512;

/// Calls `take` with every object that a query finds, in the order of ids, texts with their content. The query's own
/// order and bounds count for nothing.
///
/// # Errors
/// When the space cannot be read, or what `take` fails with.
pub async fn all(
    space: &Space,
    query: Query,
    mut take: impl FnMut(PlainObject) -> Result<(), ExchangeError>,
) -> Result<(), ExchangeError> {
    let ids = ids(space, query).await?;
    let mut rest = &ids[..];
    let mut count = OBJECTS_FIRST;
    while !rest.is_empty() {
        let (these, others) = rest.split_at(count.min(rest.len()));
        rest = others;
        let objects = space.client().plain(space.id(), these.to_vec()).await?;
        let bytes: usize = objects
            .iter()
            .flat_map(|object| object.texts.values())
            .map(String::len)
            .sum();
        count = match bytes {
            _ if bytes < limits::IMPORT_WRITE_BYTES / 8 => (count * 2).min(OBJECTS_MAX),
            _ if bytes > limits::IMPORT_WRITE_BYTES => (count / 4).max(1),
            _ => count,
        };
        for object in objects {
            take(object)?;
        }
    }
    Ok(())
}

/// All ids that a query finds, sorted. Deleted objects are found if the query includes them.
pub(crate) async fn ids(space: &Space, query: Query) -> Result<Vec<ObjectId>, ExchangeError> {
    let mut found: Vec<ObjectId> = Vec::new();
    loop {
        let skip = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let page = query
            .clone()
            .order_by("@id")
            .skip(skip)
            .limit(limits::QUERY_ROWS_MAX);
        let page = space.client().query_ids(space.id(), page).await?;
        let is_last = page.len() < limits::QUERY_ROWS_MAX as usize;
        found.extend(page);
        if is_last {
            break;
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Everything of a space, deleted objects too.
pub fn everything() -> Query {
    Query::all().deleted(Deleted::Include)
}
