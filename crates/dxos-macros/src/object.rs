//! Structs: types of objects, and parts of them.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DataStruct, DeriveInput, Error, Fields, LitStr, Path, Type};

use crate::attributes::{OnField, OnType};

/// A field with what was said about it.
struct Field<'a> {
    ident: &'a Ident,
    kind: &'a Type,
    name: String,
    on: OnField,
}

pub(crate) fn expand(input: &DeriveInput, data: &DataStruct) -> syn::Result<TokenStream> {
    let on = OnType::read(&input.attrs)?;
    let fields = read_fields(&on, data, input)?;
    if on.nested {
        if let Some(name) = on.type_name.as_ref().or(on.version.as_ref()) {
            let message = "a nested struct has no type name and no version";
            return Err(Error::new(name.span(), message));
        }
        if let Some(label) = fields.iter().find_map(|field| field.on.label) {
            let message = "the label belongs to the object, not to a part of it";
            return Err(Error::new(label, message));
        }
        return Ok(nested(input, &on, &fields));
    }
    let (name, version) = type_ref(&on, input)?;
    Ok(object(input, &on, &fields, &name, version))
}

fn read_fields<'a>(
    on: &OnType,
    data: &'a DataStruct,
    input: &DeriveInput,
) -> syn::Result<Vec<Field<'a>>> {
    let Fields::Named(named) = &data.fields else {
        let message = "a type of objects has named fields";
        return Err(Error::new_spanned(&input.ident, message));
    };
    let mut names = BTreeSet::new();
    let mut fields: Vec<Field<'_>> = Vec::new();
    for field in &named.named {
        let Some(ident) = &field.ident else { continue };
        let on_field = OnField::read(&field.attrs)?;
        let plain = on.rename_all.apply(&ident.unraw().to_string());
        let name = on_field.rename.as_ref().map_or(plain, LitStr::value);
        let taken = std::iter::once((name.clone(), ident.span())).chain(
            on_field
                .aliases
                .iter()
                .map(|alias| (alias.value(), alias.span())),
        );
        for (name, span) in taken {
            if name.is_empty() || name.starts_with('@') || name.chars().any(char::is_control) {
                let message =
                    "a name is not empty, does not begin with `@` and has no control characters";
                return Err(Error::new(span, message));
            }
            if !names.insert(name.clone()) {
                return Err(Error::new(
                    span,
                    format!("two fields are stored as \"{name}\""),
                ));
            }
        }
        if let Some(label) = on_field.label
            && fields.iter().any(|field| field.on.label.is_some())
        {
            return Err(Error::new(label, "one field is the label"));
        }
        let overrides = [
            on_field.format.is_some(),
            !on_field.options.is_empty(),
            on_field.reference.is_some(),
        ];
        if overrides.iter().filter(|set| **set).count() > 1 {
            let message = "format, options and reference exclude each other";
            return Err(Error::new_spanned(ident, message));
        }
        fields.push(Field {
            ident,
            kind: &field.ty,
            name,
            on: on_field,
        });
    }
    Ok(fields)
}

/// The checked name and version.
fn type_ref(on: &OnType, input: &DeriveInput) -> syn::Result<(LitStr, [u32; 3])> {
    let missing = || {
        Error::new_spanned(
            &input.ident,
            "write `#[object(type = \"org.example.Name\", version = \"0.1.0\")]`, or `#[object(nested)]` for a part of \
             other types",
        )
    };
    let name = on.type_name.clone().ok_or_else(missing)?;
    let version = on.version.clone().ok_or_else(missing)?;
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let text = name.value();
    if !text.contains('.') || !text.split('.').all(is_part) {
        let message = "a type's name is a reverse domain, such as \"org.example.Task\"";
        return Err(Error::new(name.span(), message));
    }
    let text = version.value();
    let numbers: Option<Vec<u32>> = text
        .split('.')
        .map(|part| {
            part.parse()
                .ok()
                .filter(|number: &u32| number.to_string() == part)
        })
        .collect();
    match numbers.as_deref() {
        Some(&[major, minor, patch]) => Ok((name, [major, minor, patch])),
        _ => Err(Error::new(
            version.span(),
            "a version is three numbers, such as \"0.1.0\"",
        )),
    }
}

fn object(
    input: &DeriveInput,
    on: &OnType,
    fields: &[Field<'_>],
    name: &LitStr,
    [major, minor, patch]: [u32; 3],
) -> TokenStream {
    let (root, ident) = (&on.root, &input.ident);
    let notes = on
        .notes
        .expression(root, &quote!(::core::option::Option::None));
    let label = match fields.iter().find(|field| field.on.label.is_some()) {
        Some(field) => {
            let label = &field.name;
            quote!(::core::option::Option::Some(#label.to_owned()))
        }
        None => quote!(::core::option::Option::None),
    };
    let schema_fields = schema_fields(root, fields);
    let (to, from, texts) = (
        to_values(root, fields),
        from_values(root, fields),
        texts(root, fields),
    );
    let checks = checks(root, fields);
    let queries = queries(input, root, fields);
    quote! {
        #checks
        #queries
        impl #root::typed::Object for #ident {
            const TYPE: &'static str = #name;
            const VERSION: #root::schema::TypeVersion = #root::schema::TypeVersion(#major, #minor, #patch);

            fn schema() -> &'static #root::schema::TypeSchema {
                static SCHEMA: ::std::sync::OnceLock<#root::schema::TypeSchema> = ::std::sync::OnceLock::new();
                SCHEMA.get_or_init(|| #root::schema::TypeSchema {
                    name: #name.to_owned(),
                    version: #root::schema::TypeVersion(#major, #minor, #patch),
                    label: #label,
                    notes: #notes,
                    fields: #schema_fields,
                })
            }

            fn to_values(&self) -> ::std::collections::BTreeMap<::std::string::String, #root::typed::Value> {
                #to
            }

            fn from_values(
                values: &::std::collections::BTreeMap<::std::string::String, #root::typed::Value>,
            ) -> ::core::result::Result<Self, #root::schema::Misfit> {
                #from
            }

            fn texts(&self) -> ::std::vec::Vec<(&'static str, ::std::string::String)> {
                #texts
            }
        }
    }
}

fn nested(input: &DeriveInput, on: &OnType, fields: &[Field<'_>]) -> TokenStream {
    let (root, ident) = (&on.root, &input.ident);
    let schema_fields = schema_fields(root, fields);
    let (to, from) = (to_values(root, fields), from_values(root, fields));
    let checks = checks(root, fields);
    quote! {
        #checks
        impl #root::typed::Property for #ident {
            type Plain = Self;
            fn kind() -> #root::schema::FieldType {
                #root::schema::FieldType::Struct(#schema_fields)
            }

            fn to_value(&self) -> ::core::option::Option<#root::typed::Value> {
                ::core::option::Option::Some(#root::typed::Value::Map({ #to }))
            }

            fn from_value(
                value: &#root::typed::Value,
            ) -> ::core::result::Result<Self, #root::schema::Misfit> {
                let #root::typed::Value::Map(values) = value else {
                    let expected = <Self as #root::typed::Property>::kind().words();
                    return ::core::result::Result::Err(
                        #root::schema::Misfit::new(&[], expected, ::core::option::Option::Some(value)),
                    );
                };
                #from
            }
        }
    }
}

fn schema_fields(root: &Path, fields: &[Field<'_>]) -> TokenStream {
    let field = |field: &Field<'_>| {
        let (name, kind, aliases) = (&field.name, field.kind, &field.on.aliases);
        let default = match &field.on.default {
            Some(default) => {
                quote!(<#kind as #root::typed::Property>::to_value(&{ let value: #kind = #default; value }))
            }
            None => quote!(::core::option::Option::None),
        };
        let notes = field.on.notes.expression(root, &default);
        let mut shape = quote!(<#kind as #root::typed::Property>::kind());
        if let Some(format) = &field.on.format {
            let variant = &format.variant;
            shape = quote!(#shape.with_leaf(#root::schema::FieldType::Format(#root::schema::Format::#variant)));
        }
        if !field.on.options.is_empty() {
            let options = &field.on.options;
            shape = quote!(#shape.with_leaf(#root::schema::FieldType::select([#(#options),*])));
        }
        if let Some(target) = &field.on.reference {
            shape = quote! {
                #shape.with_leaf(#root::schema::FieldType::Ref(::core::option::Option::Some(#target.to_owned())))
            };
        }
        let has_default = field.on.default.is_some();
        quote! {
            #root::schema::Field {
                name: #name.to_owned(),
                aliases: ::std::vec![#(#aliases.to_owned()),*],
                required: !#has_default && <#kind as #root::typed::Property>::absent().is_none(),
                kind: #shape,
                notes: #notes,
            }
        }
    };
    let fields = fields.iter().map(field);
    quote!(::std::vec![#(#fields),*])
}

fn to_values(root: &Path, fields: &[Field<'_>]) -> TokenStream {
    let insert = fields.iter().map(|field| {
        let (name, ident) = (&field.name, field.ident);
        quote! {
            if let ::core::option::Option::Some(value) = #root::typed::Property::to_value(&self.#ident) {
                values.insert(#name.to_owned(), value);
            }
        }
    });
    quote! {
        #[allow(unused_mut)]
        let mut values = ::std::collections::BTreeMap::new();
        #(#insert)*
        values
    }
}

fn from_values(root: &Path, fields: &[Field<'_>]) -> TokenStream {
    let read = fields.iter().map(|field| {
        let (name, ident, kind, aliases) = (&field.name, field.ident, field.kind, &field.on.aliases);
        let default = match &field.on.default {
            Some(default) => quote!(::core::option::Option::Some(#default)),
            None => quote!(::core::option::Option::None),
        };
        quote!(#ident: #root::typed::read_field::<#kind>(values, #name, &[#(#aliases),*], #default)?)
    });
    quote! {
        let _ = values;
        ::core::result::Result::Ok(Self { #(#read),* })
    }
}

fn texts(root: &Path, fields: &[Field<'_>]) -> TokenStream {
    let push = fields.iter().map(|field| {
        let (name, ident) = (&field.name, field.ident);
        quote! {
            if let ::core::option::Option::Some(text) = #root::typed::Property::first_text(&self.#ident) {
                texts.push((#name, text.to_owned()));
            }
        }
    });
    quote! {
        #[allow(unused_mut)]
        let mut texts = ::std::vec::Vec::new();
        #(#push)*
        texts
    }
}

/// What the compiler checks beside the traits: formats fit what they are on.
fn checks(root: &Path, fields: &[Field<'_>]) -> TokenStream {
    let check = |field: &Field<'_>| {
        let kind = field.kind;
        let (leaf, message) = match (&field.on.format, field.on.options.is_empty()) {
            (Some(format), _) if format.is_number => (
                quote!(Number),
                format!("\"{}\" is a format of f64", format.word.value()),
            ),
            (Some(format), _) => (
                quote!(String),
                format!("\"{}\" is a format of String", format.word.value()),
            ),
            (None, false) => (
                quote!(String),
                "options(…) are of String; an enum does more".into(),
            ),
            (None, true) if field.on.reference.is_some() => (
                quote!(Reference),
                "reference = \"…\" is of Ref, an untyped reference".into(),
            ),
            (None, true) => return None,
        };
        Some(quote_spanned! {kind.span()=>
            const _: () = ::core::assert!(
                #root::typed::has_leaf(<#kind as #root::typed::Property>::LEAF, #root::typed::Leaf::#leaf),
                #message
            );
        })
    };
    fields.iter().filter_map(check).collect()
}

/// A constant for each field, and `filter()`.
fn queries(input: &DeriveInput, root: &Path, fields: &[Field<'_>]) -> TokenStream {
    let (ident, seen) = (&input.ident, &input.vis);
    let all = format_ident!("{}Fields", ident);
    let constant = fields.iter().map(|field| {
        let constant = Ident::new(&field.ident.unraw().to_string().to_uppercase(), field.ident.span());
        let (name, kind) = (&field.name, field.kind);
        let words = format!("The property `{name}` in queries.");
        quote! {
            #[doc = #words]
            #[allow(dead_code)]
            #seen const #constant: #root::typed::Field<#ident, #kind> = #root::typed::Field::new(#name);
        }
    });
    let member = fields.iter().map(|field| {
        let (member, kind) = (field.ident, field.kind);
        let words = format!("The property `{}`.", field.name);
        quote!(#[doc = #words] #seen #member: #root::typed::Field<#ident, #kind>)
    });
    let make = fields.iter().map(|field| {
        let (member, name) = (field.ident, &field.name);
        quote!(#member: #root::typed::Field::new(#name))
    });
    let words = format!("The properties of [`{ident}`], to begin a query with.");
    quote! {
        #[doc = #words]
        #[allow(dead_code)]
        #seen struct #all { #(#member),* }

        #[allow(dead_code)]
        impl #ident {
            #(#constant)*

            /// Begins a query: `filter().done.eq(false)`.
            #seen fn filter() -> #all {
                #all { #(#make),* }
            }

            /// A query for all objects of this type.
            #seen fn all() -> #root::typed::TypedQuery<#ident> {
                #root::typed::TypedQuery::all()
            }
        }
    }
}
