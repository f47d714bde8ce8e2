//! The canonical form of a page address: its clean segments (policy, part A).
//!
//! What it is not: a URL parser. Scheme and authority are skipped, the query and the fragment are
//! cut off before anything else looks at the text.
//!
//! What surprises: readings chosen where the text leaves room. `https:///x` has an empty
//! authority, so its path is `/x`. As in the URL standard, `..` takes away an empty segment too,
//! so empty segments are dropped after dot segments are resolved. A segment whose clean text turns
//! out to be `.` or `..` is resolved among the segments that are left, or it would be resolved
//! when the result is sanitised once more.

use std::borrow::Cow;

use super::clean::clean;

/// Bytes of one address after trimming, and of one kept page.
pub(crate) const PAGE_BYTES_MAX: usize = 2_048;

/// One segment: its clean text, or `None` if it can only be `:id` and gives no context.
pub(crate) type Segment<'a> = Option<Cow<'a, str>>;

/// An address without TAB, CR and LF, trimmed of spaces and C0 controls.
pub(crate) fn trimmed(raw: &str) -> Cow<'_, str> {
    let dropped = |c: char| matches!(c, '\t' | '\r' | '\n');
    let edge = |c: char| c <= ' ';
    if raw.contains(dropped) {
        let kept = raw.replace(dropped, "");
        Cow::Owned(kept.trim_matches(edge).to_owned())
    } else {
        Cow::Borrowed(raw.trim_matches(edge))
    }
}

/// What follows `http:` or `https:`, in any case.
pub(crate) fn after_web_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let known = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    known.then_some(rest)
}

/// What follows two slashes or backslashes.
pub(crate) fn after_two_slashes(text: &str) -> Option<&str> {
    text.strip_prefix(is_slash)?.strip_prefix(is_slash)
}

/// Whether a browser takes the character for a slash.
pub(crate) fn is_slash(char: char) -> bool {
    matches!(char, '/' | '\\')
}

/// The authority before the first slash, `?` or `#`, and the rest.
pub(crate) fn split_authority(text: &str) -> (&str, &str) {
    let end = text.find(['/', '\\', '?', '#']).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The clean segments of an address (already [`trimmed`]), none of them empty; `None` if it is no
/// address of a page.
pub(crate) fn segments(address: &str) -> Option<Vec<Segment<'_>>> {
    if address.is_empty() || address.len() > PAGE_BYTES_MAX {
        return None;
    }
    let mut kept: Vec<Segment<'_>> = Vec::new();
    for raw in resolved(path(address)?) {
        match clean(raw) {
            Some(text) => match &*text {
                "" | "." => {}
                ".." => drop(kept.pop()),
                _ => kept.push(Some(text)),
            },
            None => kept.push(None),
        }
    }
    Some(kept)
}

/// The path, from its leading slash to the first `?` or `#`; may be empty.
fn path(address: &str) -> Option<&str> {
    let rest = match after_web_scheme(address) {
        Some(rest) => split_authority(after_two_slashes(rest)?).1,
        None => match after_two_slashes(address) {
            Some(rest) => split_authority(rest).1,
            None => address.starts_with(['/', '\\', '?', '#']).then_some(address)?,
        },
    };
    rest.split(['?', '#']).next()
}

/// The raw segments after dot segments are resolved, without the empty ones.
fn resolved(path: &str) -> Vec<&str> {
    let mut stack = Vec::with_capacity(8);
    for raw in path.split(is_slash).skip(1) {
        match dots(raw) {
            Some(1) => {}
            Some(_) => drop(stack.pop()),
            None => stack.push(raw),
        }
    }
    stack.retain(|raw| !raw.is_empty());
    stack
}

/// 1 or 2 if the segment is that many dots, also spelled `%2e`.
fn dots(raw: &str) -> Option<usize> {
    let mut rest = raw.as_bytes();
    let mut count = 0;
    while count < 2 {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => break,
        };
        count += 1;
    }
    (count > 0 && rest.is_empty()).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(raw: &str) -> Option<String> {
        let address = trimmed(raw);
        let texts: Vec<_> = segments(&address)?
            .into_iter()
            .map(|segment| segment.map_or(":id".to_owned(), Cow::into_owned))
            .collect();
        Some(format!("/{}", texts.join("/")))
    }

    #[test]
    fn one_form_for_every_spelling() {
        for (raw, expect) in [
            ("/a/b", "/a/b"),
            ("  /a/b\u{1} ", "/a/b"),
            ("/a\n/\tb\r", "/a/b"),
            ("HTTP://h/a", "/a"),
            ("https:\\\\h\\a\\b", "/a/b"),
            ("https://u:p@h:80/a?x#y", "/a"),
            ("https://h", "/"),
            ("https://h?x/y", "/"),
            ("https://h#x/y", "/"),
            ("https:///h/a", "/h/a"),
            ("//h/a", "/a"),
            ("/\\h/a", "/a"),
            ("?a", "/"),
            ("#a", "/"),
            ("\\a", "/a"),
            ("/a?b/c", "/a"),
            ("/a#b?c", "/a"),
            ("/a/./b/%2e/c/", "/a/b/c"),
            ("/a/../b", "/b"),
            ("/a/%2E./b", "/b"),
            ("/a/.%2e/%2e%2E/../b", "/b"),
            ("/a//../b", "/a/b"),
            ("/...", "/..."),
            ("/a/%252e%252e/b", "/b"),
            ("/a/..;x=1/b", "/b"),
            ("/a/\u{2025}/b", "/b"),
            ("/a/%ff/%252e%252e/b", "/a/b"),
            ("/a/;x/b", "/a/b"),
            ("/a/%20/b", "/a/b"),
        ] {
            assert_eq!(form(raw).as_deref(), Some(expect), "{raw}");
        }
    }

    #[test]
    fn what_is_no_address_has_no_form() {
        for raw in
            ["", " \t", "a", "kontakt.html", "ftp://h/x", "http:/h/x", "https:x", "javascript://a"]
        {
            assert_eq!(form(raw), None, "{raw}");
        }
        assert!(form(&format!("/{}", "a/".repeat(1_023))).is_some());
        assert!(form(&format!("/{}", "a/".repeat(1_024))).is_none());
    }
}
