//! A few seeds of the simulator; `cargo sim --seeds 1000` runs the whole suite.

use dxos_sim::{EVENTS_MIN, FAULTS_MIN, run};

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
