//! `#[object(…)]` on types, fields and variants.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprLit, Lit, LitInt, LitStr, Meta, Path, Token};

/// What people read and see.
#[derive(Default)]
pub(crate) struct Notes {
    title: Option<LitStr>,
    description: Option<String>,
    icon: Option<LitStr>,
    hue: Option<LitInt>,
    hidden: bool,
}

/// On a type.
pub(crate) struct OnType {
    pub(crate) type_name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) nested: bool,
    pub(crate) rename_all: RenameAll,
    pub(crate) root: Path,
    pub(crate) notes: Notes,
}

/// On a field.
#[derive(Default)]
pub(crate) struct OnField {
    pub(crate) label: Option<Span>,
    pub(crate) rename: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) default: Option<TokenStream>,
    pub(crate) format: Option<Format>,
    pub(crate) options: Vec<LitStr>,
    pub(crate) reference: Option<LitStr>,
    pub(crate) notes: Notes,
}

/// On a variant.
#[derive(Default)]
pub(crate) struct OnVariant {
    pub(crate) rename: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) hue: Option<LitInt>,
}

/// A format: the variant of `schema::Format`, and what it is made of.
pub(crate) struct Format {
    pub(crate) word: LitStr,
    pub(crate) variant: TokenStream,
    pub(crate) is_number: bool,
}

/// How names are stored.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RenameAll {
    #[default]
    AsInRust,
    Camel,
    Kebab,
}

impl RenameAll {
    /// The stored name of a field or variant.
    pub(crate) fn apply(self, name: &str) -> String {
        match self {
            RenameAll::AsInRust => name.to_owned(),
            RenameAll::Kebab => kebab(name),
            RenameAll::Camel => {
                let mut out = String::new();
                for part in name.split('_').filter(|part| !part.is_empty()) {
                    let mut letters = part.chars();
                    match letters.next() {
                        Some(first) if !out.is_empty() => out.extend(first.to_uppercase()),
                        Some(first) => out.push(first),
                        None => {}
                    }
                    out.push_str(letters.as_str());
                }
                out
            }
        }
    }
}

/// `InProgress` and `in_progress` as `in-progress`.
pub(crate) fn kebab(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if (letter.is_uppercase() || letter == '_') && !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if letter != '_' {
            out.extend(letter.to_lowercase());
        }
    }
    out
}

fn each(
    attributes: &[Attribute],
    mut read: impl FnMut(ParseNestedMeta<'_>) -> syn::Result<()>,
) -> syn::Result<()> {
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("object"))
    {
        attribute.parse_nested_meta(&mut read)?;
    }
    Ok(())
}

fn text(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    meta.value()?.parse()
}

/// The attribute's name as written.
fn name(meta: &ParseNestedMeta<'_>) -> String {
    meta.path
        .get_ident()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// The doc comment up to its first empty line.
fn doc(attributes: &[Attribute]) -> Option<String> {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    };
    let lines = attributes.iter().filter_map(line);
    let first: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    (!first.is_empty()).then(|| first.join(" "))
}

impl Notes {
    /// Reads one attribute; tells whether it was one of these.
    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<bool> {
        match name(meta).as_str() {
            "title" => self.title = Some(text(meta)?),
            "description" => self.description = Some(text(meta)?.value()),
            "icon" => self.icon = Some(text(meta)?),
            "hue" => self.hue = Some(hue(meta)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The fields of `schema::Notes` as an expression.
    pub(crate) fn expression(&self, root: &Path, default: &TokenStream) -> TokenStream {
        let some = |text: Option<String>| match text {
            Some(text) => quote!(::core::option::Option::Some(#text.to_owned())),
            None => quote!(::core::option::Option::None),
        };
        let title = some(self.title.as_ref().map(LitStr::value));
        let description = some(self.description.clone());
        let icon = some(self.icon.as_ref().map(LitStr::value));
        let hue = hue_expression(self.hue.as_ref());
        let hidden = self.hidden;
        quote! {
            #root::schema::Notes {
                title: #title,
                description: #description,
                icon: #icon,
                hue: #hue,
                hidden: #hidden,
                default: #default,
                extra: ::core::default::Default::default(),
            }
        }
    }
}

fn hue(meta: &ParseNestedMeta<'_>) -> syn::Result<LitInt> {
    let hue: LitInt = meta.value()?.parse()?;
    match hue.base10_parse::<u16>() {
        Ok(degrees) if degrees < 360 => Ok(hue),
        _ => Err(Error::new(hue.span(), "a hue is 0 to 359 degrees")),
    }
}

pub(crate) fn hue_expression(hue: Option<&LitInt>) -> TokenStream {
    match hue {
        Some(hue) => quote!(::core::option::Option::Some(#hue)),
        None => quote!(::core::option::Option::None),
    }
}

impl OnType {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<OnType> {
        let mut on = OnType {
            type_name: None,
            version: None,
            nested: false,
            rename_all: RenameAll::default(),
            root: syn::parse_quote!(::dxos_client),
            notes: Notes::default(),
        };
        each(attributes, |meta| {
            if on.notes.read(&meta)? {
                return Ok(());
            }
            match name(&meta).as_str() {
                "type" => on.type_name = Some(text(&meta)?),
                "version" => on.version = Some(text(&meta)?),
                "nested" => on.nested = true,
                "crate" => on.root = meta.value()?.parse()?,
                "rename_all" => {
                    let style = text(&meta)?;
                    on.rename_all = match style.value().as_str() {
                        "camelCase" => RenameAll::Camel,
                        "kebab-case" => RenameAll::Kebab,
                        _ => {
                            let message = "rename_all is \"camelCase\" or \"kebab-case\"";
                            return Err(Error::new(style.span(), message));
                        }
                    };
                }
                _ => {
                    return Err(meta.error(
                        "unknown attribute; a type has type, version, nested, title, description, icon, hue, \
                         rename_all and crate",
                    ));
                }
            }
            Ok(())
        })?;
        on.notes.description = on.notes.description.take().or_else(|| doc(attributes));
        Ok(on)
    }
}

impl OnField {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<OnField> {
        let mut on = OnField::default();
        each(attributes, |meta| {
            if on.notes.read(&meta)? {
                return Ok(());
            }
            match name(&meta).as_str() {
                "label" => on.label = Some(meta.path.span()),
                "hidden" => on.notes.hidden = true,
                "rename" => on.rename = Some(text(&meta)?),
                "alias" => on.aliases.push(text(&meta)?),
                "reference" => on.reference = Some(text(&meta)?),
                "format" => on.format = Some(Format::read(text(&meta)?)?),
                "currency" => {
                    let code = text(&meta)?;
                    on.format = Some(Format {
                        variant: quote!(Currency(::core::option::Option::Some(#code.to_owned()))),
                        word: code,
                        is_number: true,
                    });
                }
                "default" => {
                    on.default = Some(if meta.input.peek(Token![=]) {
                        let value: Expr = meta.value()?.parse()?;
                        match &value {
                            Expr::Lit(ExprLit {
                                lit: Lit::Str(text),
                                ..
                            }) => quote!(::core::convert::From::from(#text)),
                            value => quote!(#value),
                        }
                    } else {
                        quote!(::core::default::Default::default())
                    });
                }
                "options" => {
                    let inside;
                    syn::parenthesized!(inside in meta.input);
                    let options =
                        inside.parse_terminated(<LitStr as syn::parse::Parse>::parse, Token![,])?;
                    on.options = options.into_iter().collect();
                    if on.options.is_empty() {
                        return Err(meta.error("options(…) names at least one"));
                    }
                }
                _ => {
                    return Err(meta.error(
                        "unknown attribute; a field has label, rename, alias, title, description, icon, hue, hidden, \
                         default, format, currency, options and reference",
                    ));
                }
            }
            Ok(())
        })?;
        on.notes.description = on.notes.description.take().or_else(|| doc(attributes));
        Ok(on)
    }
}

impl OnVariant {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<OnVariant> {
        let mut on = OnVariant::default();
        each(attributes, |meta| {
            match name(&meta).as_str() {
                "rename" => on.rename = Some(text(&meta)?),
                "title" => on.title = Some(text(&meta)?),
                "hue" => on.hue = Some(hue(&meta)?),
                _ => {
                    return Err(
                        meta.error("unknown attribute; an option has rename, title and hue")
                    );
                }
            }
            Ok(())
        })?;
        Ok(on)
    }
}

impl Format {
    fn read(word: LitStr) -> syn::Result<Format> {
        let (variant, is_number) = match word.value().as_str() {
            "email" => (quote!(Email), false),
            "hostname" => (quote!(Hostname), false),
            "url" => (quote!(Url), false),
            "regex" => (quote!(Regex), false),
            "uuid" => (quote!(Uuid), false),
            "formula" => (quote!(Formula), false),
            "date" => (quote!(Date), false),
            "time" => (quote!(Time), false),
            "datetime" => (quote!(DateTime), false),
            "duration" => (quote!(Duration), false),
            "percent" => (quote!(Percent), true),
            "currency" => (quote!(Currency(::core::option::Option::None)), true),
            _ => {
                return Err(Error::new(
                    word.span(),
                    "unknown format; there are email, hostname, url, regex, uuid, formula, date, time, datetime, \
                     duration, percent and currency (integers, timestamps and places are types: i64, Timestamp, GeoPoint)",
                ));
            }
        };
        Ok(Format {
            word,
            variant,
            is_number,
        })
    }
}
