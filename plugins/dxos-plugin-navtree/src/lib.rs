//! L7: the navtree plugin
