//! Materialised objects: the record's row, its index rows, links and full text.
//!
//! A write is told what the object was findable by and what it shall be found by now, and touches only the difference.

use dxos_base::query::TextMode;
use dxos_base::{ObjectId, SpaceId};
use dxos_echo::store::{Findable, IndexScan, ObjectPut, ObjectRow, StoreError};
use rusqlite::{OptionalExtension as _, params};

use crate::error::{fixed, store_error};
use crate::sqlite::SqliteStore;

/// Bytes of a value that the index holds; readers re-check longer ones.
const INDEX_VALUE_BYTES_MAX: usize = 128;

const INSERT_OBJECT: &str =
    "INSERT INTO obj(sid, id, type, shown, doc, shape, body) VALUES(?,?,?,?,?,?,?)";
const INSERT_KEY: &str = "INSERT OR IGNORE INTO ix VALUES(?,?,?,?)";

fn cut(value: &[u8]) -> &[u8] {
    value.get(..INDEX_VALUE_BYTES_MAX).unwrap_or(value)
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
            .statement("SELECT type, shown, shape, body FROM obj WHERE sid = ? AND id = ?")?
            .query_row(params![sid, object.as_bytes()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()
            .map_err(store_error)?;
        let Some((type_number, shown, shape, body)) = found else {
            return Ok(None);
        };
        let body = self.unshaped(shape, body)?;
        let type_name = self.type_name(type_number)?;
        Ok(Some(ObjectRow {
            object,
            type_name,
            shown,
            body,
        }))
    }

    pub(crate) fn object_write(
        &mut self,
        space: SpaceId,
        row: &ObjectRow,
        before: Option<&Findable>,
        now: &Findable,
    ) -> Result<(), StoreError> {
        let sid = self.space_number(space)?;
        let type_number = self.name_number(&row.type_name)?;
        let id = row.object.as_bytes();
        let (shape, body) = self.shaped(sid, type_number, &row.body)?;
        match before {
            None => {
                let doc = match now.full_text.is_empty() {
                    true => None,
                    false => Some(self.document_add(sid, row.object, &now.full_text)?),
                };
                self.statement(INSERT_OBJECT)?
                    .execute(params![sid, id, type_number, row.shown, doc, shape, body])
                    .map_err(store_error)?;
            }
            Some(before) => {
                if before.full_text != now.full_text {
                    self.document_replace(sid, row.object, &now.full_text)?;
                }
                self.row_replace(sid, row, type_number, shape, &body)?;
            }
        }
        match before {
            Some(before) => self.findable_replace(sid, row.object, before, now),
            None => self.findable_replace(sid, row.object, &Findable::default(), now),
        }
    }

    /// Replaces what a row says of an object. Its type mostly stays, and with it the index of types.
    fn row_replace(
        &mut self,
        sid: i64,
        row: &ObjectRow,
        type_number: i64,
        shape: Option<i64>,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let id = row.object.as_bytes();
        let of_type = self
            .statement(
                "UPDATE obj SET shown = ?1, shape = ?2, body = ?3
                 WHERE sid = ?4 AND id = ?5 AND +type = ?6",
            )?
            .execute(params![row.shown, shape, body, sid, id, type_number])
            .map_err(store_error)?;
        if of_type == 0 {
            self.statement(
                "UPDATE obj SET type = ?, shown = ?, shape = ?, body = ? WHERE sid = ? AND id = ?",
            )?
            .execute(params![type_number, row.shown, shape, body, sid, id])
            .map_err(store_error)?;
        }
        Ok(())
    }

    /// New objects without words and references go in table by table, their index rows in the index's order: one
    /// statement each, and neighbours share pages.
    pub(crate) fn objects_write(
        &mut self,
        space: SpaceId,
        puts: &[ObjectPut],
    ) -> Result<(), StoreError> {
        let plain = |put: &&ObjectPut| {
            put.before.is_none() && put.now.full_text.is_empty() && put.now.references.is_empty()
        };
        for put in puts.iter().filter(|put| !plain(put)) {
            self.object_write(space, &put.row, put.before.as_ref(), &put.now)?;
        }
        let sid = self.space_number(space)?;
        let mut bodies = Vec::with_capacity(puts.len());
        let mut rows: Vec<(i64, &[u8], &ObjectId)> = Vec::with_capacity(puts.len() * 2);
        for put in puts.iter().filter(plain) {
            let type_number = self.name_number(&put.row.type_name)?;
            let (shape, body) = self.shaped(sid, type_number, &put.row.body)?;
            bodies.push((type_number, shape, body));
            for key in &put.now.keys {
                let property = self.name_number(&key.property)?;
                rows.push((property, cut(&key.value), &put.row.object));
            }
        }
        if bodies.is_empty() {
            return Ok(());
        }
        let mut insert = self.statement(INSERT_OBJECT)?;
        for (put, (type_number, shape, body)) in puts.iter().filter(plain).zip(bodies) {
            let (id, shown) = (put.row.object.as_bytes(), put.row.shown);
            insert
                .execute(params![
                    sid,
                    id,
                    type_number,
                    shown,
                    None::<i64>,
                    shape,
                    body
                ])
                .map_err(store_error)?;
        }
        rows.sort_unstable();
        rows.dedup();
        let mut insert = self.statement(INSERT_KEY)?;
        for (property, value, object) in rows {
            insert
                .execute(params![sid, property, value, object.as_bytes()])
                .map_err(store_error)?;
        }
        Ok(())
    }

    fn findable_replace(
        &mut self,
        sid: i64,
        object: ObjectId,
        before: &Findable,
        now: &Findable,
    ) -> Result<(), StoreError> {
        let id = object.as_bytes();
        for key in gone(&before.keys, &now.keys) {
            let property = self.name_number(&key.property)?;
            self.statement("DELETE FROM ix WHERE sid = ? AND prop = ? AND value = ? AND id = ?")?
                .execute(params![sid, property, cut(&key.value), id])
                .map_err(store_error)?;
        }
        for key in gone(&now.keys, &before.keys) {
            let property = self.name_number(&key.property)?;
            self.statement(INSERT_KEY)?
                .execute(params![sid, property, cut(&key.value), id])
                .map_err(store_error)?;
        }
        for target in gone(&before.references, &now.references) {
            self.statement("DELETE FROM link WHERE sid = ? AND target = ? AND source = ?")?
                .execute(params![sid, target.as_bytes(), id])
                .map_err(store_error)?;
        }
        for target in gone(&now.references, &before.references) {
            self.statement("INSERT OR IGNORE INTO link VALUES(?,?,?)")?
                .execute(params![sid, target.as_bytes(), id])
                .map_err(store_error)?;
        }
        Ok(())
    }

    /// Makes an object's words findable; gives the row number that full text knows it by.
    fn document_add(&mut self, sid: i64, object: ObjectId, text: &str) -> Result<i64, StoreError> {
        let rid = self
            .statement("INSERT INTO doc(sid, id) VALUES(?,?)")?
            .insert(params![sid, object.as_bytes()])
            .map_err(store_error)?;
        self.statement("INSERT INTO fts(rowid, body) VALUES(?,?)")?
            .execute(params![rid, text])
            .map_err(store_error)?;
        Ok(rid)
    }

    fn document_replace(
        &mut self,
        sid: i64,
        object: ObjectId,
        text: &str,
    ) -> Result<(), StoreError> {
        let known: Option<i64> = self
            .statement("SELECT doc FROM obj WHERE sid = ? AND id = ?")?
            .query_row(params![sid, object.as_bytes()], |row| row.get(0))
            .map_err(store_error)?;
        let Some(rid) = known else {
            let rid = self.document_add(sid, object, text)?;
            return self.document_of(sid, object, Some(rid));
        };
        if !text.is_empty() {
            self.statement("INSERT OR REPLACE INTO fts(rowid, body) VALUES(?,?)")?
                .execute(params![rid, text])
                .map_err(store_error)?;
            return Ok(());
        }
        for sql in [
            "DELETE FROM fts WHERE rowid = ?",
            "DELETE FROM doc WHERE rid = ?",
        ] {
            self.statement(sql)?.execute([rid]).map_err(store_error)?;
        }
        self.document_of(sid, object, None)
    }

    /// Notes the row number that full text knows an object by.
    fn document_of(
        &mut self,
        sid: i64,
        object: ObjectId,
        rid: Option<i64>,
    ) -> Result<(), StoreError> {
        self.statement("UPDATE obj SET doc = ? WHERE sid = ? AND id = ?")?
            .execute(params![rid, sid, object.as_bytes()])
            .map_err(store_error)?;
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
            "SELECT id, type, shown, shape, body FROM obj
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
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            };
            let (id, type_number, shown, shape, body) = read().map_err(store_error)?;
            let object = ObjectId(fixed(id, "object id")?);
            found.push((object, type_number, shown, shape, body));
        }
        drop(rows);
        drop(statement);
        let named = |(object, type_number, shown, shape, body): (_, i64, _, _, _)| {
            let type_name = self.type_name(type_number)?;
            let body = self.unshaped(shape, body)?;
            Ok(ObjectRow {
                object,
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
            "SELECT d.id FROM fts JOIN doc d ON d.rid = fts.rowid
             WHERE fts MATCH ? AND d.sid = ? ORDER BY fts.rank, d.id LIMIT ?",
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

    pub(crate) fn findable_remove(&mut self, space: SpaceId) -> Result<(), StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(());
        };
        for sql in [
            "DELETE FROM fts WHERE rowid IN (SELECT rid FROM doc WHERE sid = ?)",
            "DELETE FROM doc WHERE sid = ?",
            "UPDATE obj SET doc = NULL WHERE sid = ? AND doc IS NOT NULL",
            "DELETE FROM ix WHERE sid = ?",
            "DELETE FROM link WHERE sid = ?",
        ] {
            self.statement(sql)?.execute([sid]).map_err(store_error)?;
        }
        Ok(())
    }

    pub(crate) fn objects_remove(&mut self, space: SpaceId) -> Result<(), StoreError> {
        let Some(sid) = self.space_known(space)? else {
            return Ok(());
        };
        self.findable_remove(space)?;
        for sql in [
            "DELETE FROM obj WHERE sid = ?",
            "DELETE FROM shape WHERE sid = ?",
        ] {
            self.statement(sql)?.execute([sid]).map_err(store_error)?;
        }
        self.shapes.clear();
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
    use dxos_echo::store::IndexKey;

    /// SQLite plans a statement anew when a value it looked at while planning changes: three times the cost.
    #[test]
    fn statements_are_planned_once() {
        let mut store = SqliteStore::memory().unwrap();
        let space = SpaceId([1; 20]);
        for n in 0..40 {
            let row = ObjectRow {
                object: ObjectId([n; 16]),
                type_name: "t".into(),
                shown: true,
                body: vec![n],
            };
            let key = IndexKey {
                property: "p".into(),
                value: vec![n],
            };
            let findable = Findable {
                keys: vec![key],
                full_text: "text".into(),
                references: vec![ObjectId([9; 16])],
            };
            let none = Findable::default();
            store.object_write(space, &row, None, &findable).unwrap();
            store
                .object_write(space, &row, Some(&findable), &none)
                .unwrap();
            store.object_write(space, &row, Some(&none), &none).unwrap();
            store
                .object_write(space, &row, Some(&none), &findable)
                .unwrap();
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
