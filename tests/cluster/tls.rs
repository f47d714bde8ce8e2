//! ClickHouse behind TLS: counts go through it, and a certificate that does not fit is refused.
//!
//! What it is not: a test of TLS. HAProxy speaks it in front of the engine, with certificates by openssl.
//!
//! What surprises: the certificates that are trusted are the system's. `SSL_CERT_FILE` names another file of
//! them, as for any program.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Cluster, shared};
use crate::front::{Proxy, program, succeed};
use crate::pipeline::{ALL_AT_ONCE, every_view_holds_the_traffic};
use crate::server::PATIENCE;
use crate::services::ports::Port;
use crate::until::until;

/// HAProxy with a certificate in front of the engine.
struct Front {
    folder: tempfile::TempDir,
    url: String,
    _proxy: Proxy,
    _port: Port,
}

impl Front {
    fn new(engine: &str, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let both = certificate(folder.path(), name);
        let taken = Port::free();
        let port = taken.number();
        let text = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n\
             listen engine\n bind 127.0.0.1:{port} ssl crt {}\n server engine {engine}\n",
            both.display()
        );
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let mut command = program("haproxy", "haproxy");
        command.args(["-db", "-f"]).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = Proxy(command.spawn().unwrap());
        let address = taken.address();
        assert!(until(PATIENCE, || std::net::TcpStream::connect(&address).is_ok()), "{address}");
        Self { folder, url: format!("https://localhost:{port}"), _proxy: proxy, _port: taken }
    }

    /// The certificate, to be trusted.
    fn trusted(&self) -> String {
        self.folder.path().join("chain.pem").to_str().unwrap().to_owned()
    }
}

/// A certificate for `name` that nobody signed, with its key; the file with both.
fn certificate(folder: &Path, name: &str) -> PathBuf {
    let settings = format!(
        "[req]\ndistinguished_name = who\nx509_extensions = more\nprompt = no\n[who]\nCN = {name}\n\
         [more]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = DNS:{name}\n"
    );
    let [config, key, chain, both] =
        ["openssl.cnf", "key.pem", "chain.pem", "both.pem"].map(|name| folder.join(name));
    std::fs::write(&config, settings).unwrap();
    succeed(
        program("openssl", "openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-config"])
            .arg(config)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&chain),
    );
    let text = [chain, key].map(|path| std::fs::read_to_string(path).unwrap()).concat();
    std::fs::write(&both, text).unwrap();
    both
}

#[test]
fn counts_go_through_tls_to_clickhouse() {
    let mut cluster = Cluster::new(shared(), ALL_AT_ONCE);
    let front = Front::new(&cluster.engine, "localhost");
    let trusted = front.trusted();
    let environment = [("HEADCOUNT_CLICKHOUSE_URL", &*front.url), ("SSL_CERT_FILE", &*trusted)];
    cluster.aggregators = vec![cluster.aggregator(0, &environment).unwrap()];
    cluster.collectors = vec![cluster.collector(0, &[]).unwrap()];
    every_view_holds_the_traffic(&cluster);
    let serve = cluster.server_in(&environment).unwrap();
    assert_eq!(serve.ask_ops("/readyz").body, "ready\n");
    assert_eq!(serve.stop(), Some(0));
}

#[test]
fn a_certificate_that_does_not_fit_is_refused() {
    let cluster = Cluster::new(shared(), "");
    cluster.aggregator(0, &[]).unwrap().stop();
    let refused = |environment: &[(&str, &str)]| {
        let said = cluster.server_in(environment).err().unwrap().said;
        let complaints: Vec<_> =
            said.lines().filter(|line| line.starts_with("headcount: ")).collect();
        assert!(complaints.len() == 1 && complaints[0].contains("certificate"), "{said}");
    };
    let front = Front::new(&cluster.engine, "localhost");
    refused(&[("HEADCOUNT_CLICKHOUSE_URL", &front.url)]);
    // One that is trusted, and for another name.
    let other = Front::new(&cluster.engine, "clickhouse.example.org");
    let trusted = other.trusted();
    refused(&[("HEADCOUNT_CLICKHOUSE_URL", &other.url), ("SSL_CERT_FILE", &trusted)]);
}
