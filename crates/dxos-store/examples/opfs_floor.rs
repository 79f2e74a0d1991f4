//! What a dedicated worker calls to measure bare SQLite beside a run on a real browser's OPFS; empty on other platforms.
//!
//! Build it for `wasm32-unknown-unknown`, make its glue with wasm-bindgen (`cargo xtask bench-page`). The page takes the
//! time around [`Floor::write`]: all else is done before.

#[cfg(target_arch = "wasm32")]
mod worker {
    use dxos_store::floor::{Rows, Sync};
    use dxos_store::{OpfsPool, SqliteStore};
    use wasm_bindgen::prelude::*;

    const FILE: &str = "floor.db";

    fn words(error: impl std::fmt::Display) -> String {
        error.to_string()
    }

    /// The rows of a run, and an empty store for them.
    #[wasm_bindgen]
    pub struct Floor {
        rows: Rows,
        store: SqliteStore,
    }

    #[wasm_bindgen]
    impl Floor {
        /// Reads what the run on a profile of this origin has left behind, whose worker has ended. It made and sealed
        /// its objects in batches of `batch`.
        pub async fn read(profile: &str, batch: usize) -> Result<Floor, String> {
            let run = SqliteStore::open_opfs(profile).await.map_err(words)?;
            let rows = Rows::read(&run, batch, batch).map_err(words)?;
            run.close().map_err(words)?;
            let pool = OpfsPool::acquire("floor").await.map_err(words)?;
            pool.remove(FILE).map_err(words)?;
            let store = pool.open(FILE).map_err(words)?;
            Ok(Floor { rows, store })
        }

        /// Writes them, each batch on disk before the next; gives how many objects there are.
        pub fn write(&mut self) -> Result<usize, String> {
            self.rows
                .write(&mut self.store, Sync::Each)
                .map_err(words)?;
            Ok(self.rows.objects_count())
        }
    }
}
