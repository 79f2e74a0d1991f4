//! Addresses: `dxos://<space>[/<object>[/<property>]]`, the same in links, references, the command line and scripts.
//!
//! A property is a path: steps joined by `/`; a name with all but letters, digits and `-._~@` of ASCII as `%XX` (of
//! UTF-8), an element as `[id]`. Reading takes any `%XX`; what is shown is always the one form.

use std::fmt;
use std::str::FromStr;

use crate::ids::{IdError, ObjectId, SpaceId};
use crate::limits;
use crate::path::{Path, Step};
use crate::value::Ref;

/// What an address begins with.
pub const SCHEME: &str = "dxos://";

/// The address of a space, an object or a property.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The space.
    pub space: SpaceId,
    /// The object; `None`: the space itself.
    pub object: Option<ObjectId>,
    /// Where in the object; empty: the object itself.
    pub path: Path,
}

impl Address {
    /// The address of an object.
    pub fn of(space: SpaceId, object: ObjectId) -> Address {
        Address {
            space,
            object: Some(object),
            path: Path::new(),
        }
    }

    /// The address a reference in `space` points to.
    pub fn of_ref(reference: Ref, space: SpaceId) -> Address {
        Address::of(reference.space.unwrap_or(space), reference.object)
    }

    /// A reference in `space` to the object; `None` if this is no object's address.
    pub fn reference(&self, space: SpaceId) -> Option<Ref> {
        if !self.path.is_empty() {
            return None;
        }
        Some(Ref {
            space: (self.space != space).then_some(self.space),
            object: self.object?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.space)?;
        let Some(object) = self.object else {
            return Ok(());
        };
        write!(f, "/{object}")?;
        for step in &self.path {
            match step {
                Step::Element(element) => write!(f, "/[{element}]")?,
                Step::Key(name) => {
                    f.write_str("/")?;
                    for byte in name.bytes() {
                        match byte {
                            b'-' | b'.' | b'_' | b'~' | b'@' => write!(f, "{}", byte as char)?,
                            _ if byte.is_ascii_alphanumeric() => write!(f, "{}", byte as char)?,
                            _ => write!(f, "%{byte:02X}")?,
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl FromStr for Address {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError::new("address", text);
        let mut parts = text.strip_prefix(SCHEME).ok_or_else(error)?.split('/');
        let space = parts.next().ok_or_else(error)?;
        let space = space.parse().map_err(|_| error())?;
        let object = parts.next().map(str::parse).transpose();
        let object = object.map_err(|_| error())?;
        let path: Path = parts
            .map(|part| step_of(part).ok_or_else(error))
            .take(limits::PATH_STEPS_MAX + 1)
            .collect::<Result<_, _>>()?;
        match path.len() <= limits::PATH_STEPS_MAX {
            true => Ok(Address {
                space,
                object,
                path,
            }),
            false => Err(error()),
        }
    }
}

fn step_of(part: &str) -> Option<Step> {
    if let Some(id) = part.strip_prefix('[') {
        return Some(Step::Element(id.strip_suffix(']')?.parse().ok()?));
    }
    let mut name = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => {
                let (high, low) = (hex_digit(bytes.next()?)?, hex_digit(bytes.next()?)?);
                high << 4 | low
            }
            other => other,
        });
    }
    let name = String::from_utf8(name).ok()?;
    (!name.is_empty() && name.len() <= limits::NAME_BYTES_MAX).then_some(Step::Key(name))
}

fn hex_digit(letter: u8) -> Option<u8> {
    let value = char::from(letter).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::ElementId;

    const SPACE: SpaceId = SpaceId([1; 20]);
    const OBJECT: ObjectId = ObjectId([2; 16]);

    #[test]
    fn addresses_read_as_they_look() {
        let shown = "dxos://BAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIB/0208104082081040G208102040";
        let object = Address::of(SPACE, OBJECT).to_string();
        assert_eq!(object.len(), shown.len());
        assert!(object.starts_with("dxos://BAEAQCAIB"));
        let at = |property: &str| format!("{object}/{property}").parse::<Address>();
        assert_eq!(
            at("Due%20date/[aebagbafaydqq]/@x").unwrap().path,
            vec![
                Step::Key("Due date".into()),
                Step::Element(ElementId([1, 2, 3, 4, 5, 6, 7, 8])),
                Step::Key("@x".into())
            ]
        );
        assert_eq!(at("é").unwrap(), at("%c3%A9").unwrap());
        for wrong in [
            "",
            "a//b",
            "%",
            "%4",
            "%zz",
            "%ff",
            "[a",
            "[]",
            "[aebagbafaydqq]x",
        ] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
        let space = format!("dxos://{SPACE}");
        assert_eq!(space.parse::<Address>().unwrap().object, None);
        for wrong in [
            "",
            "dxos:/",
            "dxos://",
            "http://x",
            &format!("{space}/"),
            &format!("{space}/x"),
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
        assert!(at(&"a/".repeat(1_000_000)).is_err());
        assert!(at(&"a".repeat(300)).is_err());
    }

    #[test]
    fn references_name_their_space_only_where_it_is_another() {
        let other = SpaceId([3; 20]);
        let address = Address::of(other, OBJECT);
        assert_eq!(address.reference(other), Some(Ref::local(OBJECT)));
        let reference = address.reference(SPACE).unwrap();
        assert_eq!(reference.space, Some(other));
        assert_eq!(Address::of_ref(reference, SPACE), address);
    }

    proptest! {
        #[test]
        fn addresses_round_trip(
            names in proptest::collection::vec("[a%/\\[\\]é \u{7f}@#?]{1,6}", 0..5),
            element in any::<[u8; 8]>(),
        ) {
            let mut path: Path = names.into_iter().map(Step::Key).collect();
            path.push(Step::Element(ElementId(element)));
            let address = Address { path, ..Address::of(SPACE, OBJECT) };
            prop_assert!(address.to_string().is_ascii());
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
    }
}
