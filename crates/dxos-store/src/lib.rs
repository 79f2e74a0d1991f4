//! L3: SQLite storage (memory, file, OPFS) behind dxos-echo's Store
