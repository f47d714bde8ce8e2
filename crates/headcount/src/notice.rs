//! Texts for visitors and owners, made from the running configuration: notice, answer, sheet.
//!
//! What it is not: advice on law, or a promise of its own. Each sentence is bound to a setting or
//! to a test; what only the owner knows is asked for in `[notice]`.
//!
//! What surprises: the sentences are data (`notice/text`), one file of words for each language.
//! Everything here is pure; `notice/commands.rs` and `notice/page.rs` do the reading and answering.

mod additions;
mod book;
pub(crate) mod claims;
pub(crate) mod commands;
mod diff;
mod document;
mod facts;
mod html;
mod markdown;
pub(crate) mod page;
pub(crate) mod published;

pub(crate) use self::book::Kind;
pub(crate) use self::document::{Document, Line, touched};
pub(crate) use self::facts::{Facts, Lang, Mode};

#[cfg(test)]
mod tests;
