//! Key bindings as written in actions: `mod+k`, `alt+n`, `mod+shift+p`. `mod` is ⌘ on Apple systems, Ctrl elsewhere.

/// Whose keyboard conventions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// ⌘, ⌥, ⇧.
    Apple,
    /// Ctrl, Alt, Shift.
    Other,
}

/// A key with what is held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chord {
    /// The key as browsers name it, in lower case.
    pub key: String,
    /// Ctrl.
    pub ctrl: bool,
    /// ⌘ or the Windows key.
    pub meta: bool,
    /// Alt or ⌥.
    pub alt: bool,
    /// Shift.
    pub shift: bool,
}

impl Chord {
    /// Reads a binding; `None` if it names no key.
    pub fn parse(text: &str, platform: Platform) -> Option<Chord> {
        let mut chord = Chord::default();
        for part in text.split('+') {
            match (part, platform) {
                ("mod", Platform::Apple) | ("meta", _) => chord.meta = true,
                ("mod", Platform::Other) | ("ctrl", _) => chord.ctrl = true,
                ("alt", _) => chord.alt = true,
                ("shift", _) => chord.shift = true,
                (key, _) => chord.key = key.to_lowercase(),
            }
        }
        (!chord.key.is_empty()).then_some(chord)
    }

    /// Reads all bindings of an action, which stand apart by spaces; the first is the one that is shown.
    pub fn parse_all(text: &str, platform: Platform) -> impl Iterator<Item = Chord> {
        text.split(' ')
            .filter_map(move |one| Chord::parse(one, platform))
    }

    /// Whether it takes back or does again what was typed: where something can be typed, it is not the app's.
    pub fn is_of_typing(&self, platform: Platform) -> bool {
        let of_typing = ["mod+z", "mod+shift+z", "ctrl+y"];
        let mut of_typing = of_typing.into_iter();
        of_typing.any(|keys| Chord::parse(keys, platform).as_ref() == Some(self))
    }

    /// For people: `⌘K` or `Ctrl K`.
    pub fn label(&self, platform: Platform) -> String {
        let marks = match platform {
            Platform::Apple => ["⌃", "⌥", "⇧", "⌘"],
            Platform::Other => ["Ctrl ", "Alt ", "Shift ", "Win "],
        };
        let held = [self.ctrl, self.alt, self.shift, self.meta];
        let mut text: String = marks
            .iter()
            .zip(held)
            .filter(|(_, held)| *held)
            .map(|(mark, _)| *mark)
            .collect();
        let mut letters = self.key.chars();
        if let Some(first) = letters.next() {
            text.extend(first.to_uppercase());
            text.push_str(letters.as_str());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_follow_the_platform() {
        let check = |text: &str, apple: &str, other: &str| {
            let label = |p| {
                Chord::parse(text, p)
                    .map(|c| c.label(p))
                    .unwrap_or_default()
            };
            assert_eq!(label(Platform::Apple), apple, "{text}");
            assert_eq!(label(Platform::Other), other, "{text}");
        };
        check("mod+k", "⌘K", "Ctrl K");
        check("alt+n", "⌥N", "Alt N");
        check("mod+shift+backspace", "⇧⌘Backspace", "Ctrl Shift Backspace");
        check("escape", "Escape", "Escape");
        check("mod", "", "");
    }

    #[test]
    fn an_action_may_have_several_bindings_and_those_of_typing_are_known() {
        let all: Vec<Chord> = Chord::parse_all("mod+shift+z ctrl+y", Platform::Other).collect();
        assert_eq!(all.len(), 2);
        assert!(all.iter().all(|chord| chord.is_of_typing(Platform::Other)));
        let palette = Chord::parse("mod+k", Platform::Apple).unwrap();
        assert!(!palette.is_of_typing(Platform::Apple));
    }
}
