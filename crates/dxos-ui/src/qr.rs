//! QR codes, drawn as one SVG path.

use leptos::prelude::*;
use qrcode::{Color, EcLevel};

/// Modules of quiet zone around a code.
const QUIET: usize = 2;

/// Path and side length of a code; `None` if the text is too long for one.
fn path(text: &str) -> Option<(String, usize)> {
    let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            path.push_str(&format!("M{x} {y}h1v1h-1z"));
        }
    }
    Some((path, width + 2 * QUIET))
}

/// A QR code of a text; nothing if it is too long for one.
#[component]
pub fn QrCode(
    /// The text.
    #[prop(into)]
    text: Signal<String>,
) -> impl IntoView {
    let drawn = move || {
        text.with(|text| path(text)).map(|(path, side)| {
            view! {
                <svg
                    class="qr"
                    viewBox=format!("0 0 {side} {side}")
                    shape-rendering="crispEdges"
                    role="img"
                    aria-label="QR code of the link"
                >
                    <path d=path/>
                </svg>
            }
        })
    };
    view! { {drawn} }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_and_a_book_does_not() {
        let (drawn, side) = path("http://localhost:4400/join#abcdef").unwrap();
        assert!(
            drawn.starts_with("M2 2h1v1h-1z"),
            "the finder pattern begins at the corner"
        );
        assert!(side > 21 && side < 60, "{side}");
        assert!(path(&"x".repeat(10_000)).is_none());
    }
}
