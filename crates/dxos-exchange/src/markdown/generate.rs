//! Notes made with a seed, for tests and measurements: front matter in many spellings, links, tables, code, images, odd
//! names, letters of every plane of Unicode. Nothing that ships calls it.

use std::fmt::Write as _;

use dxos_base::fuzz::SplitMix64;

/// Makes `count` notes: paths, all different, and contents.
pub fn notes(seed: u64, count: usize) -> Vec<(String, Vec<u8>)> {
    let mut random = SplitMix64::new(seed);
    let paths: Vec<String> = (0..count).map(|number| path(&mut random, number)).collect();
    let content = |random: &mut SplitMix64, number| {
        let mut text = String::new();
        if random.chance(70) {
            front(random, number, &mut text);
        }
        body(random, number, &paths, &mut text);
        let text = match random.below(20) {
            0 => text.replace('\n', "\r\n"),
            1 => format!("\u{feff}{text}"),
            2 => text.trim_end().to_owned(),
            _ => text,
        };
        text.into_bytes()
    };
    let mut out = Vec::with_capacity(count);
    for (number, path) in paths.iter().enumerate() {
        out.push((path.clone(), content(&mut random, number)));
    }
    out
}

/// The same notes with one word changed in every tenth; which those are, beside.
pub fn edited(notes: &[(String, Vec<u8>)]) -> Vec<(usize, String)> {
    let tenth = notes.iter().enumerate().step_by(10);
    tenth
        .filter_map(|(number, (_, bytes))| {
            let text = std::str::from_utf8(bytes).ok()?;
            text.contains(WORD)
                .then(|| (number, text.replacen(WORD, "changed", 1)))
        })
        .collect()
}

/// Stands in every note, in its text.
pub const WORD: &str = "willow";

/// One letter of each of the 17 planes; the private ones and those without letters by a place in them.
const PLANES: [char; 17] = [
    'é',
    '🎯',
    '𠀀',
    '𰀀',
    '\u{4fffd}',
    '\u{5fffd}',
    '\u{6fffd}',
    '\u{7fffd}',
    '\u{8fffd}',
    '\u{9fffd}',
    '\u{afffd}',
    '\u{bfffd}',
    '\u{cfffd}',
    '\u{dfffd}',
    '\u{e0101}',
    '\u{f0000}',
    '\u{10fffd}',
];

const WORDS: [&str; 16] = [
    "birch",
    "oak",
    "elm",
    "garden",
    "moss",
    "water",
    "the",
    "a",
    "and",
    "of",
    "Straße",
    "naïve",
    "日本",
    "ליבנה",
    "*bold*",
    "`code`",
];

fn path(random: &mut SplitMix64, number: usize) -> String {
    let folder = match random.below(4) {
        0 => String::new(),
        1 => format!("Year {}/", 2000 + random.below(20)),
        2 => format!("deep/{}/{}/", random.below(9), random.below(9)),
        _ => format!("{}{}/", random.one(&PLANES), random.below(5)),
    };
    let name = match random.below(10) {
        0 => format!("{} {number}", random.one(&PLANES)),
        1 => format!("CON {number}"),
        2 => format!("what? \"{number}\" <a|b>: *"),
        3 => format!("100% #{number} & [x] {{y}}"),
        4 => format!("Note {number}."),
        5 => format!("{number} trailing "),
        6 => match number % 2 {
            0 => format!("Case {}", number / 2),
            _ => format!("case {}", number / 2),
        },
        _ => format!("Note {number}"),
    };
    let ending = if random.chance(3) { "markdown" } else { "md" };
    format!("{folder}{name}.{ending}")
}

fn front(random: &mut SplitMix64, number: usize, out: &mut String) {
    out.push_str("---\n");
    if random.chance(20) {
        out.push_str("# written by hand\n");
    }
    let mut fields = vec![
        format!("title: Note {number}"),
        format!("title: \"Note: {number}\""),
        format!(
            "created: 2024-0{}-1{}",
            1 + random.below(9),
            random.below(9)
        ),
        "tags: [garden, trees]".to_owned(),
        "tags:\n  - trees\n  - garden".to_owned(),
        "tags:\n- \"x y\"\n- z".to_owned(),
        format!("rating: {}", random.below(6)),
        format!("weight: {}.50", random.below(100)),
        "done: true # really".to_owned(),
        "done:    no".to_owned(),
        "empty:".to_owned(),
        "aliases: ['one', \"two\" , three]".to_owned(),
        "place:\n    city: Ghent\n    at: {lat: 51.05, lon: 3.72}".to_owned(),
        format!("emoji: {}{}", random.one(&PLANES), random.one(&PLANES)),
        "about: |\n  Two lines\n  of text".to_owned(),
        "about: >-\n  folded\n  text".to_owned(),
        "zip: 01234".to_owned(),
        "phone: '+32 9 123'".to_owned(),
        "\"quoted key\": 1".to_owned(),
        "url: https://example.org/a?b=c#d".to_owned(),
    ];
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..random.below(8) {
        let field = fields.swap_remove(random.below(fields.len()));
        let name = field.split(':').next().unwrap_or_default().to_owned();
        if names.insert(name) {
            out.push_str(&field);
            out.push('\n');
            if random.chance(5) {
                out.push('\n');
            }
        }
    }
    out.push_str(if random.chance(3) { "--- \n" } else { "---\n" });
}

fn words(random: &mut SplitMix64, count: usize, out: &mut String) {
    for number in 0..count {
        if number > 0 {
            out.push(' ');
        }
        out.push_str(random.one(&WORDS));
    }
}

fn body(random: &mut SplitMix64, number: usize, paths: &[String], out: &mut String) {
    let _ = write!(out, "\n# Note {number}\n\nA {WORD} stands here. ");
    for _ in 0..1 + random.below(6) {
        match random.below(8) {
            0 => out.push_str("\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n"),
            1 => out.push_str("\n```rust\nlet x = \"[[no link]]\";\n```\n\n"),
            2 => out.push_str("\n![image](img/a%20b.png) ![[picture.png|300]]\n\n"),
            3 | 4 => {
                let other = random.one(paths);
                let name = other.rsplit('/').next().unwrap_or_default();
                let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
                let _ = match random.below(4) {
                    0 => write!(out, "[[{name}]] "),
                    1 => write!(out, "[[{name}|that one]] "),
                    2 => write!(out, "[[{name}#Note]] "),
                    _ => write!(out, "![[{name}]] "),
                };
            }
            5 => {
                for plane in PLANES {
                    out.push(plane);
                }
                out.push('\n');
            }
            _ => {
                let count = 5 + random.below(60);
                words(random, count, out);
                out.push_str("\n\n");
            }
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::note::{content, place, read_note, write_note};
    use super::*;
    use dxos_base::SpaceId;

    #[test]
    fn generated_notes_come_out_as_they_were_and_keep_little_beside_their_fields() {
        let space = SpaceId([1; 20]);
        let notes = notes(5, 600);
        let (mut bytes_all, mut form_all, mut kept) = (0, 0, 0);
        for (path, bytes) in &notes {
            let note = read_note(space, "notes", path, bytes).unwrap();
            assert_eq!(
                note.changed,
                None,
                "{path}: {}",
                String::from_utf8_lossy(bytes)
            );
            let (out, in_front) = place(&note.object);
            assert_eq!(&out, path);
            let written = write_note(space, &note.object, content(&note.object), in_front);
            assert_eq!(written.as_bytes(), &bytes[..], "{path}");
            bytes_all += bytes.len();
            if let dxos_base::Value::Map(file) = &note.object.values["file"]
                && let Some(form) = file.get("form").and_then(|form| form.as_str())
            {
                form_all += form.len();
                kept += 1;
            }
        }
        assert!(
            form_all / kept < 200,
            "{form_all} bytes of looks in {kept} notes of {bytes_all} bytes"
        );
        assert!(edited(&notes).len() == 60);
    }
}
