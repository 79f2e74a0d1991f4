//! Direct links between nodes, as WebRTC makes them: offer and answer through signalling, then ordered messages until
//! the link dies.
//!
//! Invariants
//! * messages of one link arrive in the order they were sent, or the link is closed and the later ones never do;
//! * both ends hear of the end of a link, each in its own time; a dead end is silent.
//!
//! Not here: who may reach whom and how long it takes (who drives it).

use std::collections::BTreeMap;

use dxos_mesh::link::LinkId;

/// One end of a link: the peer, its run, and the link's name there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// Index of the peer in the world.
    pub peer: usize,
    /// Which run of its node.
    pub run: u64,
    /// The node's name of the link.
    pub link: LinkId,
}

/// How far an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Waits for an offer or an answer.
    Begun,
    /// Both know each other; carries messages once told so.
    Open,
    /// Carries nothing more; its node hears so, or has.
    Broken,
}

#[derive(Debug)]
struct Side {
    stage: Stage,
    other: Option<End>,
    /// When the last message sent from here arrives.
    busy_until_ms: u64,
}

/// What the other transport's bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Offer(u64),
    Answer(u64),
    Candidate,
}

/// What became of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signalled {
    /// Nothing to do.
    Nothing,
    /// This end tells its node to carry these bytes.
    Reply(Vec<u8>),
    /// Both ends know each other.
    Paired(End, End),
    /// The bytes make no sense here: the link ends.
    Nonsense,
}

/// All direct links.
#[derive(Debug)]
pub struct DirectLinks {
    mark: &'static str,
    sides: BTreeMap<End, Side>,
    offers: Vec<End>,
    answers: Vec<End>,
}

impl DirectLinks {
    /// No links yet. `mark` stands in offers and answers where real ones hold addresses.
    pub fn new(mark: &'static str) -> Self {
        DirectLinks {
            mark,
            sides: BTreeMap::new(),
            offers: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn say(&self, kind: &str, number: u64) -> Vec<u8> {
        format!("{} {kind} {number}", self.mark).into_bytes()
    }

    fn read(&self, data: &[u8]) -> Option<Word> {
        let text = std::str::from_utf8(data)
            .ok()?
            .strip_prefix(self.mark)?
            .trim_start();
        let (kind, number) = text.split_once(' ')?;
        let number = number.parse().ok()?;
        match kind {
            "offer" => Some(Word::Offer(number)),
            "answer" => Some(Word::Answer(number)),
            "candidate" => Some(Word::Candidate),
            _ => None,
        }
    }

    /// A node begins a link. Gives what it must carry to the other: the offer and a candidate of the initiator.
    pub fn open(&mut self, end: End, initiator: bool) -> Vec<Vec<u8>> {
        self.sides.insert(
            end,
            Side {
                stage: Stage::Begun,
                other: None,
                busy_until_ms: 0,
            },
        );
        if !initiator {
            return Vec::new();
        }
        self.offers.push(end);
        let number = self.offers.len() as u64 - 1;
        vec![self.say("offer", number), self.say("candidate", number)]
    }

    /// Bytes of the other transport came to `end`.
    pub fn signal(&mut self, end: End, data: &[u8]) -> Signalled {
        let Some(stage) = self.stage(end) else {
            return Signalled::Nothing;
        };
        match self.read(data) {
            _ if stage != Stage::Begun => Signalled::Nothing,
            Some(Word::Candidate) => Signalled::Nothing,
            Some(Word::Offer(number)) if (number as usize) < self.offers.len() => {
                self.answers.push(end);
                if let Some(side) = self.sides.get_mut(&end) {
                    side.other = Some(self.offers[number as usize]);
                }
                Signalled::Reply(self.say("answer", self.answers.len() as u64 - 1))
            }
            Some(Word::Answer(number)) if (number as usize) < self.answers.len() => {
                let answerer = self.answers[number as usize];
                match self.sides.get(&answerer) {
                    Some(side) if side.other == Some(end) && side.stage == Stage::Begun => {
                        self.pair(end, answerer)
                    }
                    // The answerer is gone already: the attempt times out.
                    _ => Signalled::Nothing,
                }
            }
            _ => Signalled::Nonsense,
        }
    }

    fn pair(&mut self, a: End, b: End) -> Signalled {
        for (end, other) in [(a, b), (b, a)] {
            if let Some(side) = self.sides.get_mut(&end) {
                side.stage = Stage::Open;
                side.other = Some(other);
            }
        }
        Signalled::Paired(a, b)
    }

    /// How far an end is; `None` if it is not known or forgotten.
    pub fn stage(&self, end: End) -> Option<Stage> {
        self.sides.get(&end).map(|side| side.stage)
    }

    /// The other end of an open link.
    pub fn other(&self, end: End) -> Option<End> {
        self.sides
            .get(&end)
            .filter(|side| side.stage == Stage::Open)
            .and_then(|side| side.other)
    }

    /// When a message sent now and taking until `at_ms` arrives: after all sent before it.
    pub fn arrival(&mut self, from: End, at_ms: u64) -> u64 {
        match self.sides.get_mut(&from) {
            Some(side) => {
                side.busy_until_ms = side.busy_until_ms.max(at_ms);
                side.busy_until_ms
            }
            None => at_ms,
        }
    }

    /// The link carries nothing more. Gives the ends whose nodes must hear of it.
    pub fn break_link(&mut self, end: End) -> Vec<End> {
        let other = self.sides.get(&end).and_then(|side| side.other);
        let mut told = Vec::new();
        for end in std::iter::once(end).chain(other) {
            if let Some(side) = self.sides.get_mut(&end)
                && side.stage != Stage::Broken
            {
                side.stage = Stage::Broken;
                told.push(end);
            }
        }
        told
    }

    /// The node heard of the end of its link, or is gone itself.
    pub fn forget(&mut self, end: End) {
        self.sides.remove(&end);
    }

    /// All ends of a peer.
    pub fn of_peer(&self, peer: usize) -> Vec<End> {
        self.sides
            .keys()
            .filter(|end| end.peer == peer)
            .copied()
            .collect()
    }

    /// Ends of open links between two peers.
    pub fn between(&self, a: usize, b: usize) -> Vec<End> {
        let meets =
            |end: &End| end.peer == a && self.other(*end).is_some_and(|other| other.peer == b);
        self.sides.keys().copied().filter(meets).collect()
    }

    /// How many links are open.
    pub fn open_count(&self) -> usize {
        self.sides
            .values()
            .filter(|side| side.stage == Stage::Open)
            .count()
            / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(peer: usize) -> End {
        End {
            peer,
            run: 1,
            link: LinkId(peer as u64 * 10),
        }
    }

    #[test]
    fn an_offer_and_its_answer_make_a_link_that_both_see_end() {
        let mut links = DirectLinks::new("192.0.2.7");
        let offer = links.open(end(1), true);
        assert!(links.open(end(2), false).is_empty());
        let Signalled::Reply(answer) = links.signal(end(2), &offer[0]) else {
            panic!("an answer")
        };
        assert_eq!(links.signal(end(2), &offer[1]), Signalled::Nothing);
        assert_eq!(
            links.signal(end(1), &answer),
            Signalled::Paired(end(1), end(2))
        );
        assert_eq!(links.other(end(2)), Some(end(1)));
        assert_eq!(links.arrival(end(1), 50), 50);
        assert_eq!(links.arrival(end(1), 20), 50, "order is kept");
        assert_eq!(links.break_link(end(2)), [end(2), end(1)]);
        assert_eq!(links.break_link(end(1)), []);
        assert_eq!(links.other(end(1)), None);
    }

    #[test]
    fn nonsense_and_late_answers_make_no_link() {
        let mut links = DirectLinks::new("192.0.2.7");
        let offer = links.open(end(1), true);
        links.open(end(2), false);
        assert_eq!(links.signal(end(2), b"v=0"), Signalled::Nonsense);
        let Signalled::Reply(answer) = links.signal(end(2), &offer[0]) else {
            panic!("an answer")
        };
        links.forget(end(2));
        assert_eq!(links.signal(end(1), &answer), Signalled::Nothing);
        assert_eq!(links.signal(end(9), &answer), Signalled::Nothing);
    }
}
