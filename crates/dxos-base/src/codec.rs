//! The canonical encoding of everything that is signed, hashed or stored (DESIGN 4.8).
//!
//! It is `postcard`'s wire format: fields in written order, LEB128 integers in shortest form, signed ones
//! zigzag, strings and bytes length-prefixed, fixed arrays bare. [`decode`] refuses every other form of the
//! same value by encoding again and comparing, so a value has exactly one encoding.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that are no canonical encoding of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Truncated, overlong, nested too deep, or not of this type.
    #[error("malformed bytes")]
    Malformed,
    /// Decodes, but another encoding of the same value is the canonical one.
    #[error("bytes are not in canonical form")]
    NotCanonical,
    /// Longer than the limit of its kind.
    #[error("{len} bytes are over the limit of {max}")]
    TooLong {
        /// Length found.
        len: usize,
        /// Length allowed.
        max: usize,
    },
    /// Written by a newer format version.
    #[error("format version {version} is newer than this build understands")]
    Version {
        /// The version byte found.
        version: u8,
    },
}

/// The canonical bytes of `value`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let out = Bytes(Vec::with_capacity(ENCODED_BYTES_USUAL));
    postcard::serialize_with_flavor(value, out)
        .expect("in-memory values of our types always encode")
}

/// How many bytes [`encode`] gives.
pub fn encoded_len<T: Serialize + ?Sized>(value: &T) -> usize {
    postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default())
        .expect("in-memory values of our types always encode")
}

/// Room made at the start: most of what is encoded fits, and growing from nothing took a third of the time.
const ENCODED_BYTES_USUAL: usize = 256;

/// Where encoding goes.
struct Bytes(Vec<u8>);

impl postcard::ser_flavors::Flavor for Bytes {
    type Output = Vec<u8>;

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// Decodes canonical bytes of at most `max` length.
pub fn decode<T: DeserializeOwned + Serialize>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong {
            len: bytes.len(),
            max,
        });
    }
    let value: T = postcard::from_bytes(bytes).map_err(|_| DecodeError::Malformed)?;
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

/// Decodes a canonical value at the start of `bytes`; gives it and what follows.
pub fn take<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    let (value, rest): (T, &[u8]) =
        postcard::take_from_bytes(bytes).map_err(|_| DecodeError::Malformed)?;
    if encode(&value) != bytes[..bytes.len() - rest.len()] {
        return Err(DecodeError::NotCanonical);
    }
    Ok((value, rest))
}

/// Decodes bytes this program stored itself: no check for canonical form. Malformed ones still are an error.
pub fn decode_trusted<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(DecodeError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_accepted() {
        let bytes = encode(&(300u32, "é", vec![1u8, 2]));
        assert_eq!(encoded_len(&(300u32, "é", vec![1u8, 2])), bytes.len());
        assert_eq!(decode::<(u32, String, Vec<u8>)>(&bytes, 64).unwrap().0, 300);
        for cut in 0..bytes.len() {
            assert!(decode::<(u32, String, Vec<u8>)>(&bytes[..cut], 64).is_err());
        }
        assert_eq!(
            decode::<u32>(&[0x81, 0x00], 64),
            Err(DecodeError::NotCanonical),
            "overlong 1"
        );
        assert_eq!(
            decode::<u32>(&[1, 2], 64),
            Err(DecodeError::NotCanonical),
            "trailing byte"
        );
        assert_eq!(
            decode::<u32>(&[1], 0),
            Err(DecodeError::TooLong { len: 1, max: 0 })
        );
    }
}
