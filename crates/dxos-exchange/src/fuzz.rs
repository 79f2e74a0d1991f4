//! Fuzz bodies for what comes from outside; how they run: [`dxos_base::fuzz`].

/// Any bytes as a space archive of the original.
#[cfg(not(target_arch = "wasm32"))]
pub fn dxos_archive(bytes: &[u8]) {
    if let Ok(archive) = crate::dxos_archive::read(bytes) {
        for object in archive.objects {
            assert!(object.values.values().all(dxos_base::Value::depth_fits));
        }
    }
}

/// Any bytes as an open archive.
pub fn archive(bytes: &[u8]) {
    let Ok(mut archive) = crate::archive::open(std::io::Cursor::new(bytes)) else {
        return;
    };
    // An error in the middle ends it: what came before is whole.
    let _ = archive.objects(|_, object| {
        if let Ok(object) = object {
            assert!(object.values.values().all(dxos_base::Value::depth_fits));
        }
    });
}

/// Any bytes as a Markdown note: what is taken comes out the same.
pub fn note(bytes: &[u8]) {
    let space = dxos_base::SpaceId([1; 20]);
    if let Ok(note) = crate::markdown::read_note(space, "fuzz", "a/b.md", bytes) {
        // That it comes out as it is, is checked where it is read.
        assert!(
            note.object
                .values
                .values()
                .all(dxos_base::Value::depth_fits)
        );
    }
}

/// Any bytes as a table.
pub fn table(bytes: &[u8]) {
    crate::table::read_any(bytes);
}

#[cfg(test)]
mod tests {
    #[test]
    fn damaged_notes_and_tables_never_panic() {
        let notes: Vec<Vec<u8>> = crate::markdown::generate::notes(9, 12)
            .into_iter()
            .map(|(_, bytes)| bytes)
            .collect();
        dxos_base::fuzz::seeded(&notes, 3_000, super::note);
        let tables = [
            &b"a,b\n1,\"x\ny\"\n"[..],
            b"\xff\xfea\0,\0b\0",
            b"[{\"@id\": \"01M832KFWS8DVC1KZFQQET0SJX\", \"a\": [1, {\"@int\": \"5\"}]}]",
        ];
        dxos_base::fuzz::seeded(&tables.map(<[u8]>::to_vec), 3_000, super::table);
    }
}
