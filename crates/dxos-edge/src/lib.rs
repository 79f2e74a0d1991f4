//! L5: signal server and relay
