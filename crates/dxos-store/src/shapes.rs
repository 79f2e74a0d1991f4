//! Bodies of objects, stored as what they differ by from another object of their type.
//!
//! Objects of one type have the same property names, kinds and writer: more than half of a small body. So the first
//! object of a type in a space is kept as the type's *shape*, and bodies are LZ4 blocks that may refer into it.
//!
//! Invariant: a shape is never changed or removed while rows refer to it; there are at most [`SHAPES_MAX`] a type,
//! so that types whose objects have nothing in common cost no more than before.
//!
//! Not here: what is in a body; storage does not know.

use std::collections::HashMap;
use std::rc::Rc;

use dxos_echo::store::StoreError;
use rusqlite::OptionalExtension as _;

use crate::error::{corrupt, store_error};
use crate::sqlite::SqliteStore;

/// Shapes of a type: it may have a few versions, and objects with few and with many properties.
const SHAPES_MAX: usize = 4;
/// Shorter bodies stay as they are, longer ones make no shape and are stored as they are: their own bytes outweigh
/// what is common.
const SHAPED_BYTES: std::ops::Range<usize> = 48..16 * 1024;
/// Shapes held in memory.
const SHAPES_HELD_MAX: usize = 1_000;

/// Shapes known by number, and those of each type.
#[derive(Default)]
pub(crate) struct Shapes {
    by_number: HashMap<i64, Rc<[u8]>>,
    /// By number of the space and of the type.
    of_type: HashMap<(i64, i64), Rc<[i64]>>,
}

impl Shapes {
    pub(crate) fn clear(&mut self) {
        self.by_number.clear();
        self.of_type.clear();
    }
}

impl SqliteStore {
    /// The stored form of a body: shape number (`None`: as it is) and bytes.
    pub(crate) fn shaped<'b>(
        &mut self,
        sid: i64,
        type_number: i64,
        body: &'b [u8],
    ) -> Result<(Option<i64>, std::borrow::Cow<'b, [u8]>), StoreError> {
        if !SHAPED_BYTES.contains(&body.len()) {
            return Ok((None, body.into()));
        }
        let shapes = self.shapes_of(sid, type_number)?;
        // The newest first: types change over time.
        for number in shapes.iter().rev() {
            let shape = self.shape(*number)?;
            let packed = pack(body, &shape);
            if packed.len() < body.len() / 4 * 3 {
                return Ok((Some(*number), packed.into()));
            }
        }
        if shapes.len() < SHAPES_MAX {
            let number = self.shape_add(sid, type_number, body)?;
            return Ok((Some(number), pack(body, body).into()));
        }
        Ok((None, body.into()))
    }

    /// The body behind its stored form.
    pub(crate) fn unshaped(
        &mut self,
        shape: Option<i64>,
        stored: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        match shape {
            None => Ok(stored),
            Some(number) => {
                let shape = self.shape(number)?;
                unpack(&stored, &shape).ok_or_else(|| corrupt("body of an object"))
            }
        }
    }

    fn shapes_of(&mut self, sid: i64, type_number: i64) -> Result<Rc<[i64]>, StoreError> {
        if let Some(known) = self.shapes.of_type.get(&(sid, type_number)) {
            return Ok(known.clone());
        }
        let mut found = Vec::new();
        {
            let mut statement =
                self.statement("SELECT n FROM shape WHERE sid = ? AND type = ? ORDER BY n")?;
            let mut rows = statement.query([sid, type_number]).map_err(store_error)?;
            while let Some(row) = rows.next().map_err(store_error)? {
                found.push(row.get(0).map_err(store_error)?);
            }
        }
        let found: Rc<[i64]> = found.into();
        self.shapes
            .of_type
            .insert((sid, type_number), found.clone());
        Ok(found)
    }

    fn shape(&mut self, number: i64) -> Result<Rc<[u8]>, StoreError> {
        if let Some(shape) = self.shapes.by_number.get(&number) {
            return Ok(shape.clone());
        }
        let found: Option<Vec<u8>> = self
            .statement("SELECT body FROM shape WHERE n = ?")?
            .query_row([number], |row| row.get(0))
            .optional()
            .map_err(store_error)?;
        let shape: Rc<[u8]> = found
            .ok_or_else(|| corrupt("an object of an unknown shape"))?
            .into();
        if self.shapes.by_number.len() >= SHAPES_HELD_MAX {
            self.shapes.clear();
        }
        self.shapes.by_number.insert(number, shape.clone());
        Ok(shape)
    }

    fn shape_add(&mut self, sid: i64, type_number: i64, body: &[u8]) -> Result<i64, StoreError> {
        let number = self
            .statement("INSERT INTO shape(sid, type, body) VALUES(?,?,?)")?
            .insert(rusqlite::params![sid, type_number, body])
            .map_err(store_error)?;
        self.shapes.by_number.insert(number, body.into());
        // They are read again, this one with them.
        self.shapes.of_type.remove(&(sid, type_number));
        Ok(number)
    }
}

/// Length (2, little-endian) ‖ LZ4 block over the shape.
fn pack(body: &[u8], shape: &[u8]) -> Vec<u8> {
    let block = lz4_flex::block::compress_with_dict(body, shape);
    let length = u16::try_from(body.len()).expect("shaped bodies are short");
    let mut out = Vec::with_capacity(2 + block.len());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&block);
    out
}

fn unpack(stored: &[u8], shape: &[u8]) -> Option<Vec<u8>> {
    let (length, block) = stored.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    let body = lz4_flex::block::decompress_with_dict(block, length, shape).ok()?;
    (body.len() == length).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(n: u64) -> Vec<u8> {
        let mut body =
            b"a long head that all objects of the type have, with names and kinds; ".to_vec();
        body.extend_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        body.extend_from_slice(b"; and a long tail of more names and kinds");
        body
    }

    #[test]
    fn bodies_of_a_type_are_stored_as_differences_and_come_back() {
        let mut store = SqliteStore::memory().unwrap();
        let mut shapes = std::collections::BTreeSet::new();
        for n in 0..100 {
            let (shape, stored) = store
                .shaped(1, 1, &body(n))
                .map(|(n, b)| (n, b.into_owned()))
                .unwrap();
            assert!(stored.len() < 48, "{} bytes", stored.len());
            assert_eq!(store.unshaped(shape, stored.clone()).unwrap(), body(n));
            for cut in 0..stored.len() {
                let cut = store.unshaped(shape, stored[..cut].to_vec());
                assert!(matches!(cut, Err(StoreError::Corrupt { .. })));
            }
            shapes.extend(shape);
        }
        assert_eq!(shapes.len(), 1);
        assert!(store.unshaped(Some(99), vec![1, 2, 3]).is_err());
    }

    #[test]
    fn objects_with_nothing_in_common_make_few_shapes() {
        let mut store = SqliteStore::memory().unwrap();
        let mut whole = 0;
        for n in 0..20u64 {
            let body: Vec<u8> = (0..100u64)
                .map(|at| {
                    let word = (n * 1000 + at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    ((word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 56) as u8
                })
                .collect();
            let (shape, stored) = store
                .shaped(1, 1, &body)
                .map(|(n, b)| (n, b.into_owned()))
                .unwrap();
            whole += usize::from(shape.is_none());
            assert!(stored.len() <= body.len());
            assert_eq!(store.unshaped(shape, stored).unwrap(), body);
        }
        assert!(whole >= 20 - SHAPES_MAX);
        for body in [&b""[..], &[7; 20_000]] {
            assert_eq!(store.shaped(1, 1, body).unwrap(), (None, body.into()));
        }
    }
}
