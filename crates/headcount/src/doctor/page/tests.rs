//! Pages with and without what the doctor looks for, on this machine.
//!
//! What it is not: about other machines. A server here gives each answer, and counts who asks.
//!
//! What surprises: the hosts of others in these pages do not exist, and nobody asks for them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use proptest::prelude::*;

use super::*;

const ROUTES: [&str; 2] = ["/hit", "/p.gif"];

/// A server that gives one answer to each of its askers; its address.
fn serving(head: &'static str, body: &'static str) -> (Url, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/sida", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4_096];
        let count = stream.read(&mut request).unwrap();
        let length = body.len();
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).unwrap();
        drop(stream);
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "it was asked twice");
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    (Url::parse(&url).unwrap(), server)
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const HTML: &str = "200 OK\r\nContent-Type: text/html; charset=utf-8";

/// What is seen of a page of `https://www.example.org/a/` with this HTML.
fn of(html: &str) -> Seen {
    let url = Url::parse("https://www.example.org/a/").unwrap();
    seen(&url, &Answer { cookies: BTreeSet::new(), html: html.as_bytes().to_vec() })
}

#[test]
fn a_page_is_asked_for_once_and_by_a_robot() {
    let head = "200 OK\r\nContent-Type: text/html\r\nSet-Cookie: sid=abc; Path=/\r\n\
                Set-Cookie: _ga=GA1.2; Secure";
    let (url, server) = serving(head, "<script src=https://tracker.example.net/t.js></script>");
    let found = look(&url).look.unwrap();
    assert_eq!(found.cookies, names(&["_ga", "sid"]));
    assert_eq!(found.code, names(&["tracker.example.net"]));
    let request = server.join().unwrap().to_ascii_lowercase();
    assert!(request.starts_with("get /sida http/1.1\r\n") && request.contains("bot"), "{request}");
    assert!(!request.contains("cookie") && !request.contains("referer"), "{request}");
    let (url, server) = serving(HTML, "<p>text</p>");
    assert_eq!(look(&url).look, Ok(Seen::default()));
    server.join().unwrap();
}

#[test]
fn what_is_no_page_is_said_and_no_redirect_is_followed() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let at = other.local_addr().unwrap();
    let head: &'static str =
        Box::leak(format!("302 Found\r\nSet-Cookie: a=1\r\nLocation: http://{at}/b").into());
    for (head, body, expect) in [
        (head, "", format!("answers 302 and leads to http://{at}/b")),
        ("404 Not Found\r\nContent-Type: text/html", "", "answers 404".to_owned()),
        ("200 OK\r\nContent-Type: image/gif", "GIF89a", "is no HTML".to_owned()),
    ] {
        let (url, server) = serving(head, body);
        let said = look(&url).look.unwrap_err();
        assert!(said.contains(&expect), "{said}");
        server.join().unwrap();
    }
    assert!(other.accept().is_err(), "a redirect was followed");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = look(&Url::parse(&format!("http://{gone}/")).unwrap()).look.unwrap_err();
    assert!(said.contains("refused"), "{said}");
}

#[test]
fn a_page_without_end_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let head = format!("HTTP/1.1 {HTML}\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        while stream.write_all(&[b'a'; 65_536]).is_ok() {}
    });
    let said = look(&Url::parse(&url).unwrap()).look.unwrap_err();
    assert!(said.contains("not read to the end"), "{said}");
    server.join().unwrap();
}

#[test]
fn scripts_frames_images_and_links_of_others_are_seen() {
    let found = of("<!doctype html><html><head>
        <LINK rel='preconnect stylesheet' href=//fonts.example.com/a.css>
        <link rel=canonical href=https://canonical.example.com/>
        <script src='https://cdn.example.net/x.js' async></script>
        <script>document.write('<script src=https://written.example.com/a.js></' + 'script>')</script>
        </head><body><!-- <img src=https://comment.example.com/a.gif> -->
        <img src='https://pixel.example.com/p?id=1'><img src=data:image/gif;base64,R0lG>
        <a href=https://linked.example.com/>text</a>
        <noscript><img src=https://noscript.example.com/i.gif></noscript>
        <iframe src=https://video.example.com/embed><img src=https://inner.example.com></iframe>
        <img src=/own.gif><script src=https://static.example.org/own.js></script>");
    assert_eq!(found.code, names(&["cdn.example.net", "video.example.com"]));
    let files = ["fonts.example.com", "noscript.example.com", "pixel.example.com"];
    assert_eq!(found.files, names(&files));
    assert!(!found.has_snippet);
}

#[test]
fn a_base_moves_what_has_no_host() {
    let found = of("<base href=https://cdn.example.net/><script src=a.js></script>");
    assert_eq!(found.code, names(&["cdn.example.net"]));
    let found = of("<script src=a.js></script><base target=_top>");
    assert_eq!(found, Seen::default());
}

#[test]
fn the_snippet_is_known_by_script_or_image() {
    for html in [
        "<script defer src=https://count.example.net/headcount.js></script>",
        "<script defer src='https://count.example.net/headcount.0a1b.js' data-site=x></script>",
        "<noscript><img src='https://count.example.net/p.gif?s=example.org' alt=''></noscript>",
    ] {
        let found = of(html);
        assert!(found.has_snippet && found.code.is_empty() && found.files.is_empty(), "{html}");
    }
    for html in ["<script src=/headcounter.js></script>", "<!-- <script src=/headcount.js> -->", ""]
    {
        assert!(!of(html).has_snippet, "{html}");
    }
}

#[test]
fn an_address_that_may_not_be_asked_for_is_refused() {
    for text in ["https://example.org/", "http://[::1]:8080/demo", "https://example.org/a?b=c"] {
        assert!(address(text, &ROUTES).is_ok(), "{text}");
    }
    for (text, expect) in [
        ("example.org", "such as https://"),
        ("ftp://example.org/", "such as https://"),
        ("https://anna:hemligt@example.org/", "password"),
        ("https://count.example.org/p.gif?s=example.org&p=/a", "for visitors"),
        ("https://count.example.org/hit", "for visitors"),
        ("https://count.example.org/headcount.0a1b.js", "for visitors"),
    ] {
        let error = address(text, &ROUTES).unwrap_err().to_string();
        assert!(error.contains(expect) && error.contains("--page"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_page(html in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let url = Url::parse("https://example.org/").unwrap();
        seen(&url, &Answer { cookies: BTreeSet::new(), html });
    }

    #[test]
    fn any_text_is_an_address_or_refused(text in ".{0,60}") {
        address(&text, &ROUTES).ok();
    }
}
