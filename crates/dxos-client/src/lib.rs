//! L5: the SDK
