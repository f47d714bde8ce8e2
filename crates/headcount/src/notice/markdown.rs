//! A text as Markdown.
//!
//! What it is not: read back. JSON is for that.
//!
//! What surprises: the owner's words are text here, too: what Markdown would take for a mark is
//! escaped.

use super::Document;

/// The text, ending in a line break.
pub(crate) fn markdown(document: &Document) -> String {
    let mut text = format!("# {}\n", escaped(&document.title));
    for section in &document.sections {
        let lines: Vec<String> = section.sentences.iter().map(|line| escaped(&line.text)).collect();
        text += &format!("\n## {}\n\n{}\n", escaped(&section.heading), lines.join("\n"));
    }
    text + &format!("\n---\n\n{}\n", document.footer())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' => escaped.extend(['\\', letter]),
            plain => escaped.push(plain),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_the_owner_are_text() {
        assert_eq!(
            escaped("a [b](c) <i>*x*</i> & `d`"),
            "a \\[b\\](c) &lt;i>\\*x\\*&lt;/i> &amp; \\`d\\`"
        );
    }
}
