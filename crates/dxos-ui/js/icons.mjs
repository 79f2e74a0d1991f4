// Names of the icons Composer uses, from @phosphor-icons/core (regular). dxos-ui's tests check every name used in Rust.
export const ICONS = [
  "arrow-counter-clockwise", "arrow-clockwise", "arrow-left", "clock-counter-clockwise", "arrows-left-right", "caret-down", "caret-right", "check", "check-circle", "circle-half", "clock", "cloud-slash",
  "copy", "cube", "dots-three", "file-text", "gear", "info", "link", "list", "magnifying-glass", "moon", "note-pencil",
  "pencil-simple", "plus", "puzzle-piece", "sidebar-simple", "sign-in", "sign-out", "sun", "trash", "user-plus", "users", "warning",
  "warning-circle", "wifi-high", "wifi-slash", "x", "arrow-square-out", "plugs",
];
