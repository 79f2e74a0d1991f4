//! Builds the web apps: cargo, wasm-bindgen, esbuild
