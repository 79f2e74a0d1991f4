//! Binding the one fixed port, and a clear word when somebody else has it.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Who has the port answers within this time, or counts as unknown.
const ANSWER_MS_MAX: u64 = 1_000;

/// Listens on all addresses of this machine (IPv6 and IPv4, or IPv4 alone); port 0 takes a free one.
///
/// # Errors
/// Somebody listens there already: the message says whether it is another `dx`, and what to do.
pub async fn listen(port: u16) -> Result<TcpListener> {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Asked first: some systems let two programs bind one port at different addresses.
    if port != 0
        && let Ok(Ok(stream)) = timeout(
            Duration::from_millis(ANSWER_MS_MAX),
            TcpStream::connect(local),
        )
        .await
    {
        bail!(taken(port, is_dx(stream).await));
    }
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(taken(port, false)),
        // No IPv6 here.
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .await
            .with_context(|| format!("listen on port {port}")),
    }
}

fn taken(port: u16, by_dx: bool) -> String {
    if by_dx {
        return format!(
            "a dx server is running on port {port} already: open http://localhost:{port}\n\
             (to start this one instead, stop the other first)"
        );
    }
    format!(
        "port {port} is taken by another program.\n\
         Your data in the browser belongs to the address http://localhost:{port}; on another port you would see \
         another, empty profile. So dx does not move by itself.\n\
         Find the program with:  ss -ltnp 'sport = :{port}'   (macOS: lsof -nP -iTCP:{port} -sTCP:LISTEN)\n\
         or, for a separate profile, choose another port:  dx serve --port {}",
        port.wrapping_add(1)
    )
}

/// Whether the program at the other end is a `dx` server: it says so at `/stats`.
async fn is_dx(mut stream: TcpStream) -> bool {
    let ask = async {
        let request = b"GET /stats HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).contains("\"product\":\"dx\""))
    };
    timeout(Duration::from_millis(ANSWER_MS_MAX), ask)
        .await
        .ok()
        .flatten()
        .unwrap_or(false)
}
