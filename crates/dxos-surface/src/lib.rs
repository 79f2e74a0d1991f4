//! L6: draws dxos-app's surfaces with dxos-ui
