//! L7: the space plugin
