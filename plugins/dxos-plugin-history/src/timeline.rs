//! The timeline: edits of an object as far as they were read, the latest first, and which of them are on the screen.
//!
//! Invariants
//! * edits stand in the order of their last writes and do not overlap;
//! * what is drawn is bounded by the height of the list, however long the history is.

use std::ops::Range;

use dxos_base::Stamp;
use dxos_base::history::{Edit, HistoryPage, HistoryWindow};

/// Writes of one device at most this far apart are one edit.
pub const PAUSE_MS: u64 = 120_000;
/// Edits asked for at once.
pub const PAGE_EDITS: u32 = 256;
/// Height of a line, as in the style sheet.
pub const LINE_PX: f64 = 52.0;
/// Lines drawn above and below what is on the screen.
const LINES_BEYOND: usize = 8;

/// Edits read so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// The latest first.
    pub edits: Vec<Edit>,
    /// How many there are in all.
    pub total: u64,
    /// The first answer came.
    pub ready: bool,
}

impl Timeline {
    /// What to ask for to see the latest.
    pub fn newest() -> HistoryWindow {
        HistoryWindow {
            before: None,
            limit: PAGE_EDITS,
            pause_ms: PAUSE_MS,
        }
    }

    /// What to ask for to see more; `None`: all are here.
    pub fn older(&self) -> Option<HistoryWindow> {
        let last = self.edits.last()?;
        ((self.edits.len() as u64) < self.total).then_some(HistoryWindow {
            before: Some(last.last),
            ..Timeline::newest()
        })
    }

    /// Takes up the latest edits. What was read of older ones stays, unless writes that came late stand among them.
    pub fn take_newest(&mut self, page: HistoryPage) {
        let older = match page.edits.last() {
            Some(oldest) => self
                .edits
                .iter()
                .position(|edit| edit.last < oldest.first)
                .map_or_else(Vec::new, |at| self.edits.split_off(at)),
            None => Vec::new(),
        };
        let grown = page.total.checked_sub(self.total);
        let begun = page.edits.len() as u64 + older.len() as u64;
        let fits = self.ready && grown.is_some() && begun <= page.total;
        self.edits = page.edits;
        if fits {
            self.edits.extend(older);
        }
        self.total = page.total;
        self.ready = true;
    }

    /// Takes up edits before those that are here.
    pub fn take_older(&mut self, page: HistoryPage) {
        let last = self.edits.last().map(|edit| edit.last);
        let more = page.edits.into_iter();
        // A page asked for before others came in may overlap.
        let more = more.filter(|edit| last.is_none_or(|last| edit.last < last));
        let count = self.edits.len();
        self.edits.extend(more);
        // Nothing more although more was told of: they were merged meanwhile.
        self.total = match self.edits.len() == count {
            true => count as u64,
            false => page.total,
        };
    }

    /// The edit a write is part of.
    pub fn place_of(&self, stamp: Stamp) -> Option<usize> {
        let within =
            |edit: &Edit| edit.last.feed == stamp.feed && edit.first <= stamp && stamp <= edit.last;
        self.edits.iter().position(within)
    }
}

/// Lines to draw of a list with `count` of them, scrolled to `top`, `height` high.
pub fn visible(count: usize, top: f64, height: f64) -> Range<usize> {
    let first = (top.max(0.0) / LINE_PX) as usize;
    let shown = (height.max(0.0) / LINE_PX) as usize + 2;
    let from = first.saturating_sub(LINES_BEYOND).min(count);
    from..(first + shown + LINES_BEYOND).min(count)
}

/// Where a list `height` high is scrolled to, so that a line is on the screen: as little as possible.
pub fn scroll_to(line: usize, top: f64, height: f64) -> f64 {
    let at = line as f64 * LINE_PX;
    if at < top {
        at
    } else if at + LINE_PX > top + height {
        at + LINE_PX - height
    } else {
        top
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dxos_base::FeedId;
    use dxos_base::clock::Clock;

    use super::*;

    fn stamp(at: u64) -> Stamp {
        Stamp {
            clock: Clock::from_ms(at),
            feed: FeedId([1; 16]),
        }
    }

    fn edit(first: u64, last: u64) -> Edit {
        Edit {
            first: stamp(first),
            last: stamp(last),
            by: None,
            writes: 1,
            properties: BTreeMap::new(),
            begins: false,
        }
    }

    fn page(edits: impl IntoIterator<Item = u64>, total: u64) -> HistoryPage {
        let edits = edits.into_iter().map(|at| edit(at, at)).collect();
        HistoryPage { edits, total }
    }

    fn places(timeline: &Timeline) -> Vec<u64> {
        timeline.edits.iter().map(|e| e.last.clock.ms()).collect()
    }

    #[test]
    fn pages_make_one_list_and_what_comes_goes_on_top() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.older(), None);
        timeline.take_newest(page([60, 50, 40], 6));
        assert_eq!(timeline.older().unwrap().before, Some(stamp(40)));
        timeline.take_older(page([30, 20, 10], 6));
        assert_eq!(timeline.older(), None);
        timeline.take_newest(page([70, 60, 50], 7));
        assert_eq!(places(&timeline), [70, 60, 50, 40, 30, 20, 10]);
        // The latest edit grew: it is not there twice.
        let mut grown = page([60, 50], 7);
        grown.edits.insert(0, edit(70, 75));
        timeline.take_newest(grown);
        assert_eq!(places(&timeline), [75, 60, 50, 40, 30, 20, 10]);
        assert_eq!(timeline.place_of(stamp(72)), Some(0));
        assert_eq!(timeline.place_of(stamp(65)), None);
        // A page that was asked for twice is taken once.
        timeline.take_older(page([20, 10], 7));
        assert_eq!(places(&timeline).len(), 7);
    }

    #[test]
    fn fewer_edits_than_before_are_read_again() {
        let mut timeline = Timeline::default();
        timeline.take_newest(page([60, 50], 4));
        timeline.take_older(page([40, 30], 4));
        timeline.take_newest(page([60, 50], 2));
        assert_eq!(places(&timeline), [60, 50]);
    }

    #[test]
    fn what_is_drawn_is_bounded() {
        assert_eq!(visible(0, 0.0, 600.0), 0..0);
        assert_eq!(visible(3, 0.0, 600.0), 0..3);
        let middle = visible(10_000, 5_000.0 * LINE_PX, 600.0);
        assert!(middle.contains(&5_000) && middle.len() < 40, "{middle:?}");
        assert_eq!(visible(10, 1e9, 600.0), 10..10);
        assert_eq!(scroll_to(0, 100.0, 600.0), 0.0);
        assert_eq!(scroll_to(3, 100.0, 600.0), 100.0);
        assert_eq!(scroll_to(20, 100.0, 520.0), 11.0 * LINE_PX);
    }
}
