//! Queues: a window of a long one, at its end and in its middle.

use anyhow::{Result, ensure};
use dxos_base::query::{Query, field};
use dxos_base::queue::{PLACE, QueuePlace};
use dxos_base::{ObjectId, ObjectWrite, Value};
use dxos_echo::IndexPolicy;

use crate::Options;
use crate::measure::{Outcome, quantile, spent};
use crate::space::{Bench, Indexing};

const MESSAGES: u64 = 100_000;
const PAGE: u32 = 50;
const QUEUE: ObjectId = ObjectId([7; 16]);

fn place(n: u64) -> QueuePlace {
    QueuePlace::new(QUEUE, n << 16, message(n))
}

fn message(n: u64) -> ObjectId {
    ObjectId((u128::from(n) + 1).to_be_bytes())
}

/// What the SDK asks for messages before one.
fn before(n: u64) -> Query {
    let (least, _) = QueuePlace::ends(QUEUE);
    Query::of_type("org.example.Message")
        .filter(field(PLACE).between(least.to_value(), place(n).to_value()))
        .filter(field(PLACE).neq(place(n).to_value()))
        .order_by_descending(PLACE)
        .limit(PAGE)
}

/// 50 messages of 100,000, at eight places in turn.
pub(crate) fn window(options: &Options) -> Result<Vec<Outcome>> {
    let mut bench = Bench::new(Indexing::TwoProperties)?;
    bench.space.set_index_policy(IndexPolicy {
        properties: Some([PLACE.to_owned()].into()),
        full_text: false,
    });
    for first in (0..MESSAGES).step_by(1000) {
        let writes: Vec<ObjectWrite> = (first..first + 1000)
            .map(|n| {
                let values = [
                    ("text".to_owned(), Value::String(format!("message {n}"))),
                    (PLACE.to_owned(), place(n).to_value()),
                ];
                ObjectWrite::create(message(n), "org.example.Message@0.1.0", values)
            })
            .collect();
        bench.write_and_seal(&writes)?;
    }
    let mut times = Vec::new();
    for round in 0..options.rounds as u64 * 16 {
        let query = before(MESSAGES - 1 - round % 8 * (MESSAGES / 8));
        let (found, took) = spent(|| bench.space.query(&mut bench.store, &query));
        ensure!(found?.len() == PAGE as usize, "the window is not full");
        times.push(took.cpu * 1e3);
    }
    let p95 = quantile(&mut times, 0.95);
    let outcome = Outcome::new(
        "queue_window_50_of_100k_ms",
        quantile(&mut times, 0.5),
        "ms CPU",
    );
    Ok(vec![outcome.with_p95(p95)])
}
