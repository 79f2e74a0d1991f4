//! Files of the page: from the binary (release), from the folder it was built with (debug), or from a folder
//! named on the command line.
//!
//! Invariants
//! * nothing outside the folder is ever read, whatever the path says;
//! * every file has a strong ETag of its content and is revalidated: a new server never meets an old page;
//! * brotli is sent only to who accepts it.

use std::{
    borrow::Cow,
    path::{Component, Path, PathBuf},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

#[derive(rust_embed::Embed)]
#[folder = "$WEB_DIST_DIR"]
struct Embedded;

/// Where the files come from.
#[derive(Debug, Clone)]
pub struct Assets {
    folder: Option<PathBuf>,
}

impl Assets {
    /// Files of `folder`, or the ones built in.
    pub fn new(folder: Option<PathBuf>) -> Assets {
        Assets { folder }
    }

    /// The content of a file, by its path without the leading slash.
    pub fn read(&self, name: &str) -> Option<Cow<'static, [u8]>> {
        let plain = Path::new(name)
            .components()
            .all(|step| matches!(step, Component::Normal(_)));
        if name.is_empty() || !plain {
            return None;
        }
        match &self.folder {
            Some(folder) => std::fs::read(folder.join(name)).ok().map(Cow::Owned),
            None => Embedded::get(name).map(|file| file.data),
        }
    }

    /// The answer to a request for `path`.
    pub fn respond(&self, path: &str, headers: &HeaderMap) -> Response {
        let name = path.trim_start_matches('/');
        let name = if name.is_empty() { "index.html" } else { name };
        if name.ends_with(".br") {
            return not_found();
        }
        match self.read(name) {
            Some(bytes) => self.file(name, bytes, headers),
            // Addresses inside an app are all the same page.
            None if wants_page(name, headers) => {
                let app = name.split('/').next().unwrap_or_default();
                let pages = [format!("{app}/index.html"), "index.html".to_owned()];
                let found = pages.iter().find_map(|page| Some((page, self.read(page)?)));
                match found {
                    Some((page, bytes)) => self.file(page, bytes, headers),
                    None => not_found(),
                }
            }
            None => not_found(),
        }
    }

    fn file(&self, name: &str, bytes: Cow<'static, [u8]>, headers: &HeaderMap) -> Response {
        // Of the plain content, also for the packed form: `vary` keeps caches from mixing them up.
        let etag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..32]);
        let packed = accepts_brotli(headers)
            .then(|| self.read(&format!("{name}.br")))
            .flatten();
        let mut response = if matches_etag(headers, &etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let encoded = packed.is_some();
            let body = Body::from(packed.unwrap_or(bytes).into_owned());
            let mut response = Response::new(body);
            if encoded {
                let brotli = HeaderValue::from_static("br");
                response
                    .headers_mut()
                    .insert(header::CONTENT_ENCODING, brotli);
            }
            response
        };
        let out = response.headers_mut();
        out.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(content_type(name)),
        );
        out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            out.insert(header::ETAG, etag);
        }
        response
    }
}

fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        "not found",
    )
        .into_response()
}

/// Whether this is a person's browser asking for an address inside the app, not for a file.
fn wants_page(name: &str, headers: &HeaderMap) -> bool {
    let is_file = name
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains('.'));
    let html = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    html && !is_file
}

fn accepts_brotli(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("br") && !parts.any(|q| matches!(q, "q=0" | "q=0.0"))
        })
}

fn matches_etag(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(',')
                .any(|one| one.trim().trim_start_matches("W/") == etag)
        })
}

/// MIME type by extension. Wrong ones break things quietly: WASM then compiles late, workers not at all.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
