//! L6: Leptos components and hooks
