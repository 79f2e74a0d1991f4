//! Clocks, medians and the machine the figures belong to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of this thread and wall time, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub cpu: f64,
    pub wall: f64,
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// Runs `work` and says what it took.
pub(crate) fn spent<T>(work: impl FnOnce() -> T) -> (T, Spent) {
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let result = work();
    (
        result,
        Spent {
            cpu: cpu_seconds() - cpu,
            wall: wall.elapsed().as_secs_f64(),
        },
    )
}

/// The value at `part` (0 to 1) of the sorted values: 0.5 is the median.
pub(crate) fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0) * part).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// One figure.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub id: &'static str,
    pub value: f64,
    pub unit: &'static str,
    /// The 95th percentile over single operations, where there are many in a round.
    pub p95: Option<f64>,
    /// The floor in the same run, in the same unit.
    pub floor: Option<f64>,
    /// Other systems at the same work, in the same unit.
    pub peers: BTreeMap<String, f64>,
}

impl Outcome {
    pub fn new(id: &'static str, value: f64, unit: &'static str) -> Outcome {
        Outcome {
            id,
            value,
            unit,
            p95: None,
            floor: None,
            peers: BTreeMap::new(),
        }
    }

    pub fn with_floor(self, floor: f64) -> Outcome {
        Outcome {
            floor: Some(floor),
            ..self
        }
    }

    pub fn with_p95(self, p95: f64) -> Outcome {
        Outcome {
            p95: Some(p95),
            ..self
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:.3} {}", self.id, self.value, self.unit)?;
        if let Some(p95) = self.p95 {
            write!(f, ", p95 {p95:.3}")?;
        }
        if let Some(floor) = self.floor {
            write!(f, ", floor {floor:.3} (ratio {:.2})", self.value / floor)?;
        }
        for (name, value) in &self.peers {
            write!(f, ", {name} {value:.3}")?;
        }
        Ok(())
    }
}

/// Processor model and number of processors.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{} × {count}",
        model.unwrap_or(std::env::consts::ARCH).trim()
    )
}

/// Load average over the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(f64::NAN)
}
