//! Packets a well-behaved peer never sends: each has its error. (What it does send: the tests of `session`.)

use proptest::prelude::*;

use super::*;

const WINDOW: u32 = limits::STREAM_WINDOW_BYTES as u32;

fn frame(kind: u8, stream: u32, rest: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    write_varint(&mut out, stream);
    out.extend_from_slice(rest);
    out
}

fn open(stream: u32) -> Vec<u8> {
    frame(OPEN, stream, b"\x01x")
}

fn data(kind: u8, stream: u32, len: usize) -> Vec<u8> {
    let mut rest = Vec::new();
    write_varint(&mut rest, len as u32);
    rest.resize(rest.len() + len, 7);
    frame(kind, stream, &rest)
}

fn credit(stream: u32, bytes: u32) -> Vec<u8> {
    let mut rest = Vec::new();
    write_varint(&mut rest, bytes);
    frame(CREDIT, stream, &rest)
}

/// What an even side, with its stream 2 open and sent, makes of packets.
fn receive(packets: &[Vec<u8>]) -> Result<Vec<SessionEvent>, SessionError> {
    let mut mux = Mux::new(Side::Even);
    mux.open("y").unwrap();
    assert_eq!(mux.fill(100), [OPEN, 2, 1, b'y']);
    let mut events = Vec::new();
    for packet in packets {
        mux.receive(packet, &mut events)?;
    }
    Ok(events)
}

#[test]
fn each_broken_rule_has_its_error() {
    let check = |packets: &[Vec<u8>], error| assert_eq!(receive(packets), Err(error));
    let one = StreamId(1);
    check(&[frame(9, 1, &[])], SessionError::Malformed);
    check(&[open(2)], SessionError::Malformed);
    check(&[open(3), open(1)], SessionError::Malformed);
    check(&[open(1), open(1)], SessionError::Malformed);
    check(&[frame(OPEN, 1, b"\x02\xff\xfe")], SessionError::Malformed);
    check(
        &[frame(OPEN, 1, &[&[65][..], &[b'x'; 65]].concat())],
        SessionError::Malformed,
    );
    check(&[vec![OPEN, 0x81, 0x00, 1, b'x']], SessionError::Malformed);
    check(
        &[vec![OPEN, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]],
        SessionError::Malformed,
    );
    check(
        &[vec![OPEN, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0]],
        SessionError::Malformed,
    );
    check(
        &[data(LAST, 1, 3)],
        SessionError::UnknownStream { stream: one },
    );
    check(
        &[credit(4, 3)],
        SessionError::UnknownStream {
            stream: StreamId(4),
        },
    );
    check(
        &[frame(CLOSE, 0, &[])],
        SessionError::UnknownStream {
            stream: StreamId(0),
        },
    );
    check(&[open(1), data(PART, 1, 0)], SessionError::Malformed);
    check(
        &[open(1), credit(1, 1)],
        SessionError::WindowExceeded { stream: one },
    );
    check(
        &[open(1), credit(1, 0)],
        SessionError::WindowExceeded { stream: one },
    );
    check(
        &[open(1), credit(1, u32::MAX)],
        SessionError::WindowExceeded { stream: one },
    );
    let window = data(PART, 1, WINDOW as usize);
    check(
        &[open(1), window.clone(), data(LAST, 1, 1)],
        SessionError::WindowExceeded { stream: one },
    );
    let many: Vec<Vec<u8>> = (0..=STREAMS_PER_SIDE_MAX as u32)
        .map(|n| open(2 * n + 1))
        .collect();
    check(&many, SessionError::TooManyStreams);
}

#[test]
fn late_frames_for_a_closed_stream_are_ignored() {
    let late = [
        open(1),
        frame(CLOSE, 1, &[]),
        data(LAST, 1, 9),
        credit(1, 5),
        frame(CLOSE, 1, &[]),
    ];
    let events = receive(&late).unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(
        events[1],
        SessionEvent::Closed {
            stream: StreamId(1)
        }
    );
}

#[test]
fn a_message_over_the_limit_is_refused_though_credit_was_given() {
    let mut mux = Mux::new(Side::Even);
    let mut events = Vec::new();
    mux.receive(&open(1), &mut events).unwrap();
    let mut received = 0;
    loop {
        let result = mux.receive(&data(PART, 1, CREDIT_STEP_BYTES), &mut events);
        mux.fill(100);
        received += CREDIT_STEP_BYTES;
        if received > limits::STREAM_MESSAGE_BYTES_MAX {
            assert_eq!(
                result,
                Err(SessionError::MessageTooLong {
                    stream: StreamId(1)
                })
            );
            break;
        }
        result.unwrap();
    }
}

#[test]
fn packets_keep_to_the_room_they_have() {
    for max in 100..200 {
        let mut mux = Mux::new(Side::Odd);
        for n in 0..8 {
            let id = mux.open(&"p".repeat(n * 8)).unwrap();
            mux.send(id, vec![n as u8; 150]).unwrap();
            mux.close(id);
        }
        let (mut other, mut events) = (Mux::new(Side::Even), Vec::new());
        loop {
            let packet = mux.fill(max);
            if packet.is_empty() {
                break;
            }
            assert!(packet.len() <= max);
            other.receive(&packet, &mut events).unwrap();
        }
        assert_eq!(events.len(), 8 * 3, "opened, message, closed");
        assert!(mux.streams.is_empty() && other.streams.is_empty());
    }
}

proptest! {
    #[test]
    fn any_packet_is_taken_or_refused(
        packets in prop::collection::vec(prop::collection::vec(0..6u8, 0..24), 1..8)
    ) {
        let _ = receive(&packets);
    }

    #[test]
    fn a_cut_packet_is_refused_or_ends_at_a_frame(cut in 0..40usize) {
        let frames = [open(1), data(PART, 1, 9), data(LAST, 1, 9), credit(2, 1), frame(CLOSE, 1, &[])];
        let whole = frames.concat();
        let cut = cut.min(whole.len());
        let ends: Vec<usize> = frames.iter().scan(0, |at, frame| { *at += frame.len(); Some(*at) }).collect();
        let at_end = cut == 0 || (ends.contains(&cut) && cut < ends[3]);
        prop_assert_eq!(receive(&[whole[..cut].to_vec()]).is_ok(), at_end, "{}", cut);
    }
}

#[test]
fn bulk_sends_what_the_other_streams_leave() {
    let mut mux = Mux::new(Side::Odd);
    let bulk = mux.open(BULK).unwrap();
    let other = mux.open("replicate").unwrap();
    mux.fill(100);
    mux.send(bulk, vec![1; 100_000]).unwrap();
    assert!(mux.fill(1_000).len() > 980, "alone it fills a packet");
    for _ in 0..3 {
        mux.send(other, vec![2; 600]).unwrap();
    }
    // Each packet begins with what cannot wait, though the message before is not at its end.
    let mut sent = 0;
    while mux.queued_bytes(other) > 0 {
        let packet = mux.fill(1_000);
        assert_eq!(u32::from(packet[1]), other.0);
        sent += packet.iter().filter(|byte| **byte == 2).count();
    }
    assert!(sent >= 1_800);
    let packet = mux.fill(1_000);
    assert!(packet.len() > 980 && u32::from(packet[1]) == bulk.0);
}
