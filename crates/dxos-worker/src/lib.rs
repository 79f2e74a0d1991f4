//! L4: the node in a browser's dedicated worker
