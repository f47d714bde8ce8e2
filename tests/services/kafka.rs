//! One real Apache Kafka broker as a child process, on free loopback ports.
//!
//! What it is not: an emulation. The jars come from Maven Central once (`deploy/local/kafka`) and
//! stay in `target/services/kafka`; `HEADCOUNT_TEST_KAFKA=host:port` names a broker instead.
//!
//! What surprises: a broker must die with its test, and its folder with it; see `folder`.

#[path = "folder.rs"]
pub(crate) mod folder;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use headcount_transport::kafka::{Security, Settings, topic};

use self::folder::Folder;
use super::ports::Port;

/// How long a broker may take to answer after its start.
const START_PATIENCE: Duration = Duration::from_secs(300);
/// How long a broker may take to stop when asked.
const STOP_PATIENCE: Duration = Duration::from_secs(300);
/// A user of a guarded broker, for PLAIN and SCRAM.
pub(crate) const USER: &str = "headcount";
/// The user's password.
pub(crate) const PASSWORD: &str = "right-password";
/// Opens the broker's key store, which lives as long as the test.
const STORE_PASSWORD: &str = "store-password";

/// A running broker. Dropping it kills it.
pub(crate) struct Kafka {
    brokers: String,
    /// Before the names of topics: a broker that is not ours may have them from former runs.
    prefix: String,
    doors: Option<Doors>,
    java: Option<Child>,
    folder: Folder,
    /// Held, so that a broker that is started again finds them free.
    _ports: Vec<Port>,
}

/// The listeners of a guarded broker, each as `host:port`.
pub(crate) struct Doors {
    /// Wants [`USER`].
    pub(crate) login: String,
    /// Speaks TLS.
    pub(crate) tls: String,
    /// Speaks TLS and wants [`USER`].
    pub(crate) login_in_tls: String,
    /// Trusts the broker's certificate, which is for 127.0.0.1 and no other name.
    pub(crate) ca_file: PathBuf,
}

impl Kafka {
    /// A broker that other tests of this process use too: bring a topic of your own.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var_os("HEADCOUNT_TEST_KAFKA") {
            Some(brokers) => Self::named(brokers.to_str().unwrap()),
            None => Self::start(),
        })
    }

    /// Likewise, with listeners for logins and TLS; always one of our own.
    pub(crate) fn guarded() -> &'static Self {
        static GUARDED: OnceLock<Kafka> = OnceLock::new();
        GUARDED.get_or_init(|| Self::set_up(true))
    }

    fn named(brokers: &str) -> Self {
        let folder = Folder::new();
        let run = RandomState::new().hash_one(std::process::id());
        let prefix = format!("headcount-test-{run:x}-");
        let kafka = Self {
            brokers: brokers.to_owned(),
            prefix,
            doors: None,
            folder,
            java: None,
            _ports: Vec::new(),
        };
        topic::reachable(&kafka.settings("probe", 1), START_PATIENCE).unwrap();
        kafka
    }

    /// A broker of its own, with empty data.
    pub(crate) fn start() -> Self {
        Self::set_up(false)
    }

    fn set_up(is_guarded: bool) -> Self {
        let lib = jars();
        let folder = Folder::new();
        let ports = [(); 5].map(|()| Port::free());
        let [plain, controller, login, tls, login_in_tls] = ports.each_ref().map(Port::address);
        let mut listen = format!("PLAINTEXT://{plain}");
        let mut more = String::new();
        let doors = is_guarded.then(|| {
            listen += &format!(",LOGIN://{login},TLS://{tls},LOGINTLS://{login_in_tls}");
            let ca_file = make_certificate(folder.path());
            more = guarded_lines(folder.path());
            Doors { login, tls, login_in_tls, ca_file }
        });
        let values = [
            ("controller.quorum.voters", format!("1@{controller}")),
            ("listeners", format!("{listen},CONTROLLER://{controller}")),
            ("advertised.listeners", listen),
            ("log.dirs", folder.path().join("data").display().to_string()),
        ];
        let template = fs::read_to_string(recipe().join("server.properties")).unwrap();
        let text = replace(&template, &values) + &more;
        fs::write(folder.path().join("server.properties"), text).unwrap();
        format_storage(&lib, folder.path());
        let ports = Vec::from(ports);
        let prefix = String::new();
        let mut kafka = Self { brokers: plain, prefix, doors, folder, java: None, _ports: ports };
        kafka.start_again();
        kafka
    }

    /// `host:port` of the listener without login.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The folder of its data and its log.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The other listeners of a guarded broker.
    pub(crate) fn doors(&self) -> &Doors {
        self.doors.as_ref().expect("a broker started with guarded()")
    }

    /// Settings for a topic of about this name; the group has the same name.
    pub(crate) fn settings(&self, topic: &str, partitions: u32) -> Settings {
        let topic = format!("{}{topic}", self.prefix);
        Settings {
            brokers: self.brokers.clone(),
            group: topic.clone(),
            topic,
            partitions,
            security: Security::Plaintext,
            login: None,
        }
    }

    /// The broker's process.
    pub(crate) fn process(&self) -> u32 {
        self.java.as_ref().expect("a broker of our own that runs").id()
    }

    /// Kills the broker as a power cut would.
    pub(crate) fn kill(&mut self) {
        let mut java = self.java.take().expect("a broker of our own that runs");
        java.kill().unwrap();
        self.folder.watch(None);
        java.wait().unwrap();
    }

    /// Asks the broker to stop and waits until it has.
    pub(crate) fn stop(&mut self) {
        let ask = Command::new("kill").arg(self.process().to_string()).status().unwrap();
        assert!(ask.success());
        self.folder.watch(None);
        let java = self.java.as_mut().expect("a broker of our own that runs");
        let deadline = Instant::now() + STOP_PATIENCE;
        while java.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the broker does not stop");
            std::thread::sleep(Duration::from_millis(50));
        }
        self.java = None;
    }

    /// Starts a broker that was stopped or killed, on the same ports and data.
    pub(crate) fn start_again(&mut self) {
        assert!(self.java.is_none(), "it runs already");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("broker.log"))
            .unwrap();
        let child = java(&jars())
            .arg("kafka.Kafka")
            .arg(self.folder().join("server.properties"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.folder.watch(Some(child.id()));
        self.java = Some(child);
        let deadline = Instant::now() + START_PATIENCE;
        let probe = self.settings("probe", 1);
        while topic::reachable(&probe, Duration::from_secs(1)).is_err() {
            let ended = self.java.as_mut().unwrap().try_wait().unwrap();
            let said = || fs::read_to_string(self.folder().join("broker.log")).unwrap();
            assert!(ended.is_none(), "the broker ended at once (Java 17 or newer?): {}", said());
            assert!(Instant::now() < deadline, "the broker does not answer: {}", said());
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if self.java.is_some() {
            self.kill();
        }
    }
}

/// Java with the jars of this folder.
pub(crate) fn java(lib: &Path) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xms96m", "-Xmx384m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["-XX:-UsePerfData", "-Djava.awt.headless=true"])
        .arg(format!("-Dlog4j2.configurationFile={}", recipe().join("log4j2.properties").display()))
        .arg("-cp")
        .arg(format!("{}/*", lib.display()));
    java
}

fn format_storage(lib: &Path, folder: &Path) {
    let output = java(lib)
        .args(["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c"])
        .arg(folder.join("server.properties"))
        .arg("--add-scram")
        .arg(format!("SCRAM-SHA-256=[name={USER},password={PASSWORD}]"))
        .arg("--add-scram")
        .arg(format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]"))
        .output()
        .expect("java is missing: apt install openjdk-17-jre-headless (Java 17 or newer)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "storage not formatted (Java 17 or newer?): {said}");
}

/// A key and a certificate that trusts itself. Returns the certificate as PEM.
fn make_certificate(folder: &Path) -> PathBuf {
    let pem = folder.join("broker.pem");
    let store = folder.join("broker.p12");
    let keytool = |args: &[&str]| {
        let output = Command::new("keytool")
            .args(args)
            .args(["-alias", "broker", "-storepass", STORE_PASSWORD, "-keystore"])
            .arg(&store)
            .output()
            .expect("keytool is missing: apt install openjdk-17-jre-headless");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    let make = ["-genkeypair", "-keyalg", "EC", "-storetype", "PKCS12", "-validity", "2"];
    let name = ["-dname", "CN=headcount-test", "-ext", "san=ip:127.0.0.1"];
    keytool(&[&make[..], &name[..]].concat());
    keytool(&["-exportcert", "-rfc", "-file", pem.to_str().unwrap()]);
    pem
}

fn guarded_lines(folder: &Path) -> String {
    let mut lines = format!(
        "\nsasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         ssl.keystore.location={}\nssl.keystore.password={STORE_PASSWORD}\n",
        folder.join("broker.p12").display()
    );
    let security = "org.apache.kafka.common.security";
    for listener in ["login", "logintls"] {
        let key =
            |mechanism: &str| format!("listener.name.{listener}.{mechanism}.sasl.jaas.config");
        lines += &format!(
            "{}={security}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";\n",
            key("plain")
        );
        for mechanism in ["scram-sha-256", "scram-sha-512"] {
            lines += &format!("{}={security}.scram.ScramLoginModule required;\n", key(mechanism));
        }
    }
    lines
}

/// The jars of the recipe, fetched once per recipe.
pub(crate) fn jars() -> PathBuf {
    let pom = fs::read_to_string(recipe().join("pom.xml")).unwrap();
    let version = between(&pom, "<kafka.version>", "</kafka.version>");
    let target = root().join("target/services/kafka");
    let lib = target.join(format!("lib-{version}"));
    if lib.is_dir() {
        return lib;
    }
    fs::create_dir_all(&target).unwrap();
    let fetched = tempfile::tempdir_in(&target).unwrap();
    let output = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", fetched.path().join("lib").display()))
        .arg("-f")
        .arg(recipe().join("pom.xml"))
        .output()
        .expect("maven is missing: apt install maven, or name a broker: HEADCOUNT_TEST_KAFKA");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "Kafka's jars were not fetched from Maven Central: {said}");
    // Another process may have been faster; then its folder is as good as ours.
    fs::rename(fetched.path().join("lib"), &lib).ok();
    assert!(lib.is_dir(), "{} was not made", lib.display());
    lib
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

fn replace(template: &str, values: &[(&str, String)]) -> String {
    let mut lines = Vec::new();
    for line in template.lines() {
        let key = line.split_once('=').map(|(key, _)| key);
        let value = values.iter().find(|(name, _)| Some(*name) == key);
        lines.push(value.map_or_else(|| line.to_owned(), |(key, value)| format!("{key}={value}")));
    }
    lines.join("\n")
}

fn recipe() -> PathBuf {
    root().join("deploy/local/kafka")
}

/// The workspace: where the lock file is, seen from whichever crate includes this file.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).unwrap().to_owned()
}
