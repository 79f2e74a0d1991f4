//! L3: Loro behind dxos-echo's TextEngine
