//! Materialised objects: the record's row, its index rows, links and full text.
//!
//! The row's *marks* say what was indexed for it: links, index keys and a fingerprint of the full text. A write
//! compares them with what shall stand now and touches only the difference.

use dxos_base::query::TextMode;
use dxos_base::{ObjectId, SpaceId};
use dxos_echo::store::{IndexKey, IndexScan, ObjectRow, StoreError};
use rusqlite::{OptionalExtension as _, params};

use crate::error::{corrupt, fixed, store_error};
use crate::sqlite::SqliteStore;

/// Bytes of a value that the index holds; readers re-check longer ones.
const INDEX_VALUE_BYTES_MAX: usize = 128;

fn cut(value: &[u8]) -> &[u8] {
    value.get(..INDEX_VALUE_BYTES_MAX).unwrap_or(value)
}

/// What is indexed of an object; sorted, without repeats.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks {
    /// Fingerprint of the full text; 0 = none.
    full_text: u64,
    links: Vec<ObjectId>,
    keys: Vec<(i64, Vec<u8>)>,
}

impl Marks {
    /// text fingerprint (8) ‖ number of links (4) ‖ links (16 each) ‖ keys: property (4), length (2), value.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + self.links.len() * 16 + self.keys.len() * 32);
        out.extend_from_slice(&self.full_text.to_le_bytes());
        out.extend_from_slice(&(self.links.len() as u32).to_le_bytes());
        for link in &self.links {
            out.extend_from_slice(link.as_bytes());
        }
        for (property, value) in &self.keys {
            out.extend_from_slice(&(*property as u32).to_le_bytes());
            out.extend_from_slice(&(value.len() as u16).to_le_bytes());
            out.extend_from_slice(value);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Marks> {
        let (full_text, rest) = bytes.split_first_chunk::<8>()?;
        let (links_count, mut rest) = rest.split_first_chunk::<4>()?;
        let mut marks = Marks {
            full_text: u64::from_le_bytes(*full_text),
            ..Marks::default()
        };
        for _ in 0..u32::from_le_bytes(*links_count) {
            let (link, after) = rest.split_first_chunk::<16>()?;
            marks.links.push(ObjectId(*link));
            rest = after;
        }
        while !rest.is_empty() {
            let (property, after) = rest.split_first_chunk::<4>()?;
            let (len, after) = after.split_first_chunk::<2>()?;
            let (value, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
            marks
                .keys
                .push((i64::from(u32::from_le_bytes(*property)), value.to_vec()));
            rest = after;
        }
        Some(marks)
    }
}

/// FNV-1a over the text, never 0: a change goes unnoticed once in 2⁶⁴.
fn fingerprint(text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash.max(1)
}

/// What stands in `old` and not in `new`; both sorted.
fn gone<'a, T: Ord>(old: &'a [T], new: &'a [T]) -> impl Iterator<Item = &'a T> {
    old.iter()
        .filter(move |item| new.binary_search(item).is_err())
}

/// An FTS5 query. `None` if there is no word.
fn match_expression(query: &str, mode: TextMode) -> Option<String> {
    /// Words looked at: more do not make a result better, and the query comes from a person.
    const WORDS_MAX: usize = 16;
    let words: Vec<String> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| match mode {
        TextMode::All => words.join(" "),
        TextMode::Prefix => words.join(" ") + "*",
        TextMode::Any => words.join(" OR "),
    })
}

impl SqliteStore {
    pub(crate) fn object_read(
        &mut self,
        space: SpaceId,
        object: ObjectId,
    ) -> Result<Option<ObjectRow>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(None);
        };
        let found = self
            .statement("SELECT version, type, shown, body FROM obj WHERE sid = ? AND id = ?")?
            .query_row(params![sid, object.as_bytes()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()
            .map_err(store_error)?;
        let Some((version, type_number, shown, body)) = found else {
            return Ok(None);
        };
        let type_name = self.type_name(type_number)?;
        Ok(Some(ObjectRow {
            object,
            version: version as u64,
            type_name,
            shown,
            body,
        }))
    }

    pub(crate) fn object_write(
        &mut self,
        space: SpaceId,
        row: &ObjectRow,
        index: &[IndexKey],
        full_text: &str,
        references: &[ObjectId],
    ) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        let type_number = self.name_number(&row.type_name)?;
        let mut new = Marks {
            full_text: fingerprint(full_text),
            links: references.to_vec(),
            keys: Vec::new(),
        };
        for key in index {
            new.keys
                .push((self.name_number(&key.property)?, cut(&key.value).to_vec()));
        }
        new.links.sort_unstable();
        new.links.dedup();
        new.keys.sort_unstable();
        new.keys.dedup();

        let known = self
            .statement("SELECT rid, marks FROM obj WHERE sid = ? AND id = ?")?
            .query_row(params![sid, row.object.as_bytes()], |found| {
                Ok((
                    found.get::<_, i64>(0)?,
                    Marks::decode(found.get_ref(1)?.as_blob()?),
                ))
            })
            .optional()
            .map_err(store_error)?;
        let (rid, old) = match known {
            Some((rid, old)) => {
                self.statement(
                    "UPDATE obj SET type = ?, shown = ?, version = ?, marks = ?, body = ? WHERE rid = ?",
                )?
                .execute(params![
                    type_number,
                    row.shown,
                    row.version as i64,
                    new.encode(),
                    row.body,
                    rid
                ])
                .map_err(store_error)?;
                (rid, old.ok_or_else(|| corrupt("marks of an object"))?)
            }
            None => {
                let rid = self
                    .statement(
                        "INSERT INTO obj(sid, id, type, shown, version, marks, body) VALUES(?,?,?,?,?,?,?)",
                    )?
                    .insert(params![
                        sid,
                        row.object.as_bytes(),
                        type_number,
                        row.shown,
                        row.version as i64,
                        new.encode(),
                        row.body
                    ])
                    .map_err(store_error)?;
                (rid, Marks::default())
            }
        };
        self.index_replace(sid, row.object, &old, &new)?;
        if old.full_text != new.full_text {
            self.full_text_replace(rid, old.full_text != 0, full_text)?;
        }
        Ok(())
    }

    fn index_replace(
        &mut self,
        sid: i64,
        object: ObjectId,
        old: &Marks,
        new: &Marks,
    ) -> Result<(), StoreError> {
        let id = object.as_bytes();
        for (property, value) in gone(&old.keys, &new.keys) {
            self.statement("DELETE FROM ix WHERE sid = ? AND prop = ? AND value = ? AND id = ?")?
                .execute(params![sid, property, value, id])
                .map_err(store_error)?;
        }
        for (property, value) in gone(&new.keys, &old.keys) {
            self.statement("INSERT OR IGNORE INTO ix VALUES(?,?,?,?)")?
                .execute(params![sid, property, value, id])
                .map_err(store_error)?;
        }
        for target in gone(&old.links, &new.links) {
            self.statement("DELETE FROM link WHERE sid = ? AND target = ? AND source = ?")?
                .execute(params![sid, target.as_bytes(), id])
                .map_err(store_error)?;
        }
        for target in gone(&new.links, &old.links) {
            self.statement("INSERT OR IGNORE INTO link VALUES(?,?,?)")?
                .execute(params![sid, target.as_bytes(), id])
                .map_err(store_error)?;
        }
        Ok(())
    }

    fn full_text_replace(&mut self, rid: i64, had: bool, text: &str) -> Result<(), StoreError> {
        if had {
            self.statement("DELETE FROM fts WHERE rowid = ?")?
                .execute([rid])
                .map_err(store_error)?;
        }
        if !text.is_empty() {
            self.statement("INSERT INTO fts(rowid, body) VALUES(?,?)")?
                .execute(params![rid, text])
                .map_err(store_error)?;
        }
        Ok(())
    }

    pub(crate) fn objects_read(
        &mut self,
        space: SpaceId,
        type_name: Option<&str>,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectRow>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // The empty blob sorts before every id.
        let after: &[u8] = after.as_ref().map_or(&[], |id| id.as_bytes());
        let (filter, type_number) = match type_name {
            Some(name) => match self.name_known(name)? {
                Some(number) => ("type = ?2 AND", number),
                None => return Ok(Vec::new()),
            },
            None => ("?2 = 0 AND", 0),
        };
        let mut statement = self.statement(&format!(
            "SELECT id, version, type, shown, body FROM obj
             WHERE sid = ?1 AND {filter} id > ?3 ORDER BY id LIMIT ?4"
        ))?;
        let mut rows = statement
            .query(params![sid, type_number, after, limit])
            .map_err(store_error)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(store_error)? {
            let read = || -> rusqlite::Result<_> {
                Ok((
                    row.get_ref(0)?.as_blob()?,
                    row.get::<_, i64>(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            };
            let (id, version, type_number, shown, body) = read().map_err(store_error)?;
            found.push((
                ObjectId(fixed(id, "object id")?),
                version,
                type_number,
                shown,
                body,
            ));
        }
        drop(rows);
        drop(statement);
        let named = |(object, version, type_number, shown, body): (_, i64, _, _, _)| {
            let type_name = self.type_name(type_number)?;
            Ok(ObjectRow {
                object,
                version: version as u64,
                type_name,
                shown,
                body,
            })
        };
        found.into_iter().map(named).collect()
    }

    pub(crate) fn index_read(
        &mut self,
        space: SpaceId,
        scan: &IndexScan,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let Some(property) = self.name_known(&scan.property)? else {
            return Ok(Vec::new());
        };
        // Bounds are cut as the values are: what a cut value could hide is given, and re-checked by the reader.
        let from = cut(scan.from.as_deref().unwrap_or(&[]));
        let to = scan.to.as_deref();
        let limit = i64::try_from(scan.limit).unwrap_or(i64::MAX);
        let skip = i64::try_from(scan.skip).unwrap_or(i64::MAX);
        let upper = match to {
            None => "?4 IS NULL",
            Some(to) if to.len() > INDEX_VALUE_BYTES_MAX => "value <= ?4",
            Some(_) => "value < ?4",
        };
        let order = if scan.descending {
            "value DESC, id DESC"
        } else {
            "value, id"
        };
        let mut statement = self.statement(&format!(
            "SELECT id FROM ix WHERE sid = ?1 AND prop = ?2 AND value >= ?3 AND {upper}
             ORDER BY {order} LIMIT ?5 OFFSET ?6"
        ))?;
        let rows = statement
            .query(params![sid, property, from, to.map(cut), limit, skip])
            .map_err(store_error)?;
        collect_ids(rows)
    }

    pub(crate) fn search_read(
        &mut self,
        space: SpaceId,
        query: &str,
        mode: TextMode,
        limit: usize,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let Some(expression) = match_expression(query, mode) else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.statement(
            "SELECT o.id FROM fts JOIN obj o ON o.rid = fts.rowid
             WHERE fts MATCH ? AND o.sid = ? ORDER BY fts.rank, o.id LIMIT ?",
        )?;
        let rows = statement
            .query(params![expression, sid, limit])
            .map_err(store_error)?;
        collect_ids(rows)
    }

    pub(crate) fn referrers_read(
        &mut self,
        space: SpaceId,
        target: ObjectId,
    ) -> Result<Vec<ObjectId>, StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(Vec::new());
        };
        let mut statement =
            self.statement("SELECT source FROM link WHERE sid = ? AND target = ? ORDER BY source")?;
        let rows = statement
            .query(params![sid, target.as_bytes()])
            .map_err(store_error)?;
        collect_ids(rows)
    }

    pub(crate) fn objects_remove(&mut self, space: SpaceId) -> Result<(), StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(());
        };
        for sql in [
            "DELETE FROM fts WHERE rowid IN (SELECT rid FROM obj WHERE sid = ?)",
            "DELETE FROM ix WHERE sid = ?",
            "DELETE FROM link WHERE sid = ?",
            "DELETE FROM obj WHERE sid = ?",
        ] {
            self.statement(sql)?.execute([sid]).map_err(store_error)?;
        }
        Ok(())
    }
}

fn collect_ids(mut rows: rusqlite::Rows<'_>) -> Result<Vec<ObjectId>, StoreError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let id = row
            .get_ref(0)
            .and_then(|value| Ok(value.as_blob()?))
            .map_err(store_error)?;
        found.push(ObjectId(fixed(id, "object id")?));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_encoding_and_every_cut_is_refused_or_shorter() {
        let marks = Marks {
            full_text: fingerprint("milk"),
            links: vec![ObjectId([1; 16]), ObjectId([2; 16])],
            keys: vec![(1, vec![]), (1, vec![7; 128]), (900, vec![0, 255])],
        };
        let bytes = marks.encode();
        assert_eq!(Marks::decode(&bytes).as_ref(), Some(&marks));
        for cut in 0..bytes.len() {
            assert_ne!(Marks::decode(&bytes[..cut]).as_ref(), Some(&marks));
        }
        assert_eq!(Marks::decode(&[255; 12]), None, "a count without its links");
    }

    /// SQLite plans a statement anew when a value it looked at while planning changes: three times the cost.
    #[test]
    fn statements_are_planned_once() {
        let mut store = SqliteStore::memory().unwrap();
        let space = SpaceId([1; 20]);
        for n in 0..40 {
            let row = ObjectRow {
                object: ObjectId([n; 16]),
                version: 1,
                type_name: "t".into(),
                shown: true,
                body: vec![n],
            };
            let keys = [IndexKey {
                property: "p".into(),
                value: vec![n],
            }];
            store
                .object_write(space, &row, &keys, "text", &[ObjectId([9; 16])])
                .unwrap();
            store.object_write(space, &row, &[], "", &[]).unwrap();
            assert_eq!(store.object_read(space, row.object).unwrap(), Some(row));
            store
                .objects_read(space, Some("t"), Some(ObjectId([n; 16])), 9)
                .unwrap();
            let scan = IndexScan {
                property: "p".into(),
                from: Some(vec![n]),
                to: None,
                descending: true,
                skip: 0,
                limit: 9,
            };
            store.index_read(space, &scan).unwrap();
            store
                .search_read(space, "tex", TextMode::Prefix, 9)
                .unwrap();
            store.referrers_read(space, ObjectId([n; 16])).unwrap();
        }
        assert_eq!(store.planned_again(), []);
    }

    #[test]
    fn queries_of_people_are_never_syntax() {
        let prefix = |query: &str| match_expression(query, TextMode::Prefix);
        assert_eq!(prefix("  "), None);
        assert_eq!(prefix("\"*()-^:"), None);
        assert_eq!(prefix("buy MIL").as_deref(), Some("\"buy\" \"MIL\"*"));
        assert_eq!(prefix("a\"OR\"b").as_deref(), Some("\"a\" \"OR\" \"b\"*"));
        assert_eq!(
            match_expression("a or b", TextMode::Any).as_deref(),
            Some("\"a\" OR \"or\" OR \"b\"")
        );
        assert_eq!(
            match_expression("a b", TextMode::All).as_deref(),
            Some("\"a\" \"b\"")
        );
    }
}
