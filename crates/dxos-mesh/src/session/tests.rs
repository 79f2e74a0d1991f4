//! Two sessions and everything that can go wrong between them.

use dxos_base::AgreementSecret;
use proptest::prelude::*;

use super::*;
use crate::testing::Seeded;

const PSK: [u8; 32] = [0x55; 32];

fn pair_with(initiator_psk: [u8; 32], responder_psk: [u8; 32]) -> (Session, Session) {
    let mut entropy = Seeded::new(11);
    let (a, b) = (AgreementSecret([1; 32]), AgreementSecret([2; 32]));
    (
        Session::new(Role::Initiator, &initiator_psk, &a, &mut entropy),
        Session::new(Role::Responder, &responder_psk, &b, &mut entropy),
    )
}

/// Carries messages until both are silent; the events of both sides.
fn settle(a: &mut Session, b: &mut Session) -> (Vec<SessionEvent>, Vec<SessionEvent>) {
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    loop {
        let (to_b, to_a) = (a.take_outgoing(), b.take_outgoing());
        if to_b.is_empty() && to_a.is_empty() {
            return (of_a, of_b);
        }
        for (messages, to, events) in [(to_b, &mut *b, &mut of_b), (to_a, &mut *a, &mut of_a)] {
            for message in messages {
                assert!(message.len() <= limits::LINK_MESSAGE_BYTES_MAX);
                events.extend(to.receive(&message).unwrap());
            }
        }
    }
}

fn established() -> (Session, Session) {
    let (mut a, mut b) = pair_with(PSK, PSK);
    settle(&mut a, &mut b);
    assert!(a.is_established() && b.is_established());
    (a, b)
}

fn messages(events: &[SessionEvent]) -> Vec<(StreamId, Vec<u8>)> {
    let message = |event: &SessionEvent| match event {
        SessionEvent::Message { stream, bytes } => Some((*stream, bytes.clone())),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

#[test]
fn both_learn_the_other_key_and_the_same_hash() {
    let (mut a, mut b) = pair_with(PSK, PSK);
    assert_eq!(a.open("replicate"), Err(StreamError::NotEstablished));
    let (of_a, of_b) = settle(&mut a, &mut b);
    let [
        SessionEvent::Established {
            remote: b_key,
            handshake_hash: a_hash,
        },
    ] = of_a[..]
    else {
        panic!("{of_a:?}")
    };
    let [
        SessionEvent::Established {
            remote: a_key,
            handshake_hash: b_hash,
        },
    ] = of_b[..]
    else {
        panic!("{of_b:?}")
    };
    assert_eq!(a_key, AgreementSecret([1; 32]).public());
    assert_eq!(b_key, AgreementSecret([2; 32]).public());
    assert_eq!(a_hash, b_hash);

    let mut entropy = Seeded::new(12);
    let mut c = Session::new(
        Role::Initiator,
        &PSK,
        &AgreementSecret([1; 32]),
        &mut entropy,
    );
    let mut d = Session::new(
        Role::Responder,
        &PSK,
        &AgreementSecret([2; 32]),
        &mut entropy,
    );
    let (of_c, _) = settle(&mut c, &mut d);
    assert_ne!(of_c, of_a, "another session has another hash");
}

#[test]
fn a_wrong_psk_ends_the_handshake_and_tells_no_identity() {
    let (mut a, mut b) = pair_with(PSK, [0x56; 32]);
    let hello = a.take_outgoing();
    assert_eq!(b.receive(&hello[0]), Err(SessionError::Handshake));
    assert_eq!(
        b.take_outgoing(),
        Vec::<Vec<u8>>::new(),
        "no answer to a stranger"
    );
    assert_eq!(b.receive(&hello[0]), Err(SessionError::Ended));
    assert_eq!(b.open("x"), Err(StreamError::Ended));
}

#[test]
fn an_altered_or_cut_handshake_message_is_refused() {
    for step in 0..3 {
        let message = handshake_until(step).2;
        for at in 0..message.len() {
            let mut altered = message.clone();
            altered[at] ^= 0x40;
            for bad in [altered, message[..at].to_vec()] {
                let (mut a, mut b, _) = handshake_until(step);
                let receiver = if step == 1 { &mut a } else { &mut b };
                assert_eq!(
                    receiver.receive(&bad),
                    Err(SessionError::Handshake),
                    "{step} {at}"
                );
            }
        }
    }
}

/// Both sides before handshake message `step` is received, and that message.
fn handshake_until(step: usize) -> (Session, Session, Vec<u8>) {
    let (mut a, mut b) = pair_with(PSK, PSK);
    let mut message = a.take_outgoing().remove(0);
    for n in 0..step {
        let (receiver, _) = if n % 2 == 0 {
            (&mut b, ())
        } else {
            (&mut a, ())
        };
        receiver.receive(&message).unwrap();
        message = receiver.take_outgoing().remove(0);
    }
    (a, b, message)
}

#[test]
fn another_version_is_named() {
    let mut b = pair_with(PSK, PSK).1;
    let resolver = Resolver {
        ephemeral: Cell::new(Some(Zeroizing::new([7; 32]))),
    };
    let mut newer = Builder::with_resolver(NOISE.parse().unwrap(), Box::new(resolver))
        .prologue(PROLOGUE)
        .unwrap()
        .local_private_key(&[1; 32])
        .unwrap()
        .psk(0, &PSK)
        .unwrap()
        .build_initiator()
        .unwrap();
    let mut hello = vec![0; 256];
    let len = newer
        .write_message(&[SESSION_VERSION + 1], &mut hello)
        .unwrap();
    assert_eq!(
        b.receive(&hello[..len]),
        Err(SessionError::Version {
            version: SESSION_VERSION + 1
        })
    );
}

#[test]
fn streams_open_speak_and_close() {
    let (mut a, mut b) = established();
    let one = a.open("replicate").unwrap();
    let two = b.open("gossip").unwrap();
    assert_ne!(one, two);
    a.send(one, b"hello".to_vec()).unwrap();
    a.send(one, Vec::new()).unwrap();
    b.send(two, b"there".to_vec()).unwrap();
    a.close(one);
    a.close(one);
    assert_eq!(
        a.send(one, vec![]),
        Err(StreamError::NoStream { stream: one })
    );
    let (of_a, of_b) = settle(&mut a, &mut b);
    assert_eq!(
        of_b,
        [
            SessionEvent::Opened {
                stream: one,
                protocol: "replicate".into()
            },
            SessionEvent::Message {
                stream: one,
                bytes: b"hello".to_vec()
            },
            SessionEvent::Message {
                stream: one,
                bytes: vec![]
            },
            SessionEvent::Closed { stream: one },
        ]
    );
    assert_eq!(
        of_a,
        [
            SessionEvent::Opened {
                stream: two,
                protocol: "gossip".into()
            },
            SessionEvent::Message {
                stream: two,
                bytes: b"there".to_vec()
            },
        ]
    );
    assert_eq!(
        b.send(one, vec![]),
        Err(StreamError::NoStream { stream: one })
    );
    assert_ne!(
        a.open("replicate").unwrap(),
        one,
        "numbers are never used again"
    );
}

#[test]
fn both_may_close_at_once() {
    let (mut a, mut b) = established();
    let stream = a.open("x").unwrap();
    settle(&mut a, &mut b);
    b.send(stream, vec![1; 100_000]).unwrap();
    a.close(stream);
    b.close(stream);
    let (of_a, of_b) = settle(&mut a, &mut b);
    assert_eq!(
        (of_a, of_b),
        (vec![], vec![]),
        "nobody is told of what they closed"
    );
}

#[test]
fn a_message_larger_than_the_window_arrives() {
    let (mut a, mut b) = established();
    let stream = a.open("blob").unwrap();
    let large: Vec<u8> = (0..limits::STREAM_MESSAGE_BYTES_MAX)
        .map(|i| (i / 7) as u8)
        .collect();
    a.send(stream, large.clone()).unwrap();
    let first = a.take_outgoing();
    let under_way: usize = first.iter().map(Vec::len).sum();
    assert!(
        under_way < limits::STREAM_WINDOW_BYTES * 11 / 10,
        "{under_way} bytes unasked"
    );
    let mut got = Vec::new();
    for message in first {
        got.extend(b.receive(&message).unwrap());
    }
    got.extend(settle(&mut a, &mut b).1);
    assert_eq!(messages(&got), [(stream, large)]);
    assert_eq!(a.queued_bytes(stream), 0);
}

#[test]
fn a_paused_stream_holds_a_window_and_blocks_no_other() {
    let (mut a, mut b) = established();
    let (bulk, small) = (a.open("bulk").unwrap(), a.open("small").unwrap());
    settle(&mut a, &mut b);
    b.set_flow(bulk, Flow::Paused).unwrap();
    for _ in 0..32 {
        a.send(bulk, vec![7; 32 * 1024]).unwrap();
    }
    a.send(small, b"quick".to_vec()).unwrap();
    let of_b = settle(&mut a, &mut b).1;
    let bulk_bytes: usize = messages(&of_b)
        .iter()
        .filter(|(id, _)| *id == bulk)
        .map(|(_, bytes)| bytes.len())
        .sum();
    assert_eq!(bulk_bytes, limits::STREAM_WINDOW_BYTES);
    assert!(messages(&of_b).contains(&(small, b"quick".to_vec())));
    assert_eq!(
        a.queued_bytes(bulk),
        32 * 32 * 1024 - limits::STREAM_WINDOW_BYTES
    );
    b.set_flow(bulk, Flow::Running).unwrap();
    assert_eq!(
        messages(&settle(&mut a, &mut b).1).len(),
        32 - bulk_bytes / (32 * 1024)
    );
}

#[test]
fn streams_take_turns() {
    let (mut a, mut b) = established();
    let streams = [
        a.open("a").unwrap(),
        a.open("b").unwrap(),
        a.open("c").unwrap(),
    ];
    for stream in streams {
        a.send(stream, vec![1; 64 * 1024]).unwrap();
    }
    let mut done = Vec::new();
    for (n, message) in a.take_outgoing().into_iter().enumerate() {
        for (stream, _) in messages(&b.receive(&message).unwrap()) {
            done.push((n, stream));
        }
    }
    let span = done.last().unwrap().0 - done.first().unwrap().0;
    assert!(
        done.len() == 3 && span <= 3,
        "no stream waits for another to end: {done:?}"
    );
}

#[test]
fn a_repeated_reordered_lost_altered_or_cut_message_ends_the_session() {
    // The randomness is seeded: every pair of sessions is the same one again.
    let traffic = || {
        let (mut a, b) = established();
        let stream = a.open("x").unwrap();
        a.send(stream, vec![3; 40]).unwrap();
        let first = a.take_outgoing().remove(0);
        a.send(stream, vec![4; 40]).unwrap();
        (b, first, a.take_outgoing().remove(0))
    };
    let (mut b, first, second) = traffic();
    b.receive(&first).unwrap();
    assert_eq!(b.receive(&first), Err(SessionError::Decrypt), "repeated");
    assert_eq!(b.receive(&second), Err(SessionError::Ended));
    assert_eq!(
        traffic().0.receive(&second),
        Err(SessionError::Decrypt),
        "one is missing"
    );
    for at in 0..first.len() {
        let mut altered = first.clone();
        altered[at] ^= 1;
        assert_eq!(traffic().0.receive(&altered), Err(SessionError::Decrypt));
        assert_eq!(
            traffic().0.receive(&first[..at]),
            Err(SessionError::Decrypt)
        );
    }
    let long = vec![0; limits::LINK_MESSAGE_BYTES_MAX + 1];
    let error = SessionError::LinkMessageTooLong { len: long.len() };
    assert_eq!(traffic().0.receive(&long), Err(error));
}

#[test]
fn what_is_over_a_limit_is_not_queued() {
    let (mut a, _) = established();
    let stream = a.open("x").unwrap();
    let max = limits::STREAM_MESSAGE_BYTES_MAX;
    assert_eq!(
        a.send(stream, vec![0; max + 1]),
        Err(StreamError::TooLong { len: max + 1 })
    );
    a.send(stream, vec![0; max]).unwrap();
    a.send(stream, vec![0; max]).unwrap();
    assert_eq!(a.send(stream, vec![0]), Err(StreamError::Full { stream }));
    assert_eq!(
        a.open(&"p".repeat(65)),
        Err(StreamError::ProtocolName { len: 65 })
    );
    for _ in 1..limits::STREAMS_PER_SESSION_MAX / 2 {
        a.open("x").unwrap();
    }
    assert_eq!(a.open("x"), Err(StreamError::TooMany));
}

#[derive(Debug, Clone)]
enum Step {
    Open {
        side: bool,
    },
    Send {
        side: bool,
        nth: usize,
        len: usize,
    },
    Close {
        side: bool,
        nth: usize,
    },
    Flow {
        side: bool,
        nth: usize,
        paused: bool,
    },
    Carry {
        side: bool,
        count: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let side = any::<bool>;
    prop_oneof![
        2 => side().prop_map(|side| Step::Open { side }),
        8 => (side(), 0..8usize, prop_oneof![0..300usize, 10_000..400_000usize])
            .prop_map(|(side, nth, len)| Step::Send { side, nth, len }),
        1 => (side(), 0..8usize).prop_map(|(side, nth)| Step::Close { side, nth }),
        2 => (side(), 0..8usize, side())
            .prop_map(|(side, nth, paused)| Step::Flow { side, nth, paused }),
        6 => (side(), 0..20usize).prop_map(|(side, count)| Step::Carry { side, count }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is opened, sent, paused, closed and delayed: what arrives on a stream is what was sent on it, in
    /// order, all of it where nobody closed; and no step is an error.
    #[test]
    fn messages_arrive_in_order_whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        let (a, b) = established();
        let mut sessions = [a, b];
        let mut wires: [std::collections::VecDeque<Vec<u8>>; 2] = Default::default();
        let mut streams: Vec<StreamId> = Vec::new();
        let mut closed: Vec<StreamId> = Vec::new();
        let mut sent: [Vec<(StreamId, Vec<u8>)>; 2] = Default::default();
        let mut got: [Vec<(StreamId, Vec<u8>)>; 2] = Default::default();
        for (n, step) in steps.iter().enumerate() {
            match *step {
                Step::Open { side } => streams.extend(sessions[side as usize].open("x").ok()),
                Step::Send { side, nth, len } => if let Some(&id) = streams.get(nth) {
                    let bytes = vec![n as u8; len];
                    if sessions[side as usize].send(id, bytes.clone()).is_ok() {
                        sent[side as usize].push((id, bytes));
                    }
                },
                Step::Close { side, nth } => if let Some(&id) = streams.get(nth) {
                    sessions[side as usize].close(id);
                    closed.push(id);
                },
                Step::Flow { side, nth, paused } => if let Some(&id) = streams.get(nth) {
                    let flow = if paused { Flow::Paused } else { Flow::Running };
                    let _ = sessions[side as usize].set_flow(id, flow);
                },
                Step::Carry { side, count } => {
                    let from = side as usize;
                    wires[from].extend(sessions[from].take_outgoing());
                    for _ in 0..count {
                        let Some(message) = wires[from].pop_front() else { break };
                        let events = sessions[1 - from].receive(&message).unwrap();
                        got[from].extend(messages(&events));
                    }
                }
            }
        }
        for id in &streams {
            for session in &mut sessions {
                let _ = session.set_flow(*id, Flow::Running);
            }
        }
        loop {
            let mut moved = false;
            for from in [0, 1] {
                wires[from].extend(sessions[from].take_outgoing());
                while let Some(message) = wires[from].pop_front() {
                    moved = true;
                    let events = sessions[1 - from].receive(&message).unwrap();
                    got[from].extend(messages(&events));
                }
            }
            if !moved { break }
        }
        for from in [0, 1] {
            for id in &streams {
                let of = |all: &[(StreamId, Vec<u8>)]| -> Vec<Vec<u8>> {
                    all.iter().filter(|(of, _)| of == id).map(|(_, bytes)| bytes.clone()).collect()
                };
                let (sent, got) = (of(&sent[from]), of(&got[from]));
                prop_assert!(sent.starts_with(&got), "{id} out of order");
                prop_assert!(closed.contains(id) || sent.len() == got.len(), "{id} lost messages");
            }
        }
    }

    /// Bytes from anywhere end a session or are taken; they never panic.
    #[test]
    fn any_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (mut a, mut b) = pair_with(PSK, PSK);
        prop_assert!(b.receive(&bytes).is_err());
        prop_assert!(a.receive(&bytes).is_err());
        prop_assert_eq!(established().0.receive(&bytes), Err(SessionError::Decrypt));
    }
}
