//! The WebSocket of native hosts, on tokio.
//!
//! Invariants
//! * reading and writing never wait for each other;
//! * a peer that is gone without a word is noticed: the socket pings, and closes after [`SILENCE_MAX`].

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dxos_base::limits;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::socket::{SOCKET_QUEUED_BYTES_MAX, SocketEvent};

const CONNECT_MAX: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(15);
/// Two pings without an answer, and some.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// A socket to the signal server. Dropping it closes it, after what is queued, without an event.
#[derive(Debug)]
pub struct SignalSocket {
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    queued_bytes: Arc<AtomicUsize>,
    overflow: Arc<Notify>,
    _alive: oneshot::Sender<Infallible>,
}

impl SignalSocket {
    /// Connects to `url` (`ws://host:port/path`) and tells `on_event` what happens, from a tokio task.
    ///
    /// Call within a tokio runtime. An event under way while the socket is dropped may still be told.
    pub fn open(url: &str, on_event: impl FnMut(SocketEvent) + Send + 'static) -> SignalSocket {
        let (outgoing, queue) = mpsc::unbounded_channel();
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let (alive, dropped) = oneshot::channel();
        let overflow = Arc::new(Notify::new());
        let run = Run {
            queue,
            queued_bytes: Arc::clone(&queued_bytes),
            overflow: Arc::clone(&overflow),
            dropped,
        };
        tokio::spawn(run.run(url.to_owned(), on_event));
        SignalSocket {
            outgoing,
            queued_bytes,
            overflow,
            _alive: alive,
        }
    }

    /// Queues a frame; also before the socket has opened. More than [`SOCKET_QUEUED_BYTES_MAX`] waiting, or a frame
    /// over the limit, closes the socket. After its end this does nothing.
    pub fn send(&self, frame: Vec<u8>) {
        let waiting = self.queued_bytes.fetch_add(frame.len(), Ordering::Relaxed) + frame.len();
        if waiting > SOCKET_QUEUED_BYTES_MAX || frame.len() > limits::SIGNAL_FRAME_BYTES_MAX {
            self.overflow.notify_one();
        } else {
            // The receiver is gone after the socket's end, which was told.
            let _ = self.outgoing.send(frame);
        }
    }
}

/// The task's half.
struct Run {
    queue: mpsc::UnboundedReceiver<Vec<u8>>,
    queued_bytes: Arc<AtomicUsize>,
    overflow: Arc<Notify>,
    dropped: oneshot::Receiver<Infallible>,
}

impl Run {
    async fn run(mut self, url: String, mut on_event: impl FnMut(SocketEvent) + Send) {
        if let Some(reason) = self.converse(&url, &mut on_event).await {
            tracing::debug!(reason, "net/signal socket closed");
            on_event(SocketEvent::Closed { reason });
        }
    }

    /// Why it ended; `None` if the handle was dropped.
    async fn converse(
        &mut self,
        url: &str,
        on_event: &mut (impl FnMut(SocketEvent) + Send),
    ) -> Option<String> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits::SIGNAL_FRAME_BYTES_MAX))
            .max_frame_size(Some(limits::SIGNAL_FRAME_BYTES_MAX));
        let no_delay = true;
        let connect = tokio_tungstenite::connect_async_with_config(url, Some(config), no_delay);
        let stream = tokio::select! {
            connected = timeout(CONNECT_MAX, connect) => match connected {
                Ok(Ok((stream, _))) => stream,
                Ok(Err(error)) => return Some(format!("cannot connect: {error}")),
                Err(_) => return Some(format!("no answer within {} s", CONNECT_MAX.as_secs())),
            },
            // Only ever dropped: the handle is gone before there was a connection.
            _ = &mut self.dropped => return None,
        };
        on_event(SocketEvent::Opened);
        let (sink, stream) = stream.split();
        let heard = Heard::new();
        tokio::select! {
            reason = read(stream, &heard, on_event) => Some(reason),
            reason = write(sink, &mut self.queue, &self.queued_bytes) => reason,
            reason = watch(&heard) => Some(reason),
            () = self.overflow.notified() => Some("more is sent than the socket takes".into()),
        }
    }
}

/// Writes what is queued, and pings; why it ended, `None` when the handle was dropped and all is written.
async fn write(
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    queue: &mut mpsc::UnboundedReceiver<Vec<u8>>,
    queued_bytes: &AtomicUsize,
) -> Option<String> {
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (message, len) = tokio::select! {
            next = queue.recv() => match next {
                Some(frame) => {
                    let len = frame.len();
                    (Message::binary(frame), len)
                }
                None => {
                    // Best effort: the connection ends either way.
                    let _ = sink.close().await;
                    return None;
                }
            },
            _ = ping.tick() => (Message::Ping(Default::default()), 0),
        };
        if let Err(error) = sink.send(message).await {
            return Some(format!("cannot send: {error}"));
        }
        queued_bytes.fetch_sub(len, Ordering::Relaxed);
    }
}

/// Ends when nothing is heard for too long, also while writing is blocked.
async fn watch(heard: &Heard) -> String {
    loop {
        let left = SILENCE_MAX.saturating_sub(heard.silence());
        if left.is_zero() {
            return format!("nothing heard for {} s", SILENCE_MAX.as_secs());
        }
        tokio::time::sleep(left).await;
    }
}

/// Reads until the end; why it ended.
async fn read(
    mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
    heard: &Heard,
    on_event: &mut (impl FnMut(SocketEvent) + Send),
) -> String {
    while let Some(message) = stream.next().await {
        heard.now();
        match message {
            Ok(Message::Binary(frame)) => on_event(SocketEvent::Frame(frame.into())),
            Ok(Message::Text(_)) => return "the server sent text".into(),
            Ok(Message::Close(_)) => return "the server closed".into(),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(error) => return format!("cannot receive: {error}"),
        }
    }
    "the connection ended".into()
}

/// When the other end was heard last.
struct Heard {
    start: Instant,
    last_ms: AtomicU64,
}

impl Heard {
    fn new() -> Self {
        Heard {
            start: Instant::now(),
            last_ms: AtomicU64::new(0),
        }
    }

    fn now(&self) {
        self.last_ms
            .store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last)
    }
}
