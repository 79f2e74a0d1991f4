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
