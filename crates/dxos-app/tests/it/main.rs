//! The framework core through its public door: plugins in, layout text out.

mod plugins;
mod shell;
