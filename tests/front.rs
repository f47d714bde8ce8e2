//! The proxies of `deploy/proxy/` in front of a running `up`, and what the doctor says of them.
//!
//! What it is not: a test of the proxies. Theirs are TLS and speed.
//!
//! What surprises: a proxy trusts its own word. A client sends addresses of others along, and is
//! still counted in its own network.

mod tickets;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::privacy::as_peer;
use crate::server::{CHROME, Deployment as _, PATIENCE, SITE, Server};
use crate::services::ports::Port;
use crate::until::until;

const SETTINGS: &str = "trusted_proxies = [\"127.0.0.1/32\"]\n\
    client_address_header = \"X-Forwarded-For\"\nstats_listen = \"127.0.0.1:0\"\n";
/// What a log would have of a visit: its page, its browser, its address.
const MARKERS: [&str; 3] = ["kanariefront", "Kanarieagent", "127.88.1.2"];

/// A proxy as a child.
pub(crate) struct Proxy(pub(crate) Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        // In order, so that nginx ends its workers, too.
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-s", "TERM", &pid]).status().ok();
        self.0.wait().ok();
    }
}

fn deployed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/proxy").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The file with something in it replaced; all of it must be there.
fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

pub(crate) fn program(name: &str, package: &str) -> Command {
    let found = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .map(|folder| Path::new(folder).join(name))
        .into_iter()
        .find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| panic!("no {name}; apt-get install {package}")))
}

pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// A certificate for the checks of the files as they are.
fn certificate(folder: &Path) {
    let (key, chain) = (folder.join("privkey.pem"), folder.join("fullchain.pem"));
    succeed(
        program("openssl", "openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-subj", "/CN=count.example.org", "-days", "2", "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&chain),
    );
    let both = [chain, key].map(|path| std::fs::read_to_string(path).unwrap()).concat();
    std::fs::write(folder.join("both.pem"), both).unwrap();
}

#[test]
fn the_files_are_right_for_their_programs() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    certificate(dir.path());
    let write = |name: &str, pairs: &[(&str, &str)]| {
        let path = dir.path().join(name);
        std::fs::write(&path, replaced(&deployed(name), pairs)).unwrap();
        path
    };
    let log = format!("{folder}/error.log");
    let nginx =
        write("nginx.conf", &[("/etc/ssl/headcount", folder), ("/var/log/nginx/error.log", &log)]);
    succeed(
        program("nginx", "nginx-light")
            .args(["-t", "-p", folder, "-g", &format!("pid {folder}/pid;"), "-c"])
            .arg(nginx),
    );
    let haproxy = write("haproxy.cfg", &[("/etc/ssl/headcount", folder)]);
    succeed(program("haproxy", "haproxy").args(["-c", "-f"]).arg(haproxy));
    let caddy = write("Caddyfile", &[]);
    succeed(
        program("caddy", "caddy")
            .args(["validate", "--adapter", "caddyfile", "--config"])
            .arg(caddy)
            .env("HOME", folder)
            .env("XDG_DATA_HOME", folder),
    );
}

/// The file of `name` for these ports, without TLS, and the command that runs it.
fn prepared(name: &str, folder: &Path, (port, server): (&str, &Server)) -> (PathBuf, Command) {
    let at = folder.to_str().unwrap();
    let (listen, bind) = (format!("listen 127.0.0.1:{port};"), format!("bind 127.0.0.1:{port}"));
    let log = format!("{at}/error.log");
    let site = format!("http://:{port} {{");
    let upstream = ("127.0.0.1:8080", server.address.as_str());
    let path = folder.join(name);
    let path_text = path.to_str().unwrap().to_owned();
    let (text, mut command) = match name {
        "nginx.conf" => {
            let text = deployed(name).lines().filter(|line| !line.contains("[::]")).fold(
                String::new(),
                |text, line| match line.trim() {
                    "listen 80;" | "listen 443 ssl;" => text + &listen + "\n",
                    line if line.starts_with("ssl_") => text,
                    _ => text + line + "\n",
                },
            );
            let pairs = [upstream, ("/var/log/nginx/error.log", &log)];
            let mut command = program("nginx", "nginx-light");
            let more = format!("daemon off; pid {at}/pid;");
            command.args(["-p", at, "-g", &more, "-c", &path_text]);
            (replaced(&text, &pairs), command)
        }
        "Caddyfile" => {
            let pairs = [
                upstream,
                ("count.example.org {", &site),
                ("stats.example.org {", "http://stats.example.org:0 {"),
                ("{\n\t# What goes wrong", "{\n\tadmin off\n\t# What goes wrong"),
            ];
            let mut command = program("caddy", "caddy");
            command.args(["run", "--adapter", "caddyfile", "--config", &path_text]);
            command.env("HOME", at).env("XDG_DATA_HOME", at).env("XDG_CONFIG_HOME", at);
            (replaced(&deployed(name), &pairs), command)
        }
        _ => {
            let text = deployed(name)
                .lines()
                .filter(|line| !line.contains(":443") && !line.contains("redirect scheme"))
                .fold(String::new(), |text, line| text + line + "\n");
            let mut command = program("haproxy", "haproxy");
            command.args(["-db", "-f", &path_text]);
            (replaced(&text, &[upstream, ("bind :80", &bind)]), command)
        }
    };
    std::fs::write(&path, text).unwrap();
    let said = std::fs::File::create(folder.join("said.log")).unwrap();
    command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
    (path, command)
}

/// A view whose sender claims to be somebody else.
fn visit(from: &str, address: &str, claimed: &str) {
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/kanariefront\"}}");
    let request = format!(
        "POST /hit HTTP/1.1\r\nHost: count.example.org\r\nConnection: close\r\n\
         User-Agent: {CHROME} Kanarieagent/1\r\nX-Forwarded-For: {claimed}\r\n\
         Forwarded: for={claimed}\r\nX-Real-IP: {claimed}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    as_peer(from, address, &request);
}

/// Markers in any file that the proxy or anybody else wrote here.
fn logged(folder: &Path) -> Vec<&'static str> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap_or_default();
        let has = |marker: &&&str| memchr::memmem::find(&text, marker.as_bytes()).is_some();
        found.extend(MARKERS.iter().filter(has));
    }
    found
}

fn run(name: &str, change: (&str, &str)) -> (Vec<&'static str>, Output) {
    let dir = tempfile::tempdir().unwrap();
    let front = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), SETTINGS, &[]);
    let port = Port::free();
    let number = port.number().to_string();
    let (file, mut command) = prepared(name, front.path(), (&number, &server));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen(change.0, change.1, 1)).unwrap();
    let proxy = Proxy(command.spawn().unwrap());
    let address = port.address();
    let answers = || std::net::TcpStream::connect(&address).is_ok();
    assert!(until(PATIENCE, answers), "{name} does not listen");
    // Two networks, and four that they claim: two visitors.
    for claimed in ["198.51.100.9", "203.0.113.9", "192.0.2.9", "198.51.101.9"] {
        visit("127.88.1.2", &address, claimed);
        visit("127.99.1.2", &address, claimed);
    }
    server.wait_for("SELECT sum(views) FROM site_counts", 8);
    assert_eq!(server.number("SELECT sum(visitors) FROM site_counts"), 2, "{name}");
    let config = dir.path().join("headcount.toml");
    let doctor = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["doctor", "--format", "json", "--config"])
        .arg(config)
        .arg("--data")
        .arg(server.data())
        .arg("--proxy")
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(server.stop(), Some(0));
    // With nobody behind it, what it says of its trouble has no visitor in it.
    let body = format!("{{\"s\":\"{SITE}\",\"p\":\"/kanariefront\"}}");
    let headers = format!("User-Agent: {CHROME} Kanarieagent/1\r\n");
    let reply = crate::server::ask(&address, "POST /hit", &headers, &body).unwrap();
    assert!([502, 503].contains(&reply.status), "{}", reply.status);
    drop(proxy);
    (logged(front.path()), doctor)
}

/// What the doctor found of one check: its level.
fn level(doctor: &Output, check: &str) -> String {
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&doctor.stderr)));
    let weakens = report["weakens"].as_u64().unwrap();
    assert_eq!(doctor.status.code(), Some(i32::from(weakens > 0)));
    let found = report["findings"].as_array().unwrap();
    let of = found.iter().find(|finding| finding["check"] == check).unwrap();
    of["level"].as_str().unwrap().to_owned()
}

#[test]
fn no_proxy_logs_a_visitor_and_each_names_the_right_one() {
    for name in ["nginx.conf", "Caddyfile", "haproxy.cfg"] {
        let (logged, doctor) = run(name, ("", ""));
        assert!(logged.is_empty(), "{name}: {logged:?}");
        assert_eq!(level(&doctor, "proxy"), "ok", "{name}");
        for check in ["folder_mode", "folder_files", "folder_copies", "edge_version", "listen"] {
            assert_eq!(level(&doctor, check), "ok", "{name}: {check}");
        }
        assert_eq!(level(&doctor, "locked_memory"), "ok", "what the running process has locked");
    }
}

/// The control: the same with the log on is seen, by the search and by the doctor.
#[test]
fn a_log_that_is_on_is_seen() {
    let (logged, doctor) =
        run("nginx.conf", ("access_log off;", "access_log access.log combined;"));
    assert_eq!(logged, ["Kanarieagent", "127.88.1.2"], "a combined log has no body of a hit");
    assert_eq!(level(&doctor, "proxy"), "weakens");
}
