//! What an Automerge document would cost to read, found out before it is read.
//!
//! The library inflates columns and unrolls runs as the bytes say, and a few bytes can say terabytes. So this walks the
//! chunks (<https://automerge.org/automerge-binary-format-spec/>) and counts, without keeping anything. What it does not
//! understand it leaves to the library, which then refuses it.

use std::io::Read;

use dxos_base::limits;
use flate2::read::DeflateDecoder;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED_CHANGE: u8 = 2;
/// In a column's specification: it is deflated.
const DEFLATED: u64 = 8;

/// Refuses a document that would cost more than limits allow.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let mut count = Count {
        inflated: 0,
        rows: 0,
    };
    let mut rest = Cursor(bytes);
    while !rest.0.is_empty() {
        let head = rest.take(9).ok_or("is cut off")?;
        if head[..4] != MAGIC {
            return Err("is no Automerge document".into());
        }
        let length = rest.uleb().ok_or("is cut off")?;
        let length = usize::try_from(length).map_err(|_| "is cut off")?;
        let body = rest.take(length).ok_or("is cut off")?;
        match head[8] {
            DOCUMENT => count.document(body)?,
            CHANGE => count.change(body)?,
            COMPRESSED_CHANGE => {
                let body = count.inflate(body)?;
                count.change(&body)?;
            }
            _ => return Err("has a kind of chunk that is not known here".into()),
        }
    }
    Ok(())
}

struct Count {
    inflated: usize,
    rows: u64,
}

/// A column: its specification and its bytes.
type Column<'b> = (u64, &'b [u8]);

impl Count {
    fn inflate(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let left = limits::IMPORT_FILE_BYTES_MAX - self.inflated;
        let mut out = Vec::new();
        // An error of inflating is the library's to tell.
        let _ = DeflateDecoder::new(bytes)
            .take(left as u64 + 1)
            .read_to_end(&mut out);
        if out.len() > left {
            return Err("unpacks to more than 64 MiB".into());
        }
        self.inflated += out.len();
        Ok(out)
    }

    fn document(&mut self, body: &[u8]) -> Result<(), String> {
        let mut rest = Cursor(body);
        let columns = (|| {
            for _ in 0..rest.uleb()? {
                rest.bytes()?;
            }
            let heads = usize::try_from(rest.uleb()?).ok()?;
            rest.take(heads.checked_mul(32)?)?;
            let mut specs = rest.specs()?;
            specs.extend(rest.specs()?);
            rest.columns(specs)
        })();
        self.columns(columns.ok_or("is cut off")?)
    }

    fn change(&mut self, body: &[u8]) -> Result<(), String> {
        let mut rest = Cursor(body);
        let columns = (|| {
            let parents = usize::try_from(rest.uleb()?).ok()?;
            rest.take(parents.checked_mul(32)?)?;
            rest.bytes()?; // actor
            rest.uleb()?; // seq
            rest.uleb()?; // first operation
            rest.uleb()?; // time
            rest.bytes()?; // message
            for _ in 0..rest.uleb()? {
                rest.bytes()?;
            }
            let specs = rest.specs()?;
            rest.columns(specs)
        })();
        self.columns(columns.ok_or("is cut off")?)
    }

    fn columns(&mut self, columns: Vec<Column<'_>>) -> Result<(), String> {
        for (spec, bytes) in columns {
            let inflated;
            let bytes = match spec & DEFLATED {
                0 => bytes,
                _ => {
                    inflated = self.inflate(bytes)?;
                    &inflated
                }
            };
            let rows = rows(spec & 7, bytes);
            self.rows = self.rows.saturating_add(rows);
            // A document has about a dozen columns of its operations.
            if self.rows > limits::AUTOMERGE_OPERATIONS_MAX * 16 {
                return Err(format!(
                    "has more than {} operations",
                    limits::AUTOMERGE_OPERATIONS_MAX
                ));
            }
        }
        Ok(())
    }
}

/// How many rows a column stands for; what counts others in it (a group's members) counts too.
fn rows(kind: u64, bytes: &[u8]) -> u64 {
    const GROUP: u64 = 0;
    const BOOLEAN: u64 = 4;
    const STRING: u64 = 5;
    const RAW: u64 = 7;
    let mut rest = Cursor(bytes);
    let mut rows: u64 = 0;
    if kind == RAW {
        return 0;
    }
    if kind == BOOLEAN {
        while let Some(count) = rest.uleb() {
            rows = rows.saturating_add(count);
        }
        return rows;
    }
    let value = |rest: &mut Cursor<'_>| match kind {
        STRING => rest.bytes().map(|_| 0),
        GROUP => rest.uleb(),
        _ => rest.uleb().map(|_| 0),
    };
    while let Some(count) = rest.sleb() {
        match count {
            0 => {
                let Some(nulls) = rest.uleb() else { break };
                rows = rows.saturating_add(nulls);
            }
            1.. => {
                let Some(members) = value(&mut rest) else {
                    break;
                };
                let each = members.saturating_add(1);
                rows = rows.saturating_add(each.saturating_mul(count.unsigned_abs()));
            }
            _ => {
                for _ in 0..count.unsigned_abs() {
                    let Some(members) = value(&mut rest) else {
                        break;
                    };
                    rows = rows.saturating_add(members.saturating_add(1));
                }
            }
        }
    }
    rows
}

struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Unsigned LEB128; a signed one has the same length, so its end is found by this too.
    fn uleb(&mut self) -> Option<u64> {
        let mut number: u64 = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn sleb(&mut self) -> Option<i64> {
        let mut number: i64 = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.take(1)?[0];
            number |= i64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                let bits = shift + 7;
                if byte & 0x40 != 0 && bits < 64 {
                    number |= -1 << bits;
                }
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.uleb()?).ok()?;
        self.take(length)
    }

    fn specs(&mut self) -> Option<Vec<(u64, usize)>> {
        let mut specs = Vec::new();
        for _ in 0..self.uleb()? {
            specs.push((self.uleb()?, usize::try_from(self.uleb()?).ok()?));
        }
        Some(specs)
    }

    fn columns(&mut self, specs: Vec<(u64, usize)>) -> Option<Vec<Column<'b>>> {
        specs
            .into_iter()
            .map(|(spec, length)| Some((spec, self.take(length)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted_without_unrolling_them() {
        assert_eq!(rows(2, &[5, 7]), 5);
        assert_eq!(rows(2, &[0x7e, 1, 2]), 2);
        assert_eq!(rows(2, &[0, 9]), 9);
        assert_eq!(rows(5, &[3, 2, b'a', b'b', 0x7f, 1, b'c']), 4);
        assert_eq!(rows(0, &[2, 100]), 202);
        assert_eq!(rows(4, &[3, 4]), 7);
        let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f, 1];
        assert!(rows(2, &huge) > 1 << 60);
        assert_eq!(rows(7, &huge), 0);
    }

    #[test]
    fn a_document_that_unpacks_to_very_much_is_refused() {
        use std::io::Write as _;
        let zeros = vec![0_u8; limits::IMPORT_FILE_BYTES_MAX + 1];
        let mut packer =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&zeros).unwrap();
        let packed = packer.finish().unwrap();
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0, 0, 0, 0, COMPRESSED_CHANGE]);
        let mut length = packed.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(packed);
        assert!(check(&bytes).unwrap_err().contains("64 MiB"));
        assert!(check(&bytes[..20]).is_err());
        assert!(check(b"nothing of the kind").is_err());
        assert!(check(b"").is_ok());
    }
}
