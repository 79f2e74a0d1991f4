//! Bytes of a table as letters: UTF-8, UTF-16 by its mark, and what to do with bytes that are neither.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// The text of a file, and what about it was not as it should be.
pub(super) fn decode(bytes: &[u8]) -> (Cow<'_, str>, Option<String>) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, broken) = encoding.decode_without_bom_handling(&bytes[mark..]);
        let words = || {
            format!(
                "has bytes that are not {}; a sign (\u{fffd}) stands for each",
                encoding.name()
            )
        };
        return (text, broken.then(words));
    }
    // Without a mark, every second byte is zero only in UTF-16.
    let zeros = |from: usize| {
        let pairs = bytes.len() / 2;
        let some = bytes.iter().skip(from).step_by(2).take(256);
        pairs >= 2 && some.clone().filter(|byte| **byte == 0).count() * 2 > some.count()
    };
    for (from, encoding) in [(1, encoding_rs::UTF_16LE), (0, encoding_rs::UTF_16BE)] {
        if zeros(from) {
            let (text, broken) = encoding.decode_without_bom_handling(bytes);
            let words = || {
                format!(
                    "has bytes that are not {}; a sign (\u{fffd}) stands for each",
                    encoding.name()
                )
            };
            return (text, broken.then(words));
        }
    }
    match UTF_8.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => (text, None),
        None => {
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
            (text, Some("is not UTF-8; read as Windows-1252".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_found_in_all_encodings() {
        let utf16 = |mark: &[u8], make: fn(u16) -> [u8; 2]| {
            let units = "a,é🎯\n".encode_utf16().flat_map(make);
            mark.iter().copied().chain(units).collect::<Vec<u8>>()
        };
        for bytes in [
            "a,é🎯\n".as_bytes().to_vec(),
            "\u{feff}a,é🎯\n".as_bytes().to_vec(),
            utf16(&[0xff, 0xfe], u16::to_le_bytes),
            utf16(&[0xfe, 0xff], u16::to_be_bytes),
            utf16(&[], u16::to_le_bytes),
            utf16(&[], u16::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes), ("a,é🎯\n".into(), None), "{bytes:x?}");
        }
        let (text, told) = decode(b"a,\xe9\n");
        assert_eq!(text, "a,é\n");
        assert!(told.unwrap().contains("Windows-1252"));
        let (text, told) = decode(b"\xff\xfea");
        assert!(text.contains('\u{fffd}') && told.is_some());
        assert_eq!(decode(b""), ("".into(), None));
    }
}
