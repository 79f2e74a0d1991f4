//! One WebSocket connection, from upgrade to end.
//!
//! Two halves run side by side and end together: reading (decode, ask the hub, answer) and writing (drain
//! the queue, ping). A frame that cannot be read is answered by `Refused` and ends this connection alone.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{Message, WebSocket};
use dxos_base::PeerId;
use dxos_mesh::{ClientSignal, ServerSignal, SignalRefusal, Topic, signal::SIGNAL_VERSION};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::time::{Instant, timeout};

use crate::{
    hub::{Outlet, Queue, queue},
    server::Shared,
    stats::count,
    tap::Direction,
};

/// A client says hello within this time.
const HELLO_MS_MAX: u64 = 10_000;
/// The server pings this often; pongs keep a quiet connection alive.
const PING_MS: u64 = 6_000;
/// A connection this silent is dead: with DESIGN 6, a dropped peer is gone for the others within 20 s.
const SILENCE_MS_MAX: u64 = 16_000;
/// When another connection claims the same peer id, the old one proves within this time that it lives.
const PROBE_MS_MAX: u64 = 2_000;
/// One write to the socket may take this long.
const WRITE_MS_MAX: u64 = 10_000;
/// Membership and signalling frames of one connection in one second (relayed content is bounded by flow control).
const CONTROL_FRAMES_PER_S_MAX: u32 = 2_000;

/// Runs a connection to its end.
pub(crate) async fn run(shared: Arc<Shared>, socket: WebSocket) {
    let number = shared.next_connection();
    let (sink, stream) = socket.split();
    let (outlet, queue) = queue();
    let reader = Reader {
        shared: Arc::clone(&shared),
        number,
        stream,
        outlet: outlet.clone(),
        window_started: Instant::now(),
        window_frames: 0,
    };
    let closing = Arc::clone(&outlet.close);
    drop(outlet);
    let write = write_all(&shared, number, sink, queue);
    tokio::pin!(write);
    tokio::select! {
        () = reader.run() => {
            // The reader's outlet is gone: the writer sends what is queued (a refusal, say) and ends.
            let rest = Duration::from_millis(PROBE_MS_MAX);
            let _ = timeout(rest, &mut write).await;
        }
        () = &mut write => {}
        () = closing.notified() => {
            count(&shared.stats.closed_slow, 1);
            tracing::info!(connection = number, "closed: does not read");
        }
    }
}

/// Takes its client out of the hub, whatever ends the connection.
struct Membership {
    shared: Arc<Shared>,
    peer: PeerId,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.hub().disconnect(&self.peer);
    }
}

struct Reader {
    shared: Arc<Shared>,
    number: u64,
    stream: SplitStream<WebSocket>,
    outlet: Outlet,
    window_started: Instant,
    window_frames: u32,
}

/// Why reading ended.
enum End {
    /// The client left, or was silent too long.
    Gone,
    /// The client is told, then closed.
    Refuse(SignalRefusal),
}

impl Reader {
    async fn run(mut self) {
        let end = self.serve().await;
        if let Err(End::Refuse(reason)) = end {
            count(&self.shared.stats.refused_frames, 1);
            tracing::info!(connection = self.number, ?reason, "refused");
            let refused = ServerSignal::Refused {
                reason,
                topic: None,
            };
            let _ = self.outlet.send(refused.encode());
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        let hello = timeout(Duration::from_millis(HELLO_MS_MAX), self.next()).await;
        let hello = hello.map_err(|_| End::Refuse(SignalRefusal::Malformed))??;
        let ClientSignal::Hello { version, peer } = hello else {
            return Err(End::Refuse(SignalRefusal::Malformed));
        };
        if version != SIGNAL_VERSION {
            return Err(End::Refuse(SignalRefusal::Version));
        }
        self.free_peer_id(&peer).await;
        let membership = {
            let mut hub = self.shared.hub();
            hub.connect(peer, self.outlet.clone())
                .map_err(End::Refuse)?;
            Membership {
                shared: Arc::clone(&self.shared),
                peer,
            }
        };
        self.answer(&ServerSignal::Welcome {
            version: SIGNAL_VERSION,
        })?;
        loop {
            let frame = self.next().await?;
            self.handle(&membership.peer, frame)?;
        }
    }

    /// If a connection holds this id, makes it prove that it lives; a dead one (its network went away
    /// without a word) is gone afterwards.
    async fn free_peer_id(&self, peer: &PeerId) {
        let deadline = Instant::now() + Duration::from_millis(PROBE_MS_MAX + 500);
        let mut probed = false;
        loop {
            let gone = self.shared.left.notified();
            {
                let hub = self.shared.hub();
                match hub.outlet(peer) {
                    None => return,
                    Some(outlet) if !probed => outlet.probe.notify_one(),
                    Some(_) => {}
                }
            }
            probed = true;
            if tokio::time::timeout_at(deadline, gone).await.is_err() {
                return;
            }
        }
    }

    /// The next well-formed frame.
    async fn next(&mut self) -> Result<ClientSignal, End> {
        let mut silence = Duration::from_millis(SILENCE_MS_MAX);
        loop {
            let message = tokio::select! {
                message = timeout(silence, self.stream.next()) => message.map_err(|_| End::Gone)?,
                () = self.outlet.probe.notified() => {
                    // An empty frame makes the writer ping; anything heard afterwards proves life.
                    let _ = self.outlet.send(Vec::new());
                    silence = Duration::from_millis(PROBE_MS_MAX);
                    continue;
                }
            };
            let bytes = match message {
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    silence = Duration::from_millis(SILENCE_MS_MAX);
                    continue;
                }
                Some(Ok(Message::Text(_))) => return Err(End::Refuse(SignalRefusal::Malformed)),
                // Over the size limit, or no WebSocket any more.
                Some(Err(_)) => return Err(End::Refuse(SignalRefusal::Malformed)),
                Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
            };
            self.shared.tap(Direction::Received, self.number, &bytes);
            return ClientSignal::decode(&bytes).map_err(|_| End::Refuse(SignalRefusal::Malformed));
        }
    }

    fn handle(&mut self, peer: &PeerId, frame: ClientSignal) -> Result<(), End> {
        if !matches!(frame, ClientSignal::Relay { .. }) {
            self.meter()?;
        }
        match frame {
            ClientSignal::Hello { .. } => Err(End::Refuse(SignalRefusal::Malformed)),
            ClientSignal::Join {
                topic,
                direct_capable,
            } => {
                let joined = self.shared.hub().join(*peer, topic, direct_capable);
                self.answer(&match joined {
                    Ok(peers) => ServerSignal::Peers { topic, peers },
                    Err(reason) => ServerSignal::Refused {
                        reason,
                        topic: Some(topic),
                    },
                })
            }
            ClientSignal::Leave { topic } => {
                self.shared.hub().leave(peer, topic);
                Ok(())
            }
            ClientSignal::Signal { topic, to, data } => {
                let len = data.len() as u64;
                let from = *peer;
                let carried = ServerSignal::Signal { topic, from, data };
                if self.forward(peer, topic, to, &carried)? {
                    count(&self.shared.stats.signalled_frames, 1);
                    count(&self.shared.stats.signalled_bytes, len);
                }
                Ok(())
            }
            ClientSignal::Relay { topic, to, data } => {
                let len = data.len() as u64;
                let from = *peer;
                let carried = ServerSignal::Relay { topic, from, data };
                if self.forward(peer, topic, to, &carried)? {
                    count(&self.shared.stats.relayed_frames, 1);
                    count(&self.shared.stats.relayed_bytes, len);
                }
                Ok(())
            }
            ClientSignal::Ping(number) => self.answer(&ServerSignal::Pong(number)),
        }
    }

    /// Whether the frame went on its way; if not, its sender is told.
    fn forward(
        &self,
        peer: &PeerId,
        topic: Topic,
        to: PeerId,
        frame: &ServerSignal,
    ) -> Result<bool, End> {
        let sent = self.shared.hub().forward(peer, topic, &to, frame);
        if sent.is_err() {
            count(&self.shared.stats.undelivered_frames, 1);
            self.answer(&ServerSignal::Undelivered { topic, to })?;
        }
        Ok(sent.is_ok())
    }

    fn answer(&self, frame: &ServerSignal) -> Result<(), End> {
        self.outlet.send(frame.encode()).map_err(|_| {
            self.outlet.close.notify_one();
            End::Gone
        })
    }

    fn meter(&mut self) -> Result<(), End> {
        if self.window_started.elapsed() >= Duration::from_secs(1) {
            self.window_started = Instant::now();
            self.window_frames = 0;
        }
        self.window_frames += 1;
        if self.window_frames > CONTROL_FRAMES_PER_S_MAX {
            return Err(End::Refuse(SignalRefusal::TooFast));
        }
        Ok(())
    }
}

/// Drains the queue into the socket and pings, until either side ends.
async fn write_all(
    shared: &Shared,
    number: u64,
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: Queue,
) {
    let mut pings = tokio::time::interval(Duration::from_millis(PING_MS));
    pings.reset();
    loop {
        let message = tokio::select! {
            frame = queue.next() => match frame {
                Some(frame) if frame.is_empty() => Message::Ping(Vec::new().into()),
                Some(frame) => {
                    shared.tap(Direction::Sent, number, &frame);
                    Message::Binary(frame.into())
                }
                None => break,
            },
            _ = pings.tick() => Message::Ping(Vec::new().into()),
        };
        let write = timeout(Duration::from_millis(WRITE_MS_MAX), sink.send(message));
        if !matches!(write.await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(Duration::from_millis(WRITE_MS_MAX), sink.close()).await;
}
