//! L7: the markdown plugin
