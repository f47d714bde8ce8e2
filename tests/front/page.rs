//! A page of the site behind a proxy, and what `headcount doctor --page` says of it.
//!
//! What it is not: the table of what is seen; that is beside the code, in `doctor/page/tests.rs`.
//!
//! What surprises: the page is HAProxy's own answer, by HTTP and by HTTPS.

use std::process::{Command, Output, Stdio};

use super::{PATIENCE, Proxy, certificate, level, program, until};
use crate::services::ports::Port;

/// A page with a cookie and a script of somebody else, and one with the snippet alone.
const PAGES: &str = "http-request return status 200 content-type text/html hdr Set-Cookie sid=7 \
    lf-string \"<script src=https://t.example.net/a.js></script>\" if { path /mit }
 http-request return status 200 content-type text/html \
    lf-string \"<script src=https://count.example.org/headcount.js></script>\"";

fn doctor(page: &str, trusted: &str) -> Output {
    let data = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["doctor", "--format", "json", "--page", page, "--data"])
        .arg(data.path().join("data"))
        .env("SSL_CERT_FILE", trusted)
        .output()
        .unwrap()
}

fn levels(output: &Output) -> [String; 3] {
    ["page_cookies", "page_others", "page_snippet"].map(|check| level(output, check))
}

#[test]
fn a_page_is_looked_at_by_http_and_https() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path(), "localhost");
    let (taken, taken_too) = (Port::free(), Port::free());
    let (plain, tls) = (taken.number(), taken_too.number());
    let text = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         frontend page\n bind 127.0.0.1:{plain}\n bind 127.0.0.1:{tls} ssl crt {}\n {PAGES}\n",
        dir.path().join("both.pem").display()
    );
    let file = dir.path().join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    let mut command = program("haproxy", "haproxy");
    command.args(["-db", "-f"]).arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _proxy = Proxy(command.spawn().unwrap());
    for address in [taken.address(), taken_too.address()] {
        assert!(until(PATIENCE, || std::net::TcpStream::connect(&address).is_ok()), "{address}");
    }
    let trusted = dir.path().join("fullchain.pem");
    let trusted = trusted.to_str().unwrap();
    for origin in [format!("http://localhost:{plain}"), format!("https://localhost:{tls}")] {
        let found = doctor(&format!("{origin}/mit"), trusted);
        assert_eq!(levels(&found), ["weakens", "weakens", "advice"], "{origin}");
        let said = String::from_utf8_lossy(&found.stdout);
        assert!(said.contains("sets cookies: sid\"") && said.contains("t.example.net"), "{said}");
        let found = doctor(&format!("{origin}/utan"), trusted);
        assert_eq!(levels(&found), ["ok", "ok", "ok"], "{origin}");
    }
    // A certificate that nobody trusts: not looked at, and no guess.
    let untrusted =
        doctor(&format!("https://localhost:{tls}/mit"), "/etc/ssl/certs/ca-certificates.crt");
    assert_eq!(level(&untrusted, "page_cookies"), "not_tested");
}

#[test]
fn a_route_of_visitors_is_no_page() {
    for route in ["p.gif?s=example.org&p=/a", "hit", "headcount.js", "privacy"] {
        let refused = doctor(&format!("http://127.0.0.1:1/{route}"), "");
        assert_eq!(refused.status.code(), Some(64), "{route}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("for visitors"), "{said}");
    }
}
