//! Ten thousand documents on two sides, brought together one by one.

use anyhow::Result;

use super::automerge::Automerge;
use super::loro::Loro;
use super::yrs::Yrs;
use super::{Engine as _, Figures, Replicated, tasks};

const DOCUMENTS: usize = 10_000;
const DIFFERENCES: usize = 100;
/// What names a document on the wire, in each message of it.
const NAME_BYTES: u64 = 16;

/// Bytes sent, and bytes of the changes that were missing.
fn bytes<E: Replicated>(differences: usize) -> Result<(u64, u64)> {
    let (mut sent, mut missing) = (0, 0);
    for (n, task) in tasks(DOCUMENTS).iter().enumerate() {
        let actor = 3 * n as u64 + 1;
        let mut a = E::create(task, actor)?;
        let saved = E::save(&mut a)?;
        let mut b = E::load(&saved, &[], actor + 1)?;
        if n % (DOCUMENTS / DIFFERENCES) == 0 && n / (DOCUMENTS / DIFFERENCES) < differences {
            missing += E::set_title(&mut a, "changed by 0")?.len() as u64;
        }
        // Both name the document.
        sent += 2 * NAME_BYTES + E::sync(&mut a, &mut b)?;
    }
    Ok((sent, missing))
}

pub(super) fn no_difference() -> Result<Figures> {
    Ok(Figures::from([
        (Automerge::NAME.into(), bytes::<Automerge>(0)?.0 as f64),
        (Loro::NAME.into(), bytes::<Loro>(0)?.0 as f64),
        (Yrs::NAME.into(), bytes::<Yrs>(0)?.0 as f64),
    ]))
}

fn ratio<E: Replicated>() -> Result<f64> {
    let (sent, missing) = bytes::<E>(DIFFERENCES)?;
    Ok(sent as f64 / missing as f64)
}

pub(super) fn differences() -> Result<Figures> {
    Ok(Figures::from([
        (Automerge::NAME.into(), ratio::<Automerge>()?),
        (Loro::NAME.into(), ratio::<Loro>()?),
        (Yrs::NAME.into(), ratio::<Yrs>()?),
    ]))
}
