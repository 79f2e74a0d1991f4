//! L7: the theme plugin
