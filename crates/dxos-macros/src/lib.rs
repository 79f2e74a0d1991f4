//! `#[derive(Object)]`: a Rust type as a type of objects.
//!
//! * a struct with `#[object(type = "org.example.Task", version = "0.1.0")]` is a type of objects;
//! * a struct with `#[object(nested)]` is a part of one;
//! * an enum without data is a choice.
//!
//! The written code names only `dxos_client::typed` and `dxos_client::schema` (or those of the crate given as
//! `#[object(crate = path)]`). What the attributes mean stands at [`macro@Object`].
//!
//! Not here: any meaning. The code that is written calls `dxos_base::typed`.

#![deny(missing_docs)]

mod attributes;
mod object;
mod options;

use proc_macro::TokenStream;
use syn::{Data, DeriveInput, Error, parse_macro_input};

/// Derives what makes a Rust type a type of objects.
///
/// On a struct:
///
/// | Attribute | Meaning |
/// | :-- | :-- |
/// | `type = "org.example.Task"` | the type's name: reverse domain |
/// | `version = "0.1.0"` | its version |
/// | `nested` | no type of its own: a part of others. It must not contain itself (use a reference) |
/// | `title`, `description`, `icon`, `hue` | what people read and see; a doc comment is the description |
/// | `rename_all = "camelCase"` | names of fields as stored: `camelCase` or `kebab-case`; else as in Rust |
/// | `crate = path` | where `typed` and `schema` are; else `::dxos_client` |
///
/// On a field:
///
/// | Attribute | Meaning |
/// | :-- | :-- |
/// | `label` | its value is the object's title |
/// | `rename = "…"` | its stored name |
/// | `alias = "…"` | a name it had before; repeatable, the latest last |
/// | `title`, `description`, `icon`, `hue`, `hidden` | as above; `hidden`: not in generic forms and tables |
/// | `default` or `default = expression` | stands for an absent value, and is the value of a new form |
/// | `format = "email"` | also `hostname`, `url`, `regex`, `uuid`, `formula`, `date`, `time`, `datetime`, `duration`, `percent`, `currency` |
/// | `currency = "EUR"` | an amount in this currency |
/// | `options("a", "b")` | a string that is one of these; an enum does more |
/// | `reference = "org.example.Person"` | the type of an untyped reference |
///
/// On a variant: `title`, `hue`, `rename`. Stored names are those of the variants in `kebab-case`.
///
/// Beside the traits, a type gets a constant for each field (`Task::TITLE`) and `Task::filter()`, which begin queries.
///
/// ```compile_fail
/// #[derive(dxos_macros::Object)]
/// struct Task { title: String }
/// ```
///
/// ```compile_fail
/// #[derive(dxos_macros::Object)]
/// #[object(type = "org.example.Task", version = "0.1.0", crate = dxos_base)]
/// struct Task { title: std::time::Instant }
/// ```
///
/// ```compile_fail
/// #[derive(dxos_macros::Object)]
/// #[object(type = "org.example.Task", version = "0.1.0", crate = dxos_base)]
/// struct Task {
///     #[object(format = "email")]
///     count: i64,
/// }
/// ```
#[proc_macro_derive(Object, attributes(object))]
pub fn derive_object(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn expand(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    if !input.generics.params.is_empty() {
        let message = "a type of objects has no type parameters: what is stored has one form";
        return Err(Error::new_spanned(&input.generics, message));
    }
    match &input.data {
        Data::Struct(data) => object::expand(input, data),
        Data::Enum(data) => options::expand(input, data),
        Data::Union(_) => Err(Error::new_spanned(
            &input.ident,
            "a union is no type of objects",
        )),
    }
}

#[cfg(test)]
mod tests;
