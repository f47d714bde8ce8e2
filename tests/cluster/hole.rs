//! The engine killed between the record of an insert's token and its part: the token lies from then
//! on, and everything still counts exactly once.
//!
//! What it is not: left to chance. strace kills the engine on its way into a rename, and a round
//! counts only if the files show the hole: the token is recorded, the part is not there.
//!
//! What surprises: the same insert sent again is answered with success, and nothing is written.
//! `HEADCOUNT_TEST_HOLE_ROUNDS=50` makes the campaign.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::crash::{Load, SETTINGS};
use super::{Cluster, Servers};
use crate::asked::asked;
use crate::server::Deployment as _;

/// Rounds without an environment that asks for more.
const ROUNDS: u64 = 2;
/// Kills a round may need: some meet the rename of a merge or of another table.
const KILLS_PER_ROUND: u64 = 20;
/// How long the engine may go on without a rename.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two hits of the sender.
const HIT_INTERVAL: Duration = Duration::from_millis(20);
/// SIGKILL.
const KILLED: i32 = 9;

fn rounds() -> u64 {
    asked("HEADCOUNT_TEST_HOLE_ROUNDS", ROUNDS)
}

/// Kills a process on its way into its next rename, and writes that rename down.
struct Trap {
    strace: Child,
    /// Held: strace would end with its reader.
    _said: BufReader<std::process::ChildStderr>,
    log: PathBuf,
}

impl Trap {
    fn set(process: u32, log: &Path) -> Self {
        let calls = "rename,renameat,renameat2";
        let mut strace = Command::new("strace")
            .args(["-f", "-s", "4096", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:signal=SIGKILL:when=1"), "-o"])
            .arg(log)
            .args(["-p", &process.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is missing: apt-get install strace");
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("attached") {
            line.clear();
            let read = said.read_line(&mut line).unwrap();
            assert!(
                read > 0 && !line.contains("ptrace"),
                "strace may not attach (be root): {line}"
            );
        }
        Self { strace, _said: said, log: log.to_owned() }
    }

    /// The renames that the process did not come out of.
    fn caught(mut self) -> String {
        self.strace.wait().unwrap();
        let log = std::fs::read_to_string(&self.log).unwrap();
        let renames = log.lines().filter(|line| line.contains("rename"));
        renames.map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.strace.kill().ok();
        self.strace.wait().ok();
    }
}

/// The part that an insert into the table was about to publish, if the last rename was one; its
/// token must be recorded, and itself not be there.
fn hole(renames: &str, table: &str) -> Option<String> {
    let (_, rest) = renames.split_once(&format!("{table}tmp_insert_"))?;
    // The name is given at the rename: "…/tmp_insert_A/", "…/B/".
    let (_, rest) = rest.split_once(table).unwrap();
    let part = rest.split(['/', '"']).next().unwrap();
    let tokens: String = std::fs::read_dir(Path::new(table).join("deduplication_logs"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(tokens.contains(&format!("\t{part}\t")), "{part} has no token: {tokens}");
    assert!(!Path::new(table).join(part).exists(), "{part} was published: {renames}");
    Some(part.to_owned())
}

#[test]
fn a_token_without_its_part_is_noticed_and_mended() {
    let mut servers = Servers::start();
    let mut cluster = Cluster::new(&servers, SETTINGS);
    cluster.run(1, 1);
    let load = Load::new(&cluster);
    let (mut holes, mut kills) = (0, 0);
    let sent = load.during(1, HIT_INTERVAL, || {
        while holes < rounds() {
            assert!(kills < rounds() * KILLS_PER_ROUND, "{holes} holes in {kills} kills");
            cluster.wait_for("SELECT sum(views) > 0 FROM page_counts", 1);
            let sql = "SELECT data_paths[1] FROM system.tables WHERE name = 'counts' AND \
                       database = currentDatabase()";
            let table = cluster.text(sql).unwrap().trim().to_owned();
            let log = cluster.folder().join("renames.log");
            let trap = Trap::set(servers.engine_process(), &log);
            assert_eq!(servers.engine_signal(PATIENCE), Some(KILLED));
            kills += 1;
            holes += u64::from(hole(&trap.caught(), &table).is_some());
            let answered = load.answered();
            servers.start_engine();
            cluster.arrive(&answered);
        }
    });
    let label = format!("{holes} tokens without their part, in {kills} kills at a rename");
    cluster.settle(&sent, &label);
}
