//! The conformance suite on the native engine, and bytes that pass the engine's checksum but not more.

use dxos_base::{TextChange, TextId};
use dxos_echo::text::{TextEngine, TextError, conformance};
use dxos_text::LoroEngine;

#[test]
fn native_engine_conforms() {
    let names = conformance::run(&mut || Box::new(LoroEngine::new())).unwrap();
    assert!(names.len() > 10, "{names:?}");
}

fn insert(from: u32, text: &str) -> Vec<TextChange> {
    vec![TextChange {
        from,
        delete: 0,
        insert: text.into(),
    }]
}

/// Writes the checksum an honest engine would: xxh32 of what follows it.
fn with_checksum(mut update: Vec<u8>) -> Vec<u8> {
    let sum = xxhash_rust::xxh32::xxh32(&update[20..], u32::from_le_bytes(*b"LORO"));
    update[16..20].copy_from_slice(&sum.to_le_bytes());
    update
}

/// Hostile bytes behind a right checksum: whatever the engine does with them, no panic comes out, the text under
/// attack is closed or still what it was plus what it says changed, and other texts do not notice.
#[test]
fn hostile_updates_never_get_past_the_boundary() {
    let (safe, target, source) = (TextId([1; 16]), TextId([2; 16]), TextId([3; 16]));
    let mut engine = LoroEngine::new();
    engine.open(safe, 1, &[], &[]).unwrap();
    engine.edit(safe, &insert(0, "untouched")).unwrap();
    engine.open(source, 3, &[], &[]).unwrap();
    let first = engine.edit(source, &insert(0, "hello world 😀")).unwrap();
    let second = engine
        .edit(
            source,
            &vec![TextChange {
                from: 2,
                delete: 5,
                insert: "é".into(),
            }],
        )
        .unwrap();
    assert_eq!(
        with_checksum(second.clone()),
        second,
        "the checksum is what the test believes"
    );

    std::panic::set_hook(Box::new(|info| {
        if info.location().is_some_and(|at| at.file().contains("dxos")) {
            eprintln!("{info}");
        }
    }));
    let mut seed = 1u64;
    let mut taken = 0;
    for round in 0..1500 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = 22 + (seed >> 33) as usize % (second.len() - 22);
        let mut bytes = second.clone();
        bytes[at] ^= 1 << ((seed >> 20) % 8);
        if round % 5 == 0 {
            bytes.truncate(at);
        }
        let bytes = with_checksum(bytes);
        engine.open(target, 2, &[], &[&first]).unwrap();
        let _ = engine.inspect(&bytes);
        match engine.import(target, &bytes) {
            Ok(_) => taken += 1,
            Err(error) => assert!(matches!(error, TextError::BadUpdate { .. }), "{error:?}"),
        }
        if engine.is_open(target) {
            let _ = engine.content(target);
        }
        assert_eq!(engine.content(safe).unwrap(), "untouched");
    }
    let _ = std::panic::take_hook();
    assert!(taken < 1500, "some alterations are refused");
}

#[test]
fn shallow_snapshots_are_refused() {
    let doc = loro::LoroDoc::new();
    doc.get_text("t").insert(0, "hello").unwrap();
    doc.commit();
    let frontiers = doc.state_frontiers();
    doc.get_text("t").insert(5, " world").unwrap();
    doc.commit();
    let shallow = doc
        .export(loro::ExportMode::shallow_snapshot(&frontiers))
        .unwrap();
    let text = TextId([1; 16]);
    let mut engine = LoroEngine::new();
    assert!(matches!(
        engine.open(text, 1, &shallow, &[]),
        Err(TextError::BadUpdate { .. })
    ));
    engine.open(text, 1, &[], &[]).unwrap();
    assert!(matches!(
        engine.import(text, &shallow),
        Err(TextError::BadUpdate { .. })
    ));
    let full = doc.export(loro::ExportMode::Snapshot).unwrap();
    engine.import(text, &full).unwrap();
    assert_eq!(engine.content(text).unwrap(), "hello world");
}

#[test]
fn a_keystroke_is_small() {
    let text = TextId([1; 16]);
    let mut engine = LoroEngine::new();
    engine.open(text, u64::MAX - 1, &[], &[]).unwrap();
    engine
        .edit(text, &insert(0, &"some text ".repeat(100)))
        .unwrap();
    let update = engine.edit(text, &insert(7, "x")).unwrap();
    assert!(update.len() <= 150, "{} bytes", update.len());
}
