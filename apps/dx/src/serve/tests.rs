//! The site over real sockets: types, packing, caching, redirects, headers, and paths that lead out.

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Site, assets::Assets, front, page, port};

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// A site over a folder with a page, a script (packed too) and a WASM file; a secret lies beside the folder.
async fn site() -> (tempfile::TempDir, u16) {
    let dir = tempfile::tempdir().unwrap();
    let dist = dir.path().join("dist");
    std::fs::create_dir_all(dist.join("css")).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    std::fs::write(dist.join("index.html"), "<!doctype html>").unwrap();
    std::fs::write(dist.join("app.js"), "plain").unwrap();
    std::fs::write(dist.join("app.js.br"), "packed").unwrap();
    std::fs::write(dist.join("app_bg.wasm"), "\0asm").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let site = Arc::new(Site {
        assets: Assets::new(Some(dist)),
        port,
        tap: None,
    });
    let router = Router::new()
        .fallback(page)
        .with_state(Arc::clone(&site))
        .layer(from_fn_with_state(site, front));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (dir, port)
}

async fn get(port: u16, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let host = if headers.contains("host:") {
        String::new()
    } else {
        format!("host: localhost:{port}\r\n")
    };
    let request = format!("GET {path} HTTP/1.1\r\n{host}{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let split = bytes
        .windows(4)
        .position(|part| part == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body: bytes[split + 4..].to_vec(),
    }
}

#[tokio::test]
async fn files_have_their_types_and_the_page_its_headers() {
    let (_dir, port) = site().await;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/app_bg.wasm", "application/wasm"),
    ] {
        let answer = get(port, path, "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some(kind))
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-src 'none'"), "{policy}");
        assert!(
            policy.contains("script-src 'self' 'wasm-unsafe-eval';"),
            "{policy}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn packed_files_go_to_those_who_accept_them() {
    let (_dir, port) = site().await;
    let packed = get(port, "/app.js", "accept-encoding: gzip, br\r\n").await;
    assert_eq!(
        (packed.header("content-encoding"), &packed.body[..]),
        (Some("br"), &b"packed"[..])
    );
    for none in [
        "",
        "accept-encoding: gzip\r\n",
        "accept-encoding: br;q=0\r\n",
    ] {
        let plain = get(port, "/app.js", none).await;
        assert_eq!(
            (plain.header("content-encoding"), &plain.body[..]),
            (None, &b"plain"[..])
        );
    }
    assert_eq!(get(port, "/app.js.br", "").await.status, 404);
}

#[tokio::test]
async fn unchanged_files_are_not_sent_again() {
    let (_dir, port) = site().await;
    let first = get(port, "/app.js", "").await;
    let etag = first.header("etag").unwrap().to_owned();
    let again = get(port, "/app.js", &format!("if-none-match: {etag}\r\n")).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let other = get(port, "/app.js", "if-none-match: \"0\"\r\n").await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn loopback_addresses_lead_to_localhost() {
    let (_dir, port) = site().await;
    let answer = get(port, "/a?b=c", "host: 127.0.0.1:1\r\n").await;
    assert_eq!(answer.status, 307);
    let target = format!("http://localhost:{port}/a?b=c");
    assert_eq!(answer.header("location"), Some(target.as_str()));
    assert_eq!(get(port, "/", "host: 10.9.9.1:4400\r\n").await.status, 200);
}

#[tokio::test]
async fn addresses_inside_the_app_are_the_page_and_missing_files_are_missing() {
    let (_dir, port) = site().await;
    let html = "accept: text/html,*/*\r\n";
    assert_eq!(
        get(port, "/space/B123", html).await.body,
        b"<!doctype html>"
    );
    assert_eq!(get(port, "/gone.js", html).await.status, 404);
    assert_eq!(
        get(port, "/space/B123", "accept: */*\r\n").await.status,
        404
    );
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let (_dir, port) = site().await;
    for path in [
        "/../secret",
        "/css/../../secret",
        "/%2e%2e/secret",
        "//etc/passwd",
        "/./../secret",
        "/..%2fsecret",
    ] {
        let answer = get(port, path, "accept: */*\r\n").await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn taken_port_is_an_error_that_says_so() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = other.local_addr().unwrap().port();
    let error = port::listen(taken).await.unwrap_err().to_string();
    assert!(error.contains("taken by another program"), "{error}");
    assert!(error.contains("empty profile"), "{error}");
    drop(other);
    let free = port::listen(0).await.unwrap();
    assert_ne!(free.local_addr().unwrap().port(), 0);
}

#[tokio::test]
async fn a_running_server_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = listener.local_addr().unwrap().port();
    let edge = dxos_edge::Edge::new(dxos_edge::EdgeConfig::default());
    tokio::spawn(async move { axum::serve(listener, edge.router()).await });
    let error = port::listen(taken).await.unwrap_err().to_string();
    assert!(error.contains("is running on port"), "{error}");
}
