//! Rego as text: the [author's tree](tree), and how it is made.

pub(in crate::policy) mod core;
mod lexer;
pub(in crate::policy) mod lower;
mod mistakes;
pub(in crate::policy) mod native;
mod parser;
pub(in crate::policy) mod parts;
pub(in crate::policy) mod tree;
pub(in crate::policy) mod walk;
pub(in crate::policy) mod write;

use std::sync::Arc;

use self::mistakes::Told;
use self::tree::{Module, Source};
use super::fault::PolicyFault;
use crate::model::RegoVersion;

/// The longest text, in bytes.
pub(in crate::policy) const TEXT_MAX: usize = 256 * 1024;

/// Parses a policy's text in the version that it states; if it states none, as v1 first and as v0 only if that fails.
///
/// The other order would let everybody in: in v0, where `if` is a name like any other, a text may be facts that v1 takes for conditions.
/// What is told of a text that is neither is what is wrong with it in the version that its author seems to have meant.
pub(in crate::policy) fn parse(name: &str, text: &str, version: Option<RegoVersion>) -> Result<Module, PolicyFault> {
    if text.len() > TEXT_MAX {
        return Err(PolicyFault::of(name, format!("the text has {} bytes; at most {TEXT_MAX} are taken", text.len())));
    }
    let tokens = lexer::tokens(text);
    let source = Arc::new(Source { name: name.into(), text: text.into() });
    let told = || Told::of(&source, &tokens);
    let read = |version| parser::parse(&source, &tokens, version);
    match version {
        Some(version) => read(version).map_err(|stop| told().fault(stop, version)),
        None => read(RegoVersion::V1).or_else(|v1| {
            read(RegoVersion::V0).map_err(|v0| {
                let told = told();
                match told.meant(v1, v0) {
                    RegoVersion::V1 => told.fault(v1, RegoVersion::V1),
                    RegoVersion::V0 => told.fault(v0, RegoVersion::V0),
                }
            })
        }),
    }
}

/// Every string of a text that stands alone, quotes included, in the order of the text; of one that cannot be parsed, too.
pub(in crate::policy) fn strings(text: &str) -> Vec<&str> {
    let tokens = lexer::tokens(text);
    let strings = tokens.iter().filter(|token| matches!(token.kind, lexer::TokenKind::String | lexer::TokenKind::RawString));
    strings.filter_map(|token| text.get(token.place.start as usize..token.place.end as usize)).collect()
}
