//! Headers that keep the page to itself, and the names of this machine that are not `localhost`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The page runs only its own code, talks only to its own server, frames nothing and is framed by nobody.
/// `frame-src 'none'` also stops a sandboxed frame from navigating away with data; style elements are made by
/// the editor at run time.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; \
    worker-src 'self'; manifest-src 'self'; frame-src 'none'; frame-ancestors 'none'; base-uri 'none'; \
    form-action 'none'";

/// Sets what every response carries.
pub fn secure(headers: &mut HeaderMap) {
    let fixed: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Whether a `Host` header names this machine by a loopback address instead of `localhost`.
pub fn is_loopback_address(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_told_from_names_and_other_machines() {
        for host in ["127.0.0.1:4400", "127.0.0.1", "127.1.2.3:80", "[::1]:4400"] {
            assert!(is_loopback_address(host), "{host}");
        }
        for host in [
            "localhost:4400",
            "10.9.9.1:4400",
            "example.org",
            "",
            "[",
            "[fe80::1]:4400",
        ] {
            assert!(!is_loopback_address(host), "{host}");
        }
    }
}
