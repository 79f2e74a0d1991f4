//! What every text engine must do, as library functions: run on the native engine and on the browser's module.
//!
//! A failed check is an error in words, never a panic. Replicas of one text are opened under different ids of one
//! engine, because a browser has one instance only.

use dxos_base::{TextChange, TextDelta, TextId};

use super::{TextEngine, TextError};

type Case = Result<(), String>;
type Named = (&'static str, fn(&mut dyn TextEngine) -> Case);

const CASES: &[Named] = &[
    ("a text is opened, edited, read and closed", basics),
    (
        "changes of one delta stand in the text before it",
        delta_positions,
    ),
    ("a delta that does not fit changes nothing", misfits),
    (
        "updates bring another replica to the same text",
        replication,
    ),
    (
        "concurrent edits converge and the deltas tell how",
        concurrency,
    ),
    (
        "an update that came too early is applied with what it waited for",
        early,
    ),
    ("a snapshot and a tail open the same text", reopening),
    (
        "versions are canonical and diffs lead from one to the other",
        versions,
    ),
    (
        "tokens of another text or of the future are refused",
        foreign_versions,
    ),
    ("anchors stay with their place", anchors),
    ("inspection names the writer and the range", inspection),
    (
        "equal operations have equal prints, whatever they are read from",
        prints,
    ),
    ("malformed bytes are refused and the text stays", malformed),
    ("random edits of three writers converge", random),
];

/// Fails the case if the two differ, showing both.
macro_rules! same {
    ($left:expr, $right:expr, $($words:tt)+) => {
        match (&$left, &$right) {
            (left, right) if left == right => {}
            (left, right) => {
                return Err(format!("{}: {left:?} instead of {right:?}", format!($($words)+)));
            }
        }
    };
}

/// Runs all cases, each on an engine with no text open; gives their names.
///
/// # Errors
/// The name of the first case that failed, and why.
pub fn run(fresh: &mut dyn FnMut() -> Box<dyn TextEngine>) -> Result<Vec<&'static str>, String> {
    for (name, case) in CASES {
        case(&mut *fresh()).map_err(|words| format!("{name}: {words}"))?;
    }
    Ok(CASES.iter().map(|(name, _)| *name).collect())
}

fn words(error: TextError) -> String {
    error.to_string()
}

fn id(n: u8) -> TextId {
    TextId([n; TextId::LEN])
}

fn change(from: u32, delete: u32, insert: &str) -> TextChange {
    TextChange {
        from,
        delete,
        insert: insert.into(),
    }
}

/// The naive model: a delta applied to UTF-16 units.
fn apply(text: &str, delta: &TextDelta) -> Result<String, String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut after = Vec::new();
    let mut at = 0;
    for change in delta {
        let (from, end) = (change.from as usize, (change.from + change.delete) as usize);
        if from < at || end > units.len() {
            return Err(format!("{delta:?} does not fit {text:?}"));
        }
        after.extend_from_slice(&units[at..from]);
        after.extend(change.insert.encode_utf16());
        at = end;
    }
    after.extend_from_slice(&units[at..]);
    String::from_utf16(&after).map_err(|_| format!("{delta:?} cuts a pair of {text:?}"))
}

fn open(engine: &mut dyn TextEngine, n: u8) -> Case {
    engine.open(id(n), u64::from(n), &[], &[]).map_err(words)
}

fn edit(engine: &mut dyn TextEngine, n: u8, delta: &[TextChange]) -> Result<Vec<u8>, String> {
    engine.edit(id(n), &delta.to_vec()).map_err(words)
}

fn content(engine: &mut dyn TextEngine, n: u8) -> Result<String, String> {
    engine.content(id(n)).map_err(words)
}

fn basics(engine: &mut dyn TextEngine) -> Case {
    same!(engine.is_open(id(1)), false, "before opening");
    same!(
        engine.content(id(1)),
        Err(TextError::NotOpen),
        "content before opening"
    );
    same!(
        engine.edit(id(1), &vec![change(0, 0, "x")]),
        Err(TextError::NotOpen),
        "edit before opening"
    );
    open(engine, 1)?;
    same!(engine.is_open(id(1)), true, "after opening");
    same!(content(engine, 1)?, "", "a new text");
    edit(engine, 1, &[change(0, 0, "hello")])?;
    edit(engine, 1, &[change(1, 3, "ipp")])?;
    same!(content(engine, 1)?, "hippo", "after edits");
    same!(
        edit(engine, 1, &[])?,
        Vec::<u8>::new(),
        "the update of no change"
    );
    same!(
        edit(engine, 1, &[change(2, 0, "")])?,
        Vec::<u8>::new(),
        "the update of an empty change"
    );
    engine.close(id(1));
    engine.close(id(1));
    same!(engine.is_open(id(1)), false, "after closing");
    open(engine, 1)?;
    same!(content(engine, 1)?, "", "opened again from nothing");
    Ok(())
}

fn delta_positions(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    edit(engine, 1, &[change(0, 0, "a😀b😀c")])?;
    let delta = vec![
        change(0, 1, "AA"),
        change(3, 1, ""),
        change(4, 2, "é"),
        change(7, 0, "!"),
    ];
    let expected = apply("a😀b😀c", &delta)?;
    same!(expected, "AA😀éc!", "the model");
    edit(engine, 1, &delta)?;
    same!(content(engine, 1)?, expected, "after the delta");
    Ok(())
}

fn misfits(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    edit(engine, 1, &[change(0, 0, "a😀b")])?;
    let version = engine.version(id(1)).map_err(words)?;
    let misfits: [&[TextChange]; 7] = [
        &[change(5, 0, "x")],
        &[change(0, 5, "")],
        &[change(u32::MAX, u32::MAX, "x")],
        &[change(2, 0, "x")],
        &[change(0, 2, "")],
        &[change(3, 0, "x"), change(0, 0, "y")],
        &[change(0, 3, "x"), change(1, 0, "y")],
    ];
    for delta in misfits {
        let result = engine.edit(id(1), &delta.to_vec());
        same!(
            matches!(result, Err(TextError::BadChange { .. })),
            true,
            "{delta:?} gave {result:?}"
        );
    }
    same!(content(engine, 1)?, "a😀b", "the text afterwards");
    same!(
        engine.version(id(1)).map_err(words)?,
        version,
        "the version afterwards"
    );
    Ok(())
}

fn replication(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    open(engine, 2)?;
    let mut mirror = String::new();
    for delta in [
        &[change(0, 0, "one 😀 two")][..],
        &[change(0, 3, "1"), change(7, 3, "2")],
    ] {
        let update = edit(engine, 1, delta)?;
        let imported = engine.import(id(2), &update).map_err(words)?;
        same!(imported.applied, true, "applied");
        mirror = apply(&mirror, &imported.delta)?;
        same!(mirror, content(engine, 2)?, "the delta");
        let again = engine.import(id(2), &update).map_err(words)?;
        same!(
            (again.applied, again.delta),
            (true, vec![]),
            "the same update twice"
        );
    }
    same!(content(engine, 2)?, "1 😀 2", "the replica");
    Ok(())
}

fn concurrency(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    open(engine, 2)?;
    let first = edit(engine, 1, &[change(0, 0, "The fox")])?;
    engine.import(id(2), &first).map_err(words)?;
    let left = edit(engine, 1, &[change(4, 0, "quick "), change(7, 0, " runs")])?;
    let right = edit(engine, 2, &[change(0, 3, "😀 A"), change(4, 0, "red ")])?;
    let (mut one, mut two) = (content(engine, 1)?, content(engine, 2)?);
    one = apply(&one, &engine.import(id(1), &right).map_err(words)?.delta)?;
    two = apply(&two, &engine.import(id(2), &left).map_err(words)?.delta)?;
    same!(one, two, "both replicas, by their deltas");
    same!(content(engine, 1)?, one, "content against deltas");
    same!(content(engine, 2)?, two, "content against deltas");
    for part in ["quick ", "red ", "😀 A", " runs"] {
        same!(one.contains(part), true, "{part:?} in {one:?}");
    }
    Ok(())
}

fn early(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    open(engine, 2)?;
    let first = edit(engine, 1, &[change(0, 0, "a")])?;
    let second = edit(engine, 1, &[change(1, 0, "b")])?;
    let imported = engine.import(id(2), &second).map_err(words)?;
    same!(
        (imported.applied, imported.delta),
        (false, vec![]),
        "the second alone"
    );
    same!(content(engine, 2)?, "", "while waiting");
    let imported = engine.import(id(2), &first).map_err(words)?;
    same!(imported.applied, true, "the first");
    same!(apply("", &imported.delta)?, "ab", "both at once");
    same!(content(engine, 2)?, "ab", "afterwards");
    Ok(())
}

fn reopening(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    edit(engine, 1, &[change(0, 0, "kept")])?;
    let snapshot = engine.snapshot(id(1)).map_err(words)?;
    let mut tail = Vec::new();
    for n in 0..20 {
        tail.push(edit(engine, 1, &[change(n, 0, "é")])?);
    }
    let (text, version) = (content(engine, 1)?, engine.version(id(1)).map_err(words)?);
    engine.close(id(1));
    let tail: Vec<&[u8]> = tail.iter().map(Vec::as_slice).collect();
    engine.open(id(1), 77, &snapshot, &tail).map_err(words)?;
    same!(content(engine, 1)?, text, "from snapshot and tail");
    same!(
        engine.version(id(1)).map_err(words)?,
        version,
        "its version"
    );
    let backwards: Vec<&[u8]> = tail.iter().rev().copied().collect();
    engine
        .open(id(1), 78, &snapshot, &backwards)
        .map_err(words)?;
    same!(content(engine, 1)?, text, "from a tail in another order");
    let update = edit(engine, 1, &[change(0, 0, "more ")])?;
    same!(
        engine.inspect(&update).map_err(words)?.peer,
        78,
        "the new session's peer"
    );
    engine.open(id(2), 79, &[], &tail).map_err(words)?;
    same!(content(engine, 2)?, "", "a tail without its snapshot waits");
    let imported = engine.import(id(2), &snapshot).map_err(words)?;
    same!(
        apply("", &imported.delta)?,
        text,
        "a snapshot imported later"
    );
    Ok(())
}

fn versions(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    open(engine, 2)?;
    let mut known = vec![(engine.version(id(1)).map_err(words)?, String::new())];
    let shared = edit(engine, 1, &[change(0, 0, "a😀c")])?;
    engine.import(id(2), &shared).map_err(words)?;
    known.push((engine.version(id(1)).map_err(words)?, content(engine, 1)?));
    edit(engine, 1, &[change(1, 2, "b"), change(4, 0, "😀😀")])?;
    known.push((engine.version(id(1)).map_err(words)?, content(engine, 1)?));
    let other = edit(engine, 2, &[change(0, 0, "zz"), change(3, 1, "")])?;
    engine.import(id(1), &other).map_err(words)?;
    known.push((engine.version(id(1)).map_err(words)?, content(engine, 1)?));
    for (from, before) in &known {
        for (to, after) in &known {
            let delta = engine.diff(id(1), from, to).map_err(words)?;
            same!(apply(before, &delta)?, *after, "diff from {before:?}");
        }
    }
    same!(
        engine.version(id(1)).map_err(words)?,
        known[3].0,
        "the version after the diffs"
    );
    same!(
        content(engine, 1)?,
        known[3].1,
        "the content after the diffs"
    );
    Ok(())
}

fn foreign_versions(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    open(engine, 2)?;
    let start = engine.version(id(2)).map_err(words)?;
    edit(engine, 1, &[change(0, 0, "x")])?;
    edit(engine, 2, &[change(0, 0, "x")])?;
    let of_one = engine.version(id(1)).map_err(words)?;
    same!(
        engine.diff(id(2), &start, &of_one),
        Err(TextError::BadVersion),
        "another text's"
    );
    same!(
        engine.diff(id(2), &[], &start),
        Err(TextError::BadVersion),
        "no bytes"
    );
    let future = engine.version(id(2)).map_err(words)?;
    open(engine, 2)?;
    same!(
        engine.diff(id(2), &start, &future),
        Err(TextError::BadVersion),
        "not known yet"
    );
    same!(engine.diff(id(2), &start, &start), Ok(vec![]), "the start");
    Ok(())
}

fn anchors(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    open(engine, 2)?;
    let first = edit(engine, 1, &[change(0, 0, "a😀bc")])?;
    engine.import(id(2), &first).map_err(words)?;
    let anchor = engine.anchor(id(1), 3).map_err(words)?;
    let end = engine.anchor(id(1), 5).map_err(words)?;
    same!(engine.position(id(1), &anchor), Ok(3), "at once");
    same!(engine.position(id(2), &anchor), Ok(3), "on another replica");
    edit(engine, 1, &[change(0, 0, "😀😀")])?;
    same!(
        engine.position(id(1), &anchor),
        Ok(7),
        "after an insert before it"
    );
    edit(engine, 1, &[change(8, 1, "")])?;
    same!(
        engine.position(id(1), &anchor),
        Ok(7),
        "after a deletion behind it"
    );
    edit(engine, 1, &[change(5, 3, "")])?;
    same!(
        engine.position(id(1), &anchor),
        Ok(5),
        "after its place was deleted"
    );
    same!(engine.position(id(1), &end), Ok(5), "the end");
    let past = engine.anchor(id(1), 6);
    same!(
        matches!(past, Err(TextError::BadChange { .. })),
        true,
        "past the end: {past:?}"
    );
    let inside = engine.anchor(id(1), 1);
    same!(
        matches!(inside, Err(TextError::BadChange { .. })),
        true,
        "in a pair: {inside:?}"
    );
    for cut in 0..anchor.len() {
        let _ = engine.position(id(1), &anchor[..cut]);
    }
    let garbage = engine.position(id(1), &[255; 9]);
    same!(
        matches!(garbage, Err(TextError::BadChange { .. })),
        true,
        "garbage: {garbage:?}"
    );
    Ok(())
}

fn inspection(engine: &mut dyn TextEngine) -> Case {
    engine.open(id(1), 500, &[], &[]).map_err(words)?;
    let first = edit(engine, 1, &[change(0, 0, "abc")])?;
    let second = edit(engine, 1, &[change(1, 1, "")])?;
    let (a, b) = (
        engine.inspect(&first).map_err(words)?,
        engine.inspect(&second).map_err(words)?,
    );
    same!((a.peer, a.start), (500, 0), "the first update");
    same!(
        (b.peer, b.start, b.end > b.start),
        (500, a.end, true),
        "the second continues it"
    );
    same!((a.after, b.after), (vec![], vec![]), "nobody else wrote");
    engine.open(id(2), 501, &[], &[&first]).map_err(words)?;
    let on_it = edit(engine, 2, &[change(1, 0, "x")])?;
    let more = edit(engine, 2, &[change(0, 1, "")])?;
    let on_it = engine.inspect(&on_it).map_err(words)?.after;
    let more = engine.inspect(&more).map_err(words)?.after;
    same!(
        (on_it, more),
        (vec![(500, a.end - 1)], vec![]),
        "what it stands on"
    );
    let snapshot = engine.snapshot(id(1)).map_err(words)?;
    let result = engine.inspect(&snapshot);
    same!(
        matches!(result, Err(TextError::BadUpdate { .. })),
        true,
        "a snapshot: {result:?}"
    );
    Ok(())
}

fn prints(engine: &mut dyn TextEngine) -> Case {
    engine.open(id(1), 500, &[], &[]).map_err(words)?;
    engine.open(id(2), 500, &[], &[]).map_err(words)?;
    let (head, rest) = (&[change(0, 0, "ab")], &[change(1, 1, "cé")]);
    let first = edit(engine, 1, head)?;
    let second = edit(engine, 1, rest)?;
    engine.apply(id(2), &head.to_vec()).map_err(words)?;
    let both = edit(engine, 2, rest)?;
    let snapshot = engine.snapshot(id(1)).map_err(words)?;
    for part in [&first, &second] {
        let range = engine.inspect(part).map_err(words)?;
        let mut print = |bytes| engine.print(bytes, 500, range.start, range.end);
        let expected = print(part).map_err(words)?;
        same!(print(&both), Ok(expected), "in one update");
        same!(print(&snapshot), Ok(expected), "in a snapshot");
    }
    engine.open(id(3), 500, &[], &[&first]).map_err(words)?;
    let other = edit(engine, 3, &[change(1, 1, "cè")])?;
    let range = engine.inspect(&other).map_err(words)?;
    let mut print = |bytes, end| engine.print(bytes, 500, range.start, end);
    let (ours, theirs) = (print(&second, range.end), print(&other, range.end));
    same!(ours == theirs, false, "another letter at the end");
    let before = print(&second, range.end - 1).map_err(words)?;
    same!(print(&other, range.end - 1), Ok(before), "all before it");
    same!(
        print(&first, range.end).is_err(),
        true,
        "operations it does not hold"
    );
    Ok(())
}

fn malformed(engine: &mut dyn TextEngine) -> Case {
    open(engine, 1)?;
    open(engine, 2)?;
    let update = edit(engine, 1, &[change(0, 0, "hello 😀")])?;
    let bad = |result: Result<(), TextError>| matches!(result, Err(TextError::BadUpdate { .. }));
    for cut in 0..update.len() {
        let cut = &update[..cut];
        same!(
            bad(engine.inspect(cut).map(drop)),
            true,
            "inspection of {} bytes",
            cut.len()
        );
        same!(
            bad(engine.import(id(2), cut).map(drop)),
            true,
            "import of {} bytes",
            cut.len()
        );
        if !cut.is_empty() {
            same!(
                bad(engine.open(id(3), 3, cut, &[])),
                true,
                "opening {} bytes",
                cut.len()
            );
        }
        same!(
            bad(engine.open(id(3), 3, &[], &[cut, &update])),
            true,
            "a tail of {} bytes",
            cut.len()
        );
        same!(
            engine.is_open(id(3)),
            false,
            "open after {} bytes",
            cut.len()
        );
    }
    for at in 0..update.len() {
        let mut altered = update.clone();
        altered[at] ^= 1;
        // A part of the header is read by nobody: there the update is still the true one.
        open(engine, 2)?;
        let refused = bad(engine.import(id(2), &altered).map(drop));
        let expected = if refused { "" } else { "hello 😀" };
        same!(
            content(engine, 2)?,
            expected,
            "the text with byte {at} altered"
        );
    }
    open(engine, 2)?;
    same!(content(engine, 2)?, "", "after all that");
    engine.import(id(2), &update).map_err(words)?;
    same!(content(engine, 2)?, "hello 😀", "after the true update");
    Ok(())
}

/// A small generator: the suite must run the same everywhere.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }
}

fn random(engine: &mut dyn TextEngine) -> Case {
    const WRITERS: [u8; 3] = [1, 2, 3];
    let mut random = Lcg(7);
    let mut mirrors = vec![String::new(); WRITERS.len()];
    let mut unseen: Vec<Vec<Vec<u8>>> = vec![Vec::new(); WRITERS.len()];
    for n in WRITERS {
        open(engine, n)?;
    }
    for _ in 0..300 {
        let who = random.below(WRITERS.len());
        let chars: Vec<char> = mirrors[who].chars().collect();
        let from = random.below(chars.len() + 1);
        let delete = random.below(4).min(chars.len() - from);
        let units = |part: &[char]| part.iter().map(|c| c.len_utf16() as u32).sum::<u32>();
        let insert = ["", "a", "é", "😀", "word ", "😀x"][random.below(6)];
        let delta = vec![change(
            units(&chars[..from]),
            units(&chars[from..from + delete]),
            insert,
        )];
        let update = edit(engine, WRITERS[who], &delta)?;
        mirrors[who] = apply(&mirrors[who], &delta)?;
        if !update.is_empty() {
            (0..WRITERS.len())
                .filter(|other| *other != who)
                .for_each(|other| unseen[other].push(update.clone()));
        }
        let reader = random.below(WRITERS.len());
        for _ in 0..random.below(4).min(unseen[reader].len()) {
            let at = random.below(unseen[reader].len());
            let update = unseen[reader].swap_remove(at);
            let imported = engine.import(id(WRITERS[reader]), &update).map_err(words)?;
            mirrors[reader] = apply(&mirrors[reader], &imported.delta)?;
        }
    }
    for (reader, waiting) in unseen.iter().enumerate() {
        for update in waiting {
            let imported = engine.import(id(WRITERS[reader]), update).map_err(words)?;
            mirrors[reader] = apply(&mirrors[reader], &imported.delta)?;
        }
    }
    for (n, mirror) in WRITERS.iter().zip(&mirrors) {
        same!(content(engine, *n)?, *mirror, "the mirror of writer {n}");
        same!(*mirror, mirrors[0], "writer {n} against the first");
    }
    Ok(())
}
