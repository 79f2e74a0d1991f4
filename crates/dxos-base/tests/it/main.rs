//! Tests of `dxos-base` that need the derive macro.

mod typed;
