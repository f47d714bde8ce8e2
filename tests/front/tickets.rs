//! TLS tickets: a browser that comes again is not known by one, where `deploy/proxy/` can have it so.
//!
//! What it is not: about Caddy. Its file has no line against tickets; the doctor says so.
//!
//! What surprises: with TLS 1.3 a ticket comes after the handshake, so the first connection asks for a page
//! and waits for the answer.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use super::{PATIENCE, Proxy, certificate, deployed, program, replaced, until};
use crate::services::ports::Port;

/// Starts the proxy with TLS, as its file has it but for the ports and the place of the certificate.
fn started(name: &str, folder: &Path, change: (&str, &str)) -> (Proxy, Port) {
    certificate(folder);
    let at = folder.to_str().unwrap();
    let taken = Port::free();
    let port = taken.number();
    let (text, mut command) = if name == "nginx.conf" {
        let lines = deployed(name);
        let lines =
            lines.lines().filter(|line| !line.contains("[::]") && !line.contains("listen 80"));
        let text: Vec<&str> = lines.collect();
        let listen = format!("listen 127.0.0.1:{port} ssl;");
        let log = format!("{at}/error.log");
        let pairs = [
            ("listen 443 ssl;", &*listen),
            ("/etc/ssl/headcount", at),
            ("/var/log/nginx/error.log", &log),
        ];
        let mut command = program("nginx", "nginx-light");
        command.args(["-p", at, "-g", &format!("daemon off; pid {at}/pid;"), "-c"]);
        (replaced(&text.join("\n"), &pairs), command)
    } else {
        let bind = format!("bind 127.0.0.1:{port} ssl");
        let pairs = [("    bind :80\n", ""), ("bind :443 ssl", &*bind), ("/etc/ssl/headcount", at)];
        let mut command = program("haproxy", "haproxy");
        command.args(["-db", "-f"]);
        (replaced(&deployed(name), &pairs), command)
    };
    let file = folder.join(name);
    std::fs::write(&file, replaced(&text, &[change])).unwrap();
    let said = std::fs::File::create(folder.join("said.log")).unwrap();
    command.arg(file).stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
    let proxy = Proxy(command.spawn().unwrap());
    assert!(until(PATIENCE, || std::net::TcpStream::connect(taken.address()).is_ok()), "{name}");
    (proxy, taken)
}

/// One connection by openssl that asks for a page; what it says of the session.
fn connect(address: &str, version: &str, session: &[&str]) -> String {
    let mut child = program("openssl", "openssl")
        .args(["s_client", "-connect", address, "-servername", "count.example.org", version])
        .args(["-ign_eof"])
        .args(session)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request = "GET /healthz HTTP/1.1\r\nHost: count.example.org\r\nConnection: close\r\n\r\n";
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("HTTP/1.1 50"), "nobody is behind it: {said}");
    said
}

/// Whether a second connection is known by what the first one got.
fn is_known_again(address: &str, version: &str, folder: &Path) -> bool {
    let session = folder.join("session.pem");
    std::fs::remove_file(&session).ok();
    let session = session.to_str().unwrap();
    let first = connect(address, version, &["-sess_out", session]);
    assert!(first.lines().any(|line| line.starts_with("New, ")), "{first}");
    if !Path::new(session).exists() {
        return false;
    }
    let second = connect(address, version, &["-sess_in", session]);
    second.lines().any(|line| line.starts_with("Reused, "))
}

#[test]
fn nobody_is_known_again_by_a_tls_ticket() {
    for name in ["nginx.conf", "haproxy.cfg"] {
        let dir = tempfile::tempdir().unwrap();
        let (_proxy, port) = started(name, dir.path(), ("", ""));
        for version in ["-tls1_2", "-tls1_3"] {
            assert!(!is_known_again(&port.address(), version, dir.path()), "{name} {version}");
        }
    }
}

/// The control: without the line in the file, the same eyes see a ticket.
#[test]
fn a_tls_ticket_is_seen() {
    for (name, line) in
        [("nginx.conf", "ssl_session_tickets off;"), ("haproxy.cfg", " no-tls-tickets")]
    {
        let dir = tempfile::tempdir().unwrap();
        let (_proxy, port) = started(name, dir.path(), (line, ""));
        for version in ["-tls1_2", "-tls1_3"] {
            assert!(is_known_again(&port.address(), version, dir.path()), "{name} {version}");
        }
    }
}
