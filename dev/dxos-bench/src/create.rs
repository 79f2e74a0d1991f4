//! Writing: objects in batches, one by one, and single properties.

use anyhow::Result;
use dxos_base::ObjectWrite;
use dxos_store::floor::Sync;

use crate::Options;
use crate::floor;
use crate::measure::{Outcome, quantile, spent};
use crate::space::{Bench, Indexing, object, objects};

const OBJECTS: usize = 10_000;
const BATCH: usize = 1000;

/// Objects acknowledged and sealed in batches of 1,000, two indexed properties; and what they take on disk.
pub(crate) fn batch(options: &Options) -> Result<Vec<Outcome>> {
    let writes = objects(OBJECTS);
    let (mut rates, mut floors, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let mut bench = Bench::new(Indexing::TwoProperties)?;
        let (result, took) = spent(|| {
            let mut batches = writes.chunks(BATCH);
            batches.try_for_each(|batch| bench.write_and_seal(batch).map(drop))
        });
        result?;
        rates.push(OBJECTS as f64 / took.cpu);
        let (path, dir) = bench.close()?;
        sizes.push(std::fs::metadata(&path)?.len() as f64 / OBJECTS as f64);
        let floor = floor::rows(&path, BATCH, BATCH, Sync::Each)?;
        floors.push(OBJECTS as f64 / floor.cpu);
        drop(dir);
    }
    let rate = Outcome::new(
        "create_batch_per_s",
        quantile(&mut rates, 0.5),
        "objects / CPU s",
    );
    let disk = Outcome::new("disk_per_object_bytes", quantile(&mut sizes, 0.5), "bytes");
    Ok(vec![rate.with_floor(quantile(&mut floors, 0.5)), disk])
}

/// The same, one transaction each; sealed every 1,000, as a device without peers does within a second.
pub(crate) fn one(options: &Options) -> Result<Vec<Outcome>> {
    let writes = objects(OBJECTS);
    let (mut rates, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        let mut bench = Bench::new(Indexing::TwoProperties)?;
        let (result, took) = spent(|| {
            writes.chunks(BATCH).try_for_each(|batch| {
                batch.chunks(1).try_for_each(|single| bench.write(single))?;
                bench.seal().map(drop)
            })
        });
        result?;
        rates.push(OBJECTS as f64 / took.cpu);
        let (path, dir) = bench.close()?;
        let floor = floor::rows(&path, 1, BATCH, Sync::WithEntries)?;
        floors.push(OBJECTS as f64 / floor.cpu);
        drop(dir);
    }
    let rate = Outcome::new(
        "create_one_per_s",
        quantile(&mut rates, 0.5),
        "objects / CPU s",
    );
    Ok(vec![rate.with_floor(quantile(&mut floors, 0.5))])
}

/// One property of one object, acknowledged, 1,000 objects in the space; sealed every 100.
pub(crate) fn write_ack(options: &Options) -> Result<Vec<Outcome>> {
    let mut times = Vec::new();
    for _ in 0..options.rounds {
        let mut bench = Bench::new(Indexing::TwoProperties)?;
        bench.fill(1000)?;
        for n in 0..1000 {
            let write = ObjectWrite::set(object(n * 7 % 1000), "title", format!("changed {n}"));
            let (result, took) = spent(|| bench.write(std::slice::from_ref(&write)));
            result?;
            times.push(took.wall * 1e6);
            if n % 100 == 99 {
                bench.seal()?;
            }
        }
    }
    let p95 = quantile(&mut times, 0.95);
    Ok(vec![
        Outcome::new("write_ack_us", quantile(&mut times, 0.5), "µs wall").with_p95(p95),
    ])
}
