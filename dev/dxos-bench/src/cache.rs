//! A client's cache: what a person sees of an own write at once, before any node has heard of it.
//!
//! The client is the SDK's, over a channel into memory; the node is a whole one and answers between the writes, outside
//! of what is measured.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anyhow::{Result, ensure};
use dxos_base::{ObjectWrite, Query, Value};
use dxos_client::Client;
use dxos_services::ClientId;

use crate::Options;
use crate::measure::{Outcome, quantile, spent};
use crate::net::Net;
use crate::space::{object, objects};

const OBJECTS: usize = 1_000;
const ROWS: u32 = 50;
const WRITES: usize = 1_000;

/// One property of an object in a list of fifty on screen, until the list shows it; the frame to the node is made.
pub(crate) fn write(options: &Options) -> Result<Vec<Outcome>> {
    let mut times = Vec::new();
    for _ in 0..options.rounds {
        let mut net = Net::new()?;
        let space = net.shared_space()?;
        net.write(0, space, objects(OBJECTS))?;
        let client = Client::new(ClientId([9; 16]));
        let sent = Rc::new(RefCell::new(Vec::new()));
        let outbox = sent.clone();
        client.connect(Rc::new(move |frame| outbox.borrow_mut().push(frame)));
        let shown = Rc::new(RefCell::new(String::new()));
        let told = Rc::new(Cell::new(0));
        let (screen, count) = (shown.clone(), told.clone());
        let query = Query::of_type("org.example.Task")
            .order_by_descending("created")
            .limit(ROWS);
        let subscription = client.subscribe_rows(space, query, move |found| {
            count.set(count.get() + 1);
            if let Some(row) = found.rows.get(ROWS as usize / 2)
                && let Some(Value::String(title)) = row.object.values.get("title")
            {
                screen.borrow_mut().clone_from(title);
            }
        });
        net.attend(&client, &sent)?;
        // The newest are at the end.
        let seen = object(OBJECTS - 1 - ROWS as usize / 2);
        for n in 0..WRITES {
            let title = format!("changed {n}");
            let write = vec![ObjectWrite::set(seen, "title", title.clone())];
            let (done, took) = spent(|| client.write(space, write));
            drop(done);
            ensure!(*shown.borrow() == title, "the list does not show the write");
            times.push(took.wall * 1e6);
            net.attend(&client, &sent)?;
            ensure!(client.unacknowledged() == 0, "the node did not answer");
        }
        drop(subscription);
    }
    let p95 = quantile(&mut times, 0.95);
    let outcome = Outcome::new("write_cache_us", quantile(&mut times, 0.5), "µs wall");
    Ok(vec![outcome.with_p95(p95)])
}
