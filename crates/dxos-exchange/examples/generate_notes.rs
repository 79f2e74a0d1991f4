//! Writes notes made with a seed into a folder, to measure imports with: `generate_notes FOLDER [COUNT [SEED]]`. With
//! `--edit` it changes one word in every tenth of them, as a person would have.

use std::path::Path;
use std::{env, fs, io};

use dxos_exchange::markdown::generate;

fn main() -> io::Result<()> {
    let (flags, rest): (Vec<String>, Vec<String>) = env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let Some(folder) = rest.first() else {
        eprintln!("generate_notes FOLDER [COUNT [SEED]] [--edit]");
        return Ok(());
    };
    let number = |at: usize, usual: u64| {
        rest.get(at)
            .and_then(|text| text.parse().ok())
            .unwrap_or(usual)
    };
    let mut notes = generate::notes(number(2, 1), number(1, 10_000) as usize);
    if !flags.is_empty() {
        for (number, text) in generate::edited(&notes) {
            notes[number].1 = text.into_bytes();
        }
    }
    for (path, bytes) in notes {
        let at = Path::new(folder).join(path);
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(at, bytes)?;
    }
    Ok(())
}
