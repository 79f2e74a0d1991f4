//! L7: the client plugin
