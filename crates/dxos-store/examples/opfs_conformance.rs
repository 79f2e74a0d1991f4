//! What a dedicated worker calls to run the storage suite on a real browser's OPFS; empty on other platforms.
//!
//! Build it for `wasm32-unknown-unknown`, make its glue with wasm-bindgen (`cargo xtask conformance`), and call
//! `opfs_conformance()` in a worker: a promise of the number of checks, rejected with the first that failed.

#[cfg(target_arch = "wasm32")]
mod worker {
    use dxos_store::OpfsPool;
    use wasm_bindgen::prelude::*;

    /// Runs the suite in a directory of its own.
    #[wasm_bindgen]
    pub async fn opfs_conformance() -> Result<usize, String> {
        let pool = OpfsPool::acquire("conformance")
            .await
            .map_err(|error| error.to_string())?;
        pool.conformance()
    }
}
