//! L7: the layout plugin
