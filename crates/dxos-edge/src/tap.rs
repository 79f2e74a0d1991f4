//! Writes every frame the server receives or sends to a file, for tests that search it for plaintext.
//!
//! A record is: direction (1 byte, `<` received, `>` sent), connection (8 bytes, big-endian), length
//! (4 bytes, big-endian), the frame as it was on the wire. Flushed after each record.
//!
//! Off unless asked for (`dx serve --tap FILE`). It shows what an operator of a server could see: sizes,
//! times, topics, ciphertext.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Which way a frame went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From a client.
    Received,
    /// To a client.
    Sent,
}

/// An open tap file.
#[derive(Debug)]
pub struct Tap {
    file: Mutex<File>,
}

impl Tap {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: &Path) -> io::Result<Tap> {
        Ok(Tap {
            file: Mutex::new(File::create(path)?),
        })
    }

    /// Appends one record. A full disk stops the tap, not the server.
    pub fn record(&self, direction: Direction, connection: u64, frame: &[u8]) {
        let mut record = Vec::with_capacity(13 + frame.len());
        record.push(match direction {
            Direction::Received => b'<',
            Direction::Sent => b'>',
        });
        record.extend_from_slice(&connection.to_be_bytes());
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        record.extend_from_slice(&len.to_be_bytes());
        record.extend_from_slice(frame);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(&record) {
            tracing::warn!(%error, "tap");
        }
    }
}
