//! RFC 4648 base32 without padding: the text form of ids and codes. One form only: bits left over are zero.

/// The letters in upper case.
const UPPER: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The text of bytes in upper case.
pub fn upper(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(text_len(bytes.len()));
    let (mut held, mut bits) = (0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(letter(held >> bits));
        }
    }
    if bits > 0 {
        text.push(letter(held << (5 - bits)));
    }
    text
}

/// The text of bytes in lower case.
pub fn lower(bytes: &[u8]) -> String {
    upper(bytes).to_ascii_lowercase()
}

/// How many letters so many bytes have.
pub const fn text_len(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5)
}

/// The bytes of a text in upper case; `None` when it is no such text.
pub fn from_upper(text: &str) -> Option<Vec<u8>> {
    decode(text, b'A')
}

/// The bytes of a text in lower case; `None` when it is no such text.
pub fn from_lower(text: &str) -> Option<Vec<u8>> {
    decode(text, b'a')
}

fn letter(value: u32) -> char {
    UPPER[(value & 31) as usize].into()
}

fn decode(text: &str, first: u8) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut held, mut bits) = (0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'2'..=b'7' => letter - b'2' + 26,
            _ => letter.checked_sub(first).filter(|value| *value < 26)?,
        };
        held = ((held << 5) | u32::from(value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    // A letter that adds no byte, or bits that no byte holds.
    let ends_well = bits < 5 && held & ((1 << bits) - 1) == 0;
    ends_well.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_vectors_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(upper(bytes.as_bytes()), text);
            assert_eq!(lower(bytes.as_bytes()), text.to_ascii_lowercase());
            assert_eq!(from_upper(text).as_deref(), Some(bytes.as_bytes()));
        }
    }

    #[test]
    fn other_forms_are_no_text() {
        for text in [
            "M", "MZX", "MZXW6Y", "MZ", "my", "M1", "MY======", "M\u{e9}",
        ] {
            assert_eq!(from_upper(text), None, "{text}");
        }
        assert_eq!(from_lower("MY"), None);
    }

    proptest! {
        #[test]
        fn a_text_is_read_as_another_codec_reads_it(text in "[A-Z2-7]{0,24}|[A-Za-z0-9]{0,12}") {
            let other = data_encoding::BASE32_NOPAD.decode(text.as_bytes()).ok();
            prop_assert_eq!(from_upper(&text), other);
        }

        #[test]
        fn bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(&upper(&bytes), &data_encoding::BASE32_NOPAD.encode(&bytes));
            prop_assert_eq!(from_lower(&lower(&bytes)), Some(bytes));
        }
    }
}
