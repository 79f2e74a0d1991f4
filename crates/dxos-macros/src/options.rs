//! Enums without data: choices.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DataEnum, DeriveInput, Error, Fields, LitStr};

use crate::attributes::{OnType, OnVariant, RenameAll, hue_expression};

pub(crate) fn expand(input: &DeriveInput, data: &DataEnum) -> syn::Result<TokenStream> {
    let on = OnType::read(&input.attrs)?;
    if let Some(name) = on.type_name.as_ref().or(on.version.as_ref()) {
        let message = "an enum is a choice within types; it has no type name and no version";
        return Err(Error::new(name.span(), message));
    }
    if data.variants.is_empty() {
        return Err(Error::new_spanned(
            &input.ident,
            "a choice has at least one option",
        ));
    }
    let (root, ident) = (&on.root, &input.ident);
    let style = match on.rename_all {
        RenameAll::AsInRust => RenameAll::Kebab,
        style => style,
    };
    let mut names = BTreeSet::new();
    let (mut variants, mut values, mut choices) = (Vec::new(), Vec::new(), Vec::new());
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            let message = "an option of a choice has no data; use a nested struct for that";
            return Err(Error::new_spanned(variant, message));
        }
        let on = OnVariant::read(&variant.attrs)?;
        let plain = style.apply(&variant.ident.to_string());
        let value = on.rename.as_ref().map_or(plain, LitStr::value);
        if !names.insert(value.clone()) {
            let message = format!("two options are stored as \"{value}\"");
            return Err(Error::new_spanned(variant, message));
        }
        let title = match &on.title {
            Some(title) => quote!(::core::option::Option::Some(#title.to_owned())),
            None => quote!(::core::option::Option::None),
        };
        let hue = hue_expression(on.hue.as_ref());
        choices.push(quote! {
            #root::schema::Choice { value: #value.to_owned(), title: #title, hue: #hue }
        });
        variants.push(&variant.ident);
        values.push(value);
    }
    Ok(quote! {
        impl #root::typed::Options for #ident {
            fn value(&self) -> &'static str {
                match self {
                    #(Self::#variants => #values),*
                }
            }

            fn from_option(value: &str) -> ::core::option::Option<Self> {
                match value {
                    #(#values => ::core::option::Option::Some(Self::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }
        }

        impl #root::typed::Property for #ident {
            type Plain = Self;

            fn kind() -> #root::schema::FieldType {
                #root::schema::FieldType::Select(::std::vec![#(#choices),*])
            }

            fn to_value(&self) -> ::core::option::Option<#root::typed::Value> {
                let value = #root::typed::Options::value(self);
                ::core::option::Option::Some(#root::typed::Value::from(value))
            }

            fn from_value(
                value: &#root::typed::Value,
            ) -> ::core::result::Result<Self, #root::schema::Misfit> {
                value.as_str().and_then(<Self as #root::typed::Options>::from_option).ok_or_else(|| {
                    let expected = <Self as #root::typed::Property>::kind().words();
                    #root::schema::Misfit::new(&[], expected, ::core::option::Option::Some(value))
                })
            }
        }
    })
}
