//! A few seeds of the simulator; `cargo sim --seeds 1000` runs the whole suite.

use dxos_sim::{COMMIT_ROWS_MAX, EVENTS_MIN, FAULTS_MIN, UNDER_WAY_BYTES_MAX, away, run};

/// Seeds run by `cargo test`: unoptimised, they take about half a second each.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=24;

#[test]
fn promises_hold_whatever_goes_wrong() {
    for seed in SEEDS {
        let report = run(seed, false);
        if let Some((seed, words)) = report.violations.first() {
            panic!("{words}\n  replay: cargo sim --seed {seed}");
        }
        assert!(report.events >= EVENTS_MIN);
        assert!(report.faults.values().sum::<u64>() >= FAULTS_MIN);
    }
}

#[test]
fn a_seed_is_one_run() {
    for seed in [3, 4] {
        let [once, again] = [run(seed, false), run(seed, false)];
        assert_eq!(once.messages, again.messages, "seed {seed}");
        assert_eq!(
            (once.events, once.bytes, once.edits),
            (again.events, again.bytes, again.edits)
        );
    }
}

#[test]
fn who_was_away_for_ten_thousand_entries_catches_up_in_bounded_batches() {
    let caught_up = away(1, 10_000).unwrap();
    println!("{caught_up:?}");
    assert!(caught_up.entries >= 10_000);
    assert!(caught_up.under_way_bytes_max <= UNDER_WAY_BYTES_MAX);
    assert!(caught_up.commit_rows_max <= COMMIT_ROWS_MAX);
}
