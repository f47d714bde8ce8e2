//! A text as a page.
//!
//! What it is not: a place where text becomes markup. Everything is escaped by the template.
//!
//! What surprises: printed for the owner it carries its style inside, served to a visitor it does
//! not, because the page's policy allows no inline style.

use askama::Template;

use super::document::{Document, Section};
use super::facts::Lang;

/// The style, also served as a file.
pub(crate) const CSS: &str = include_str!("../../templates/privacy.css");

/// What would be counted of the reader's own request, in words.
pub(crate) struct Shown {
    pub(crate) heading: &'static str,
    pub(crate) intro: &'static str,
    pub(crate) said: String,
    pub(crate) rows: Vec<(&'static str, String)>,
    pub(crate) unread: &'static str,
}

/// The page.
#[derive(Template)]
#[template(path = "text.html", config = "crates/headcount/askama.toml")]
pub(crate) struct Page<'a> {
    pub(crate) lang: &'static str,
    pub(crate) title: &'a str,
    pub(crate) inline: bool,
    pub(crate) css: &'static str,
    /// The same page in other languages, and its addresses.
    pub(crate) links: Vec<(Lang, String)>,
    pub(crate) preview: Option<Shown>,
    pub(crate) sections: &'a [Section],
    pub(crate) footer: &'a str,
}

/// A text as a page of its own.
pub(crate) fn html(document: &Document) -> anyhow::Result<String> {
    Ok(Page {
        lang: Lang::code(document.lang),
        title: &document.title,
        inline: true,
        css: CSS,
        links: Vec::new(),
        preview: None,
        sections: &document.sections,
        footer: &document.footer(),
    }
    .render()?)
}
