//! L8: Composer, the knowledge workspace (WASM)
