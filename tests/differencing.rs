//! Differencing: everything that can be asked of a running `headcount up`, given to an integer solver
//! that knows the rules.
//!
//! What it is not: the proof of the rule, which `close::tests` puts to every small table. Here are the
//! real binary, its close, its API, files, command and SQL views, and whoever adds and subtracts them.
//!
//! What surprises: the sites are others each time. The seed is printed, and `HEADCOUNT_TEST_SEED`
//! brings them again; `HEADCOUNT_TEST_SITES` makes it a campaign.

mod asking;
mod polling;
mod share;
mod sites;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use self::asking::{Outsider, read_sql};
use self::sites::{CLOSED_DAYS, NAMES, Site, fill};
use crate::asked::asked;
use crate::dice::Dice;
use crate::python::environment;
use crate::server::{Deployment as _, PATIENCE, Server, headcount, number_in};
use crate::until::until;

/// The solver.
const HIGHS: &str = "highspy==1.15.1";

/// How days are told.
#[derive(Clone, Copy)]
struct Setting {
    settings: &'static str,
    k: u32,
    k_day: u32,
    /// What the solver is told of closed days and of the one that runs.
    kinds: [&'static str; 2],
    sites: usize,
}

const STANDARD: Setting =
    Setting { settings: "", k: 5, k_day: 3, kinds: ["closed", "open"], sites: 3 };
const STRICT: Setting = Setting {
    settings: "preset = \"strict\"\n",
    k: 10,
    k_day: 10,
    kinds: ["closed", "untold"],
    sites: 2,
};
const AT_THE_QUESTION: Setting =
    Setting { settings: "k_day = 1\n", k: 5, k_day: 1, kinds: ["told", "told"], sites: 1 };

/// What came of an attack.
struct Outcome {
    questions: usize,
    /// What the solver found for each attribute of each site.
    tables: Vec<Value>,
}

impl Outcome {
    fn sum(&self, key: &str) -> u64 {
        self.tables.iter().map(|table| table[key].as_u64().unwrap()).sum()
    }

    /// Hidden values of closed days, or of the day that runs, that are known more closely than they
    /// should be.
    fn narrow(&self, is_closed: bool) -> Vec<&Value> {
        let days = u64::from(CLOSED_DAYS);
        let values = self.tables.iter().flat_map(|table| table["narrow"].as_array().unwrap());
        values.filter(|value| (value["day"].as_u64().unwrap() < days) == is_closed).collect()
    }

    #[expect(clippy::print_stdout, reason = "the figures of the attack, for whoever asks")]
    fn say(&self, seed: u64) {
        let narrowest = self.tables.iter().filter(|it| it["hidden"].as_u64() > Some(0));
        let narrowest = narrowest.map(|it| it["narrowest"].as_u64().unwrap()).min();
        let [hidden, running, equations, solves, exact] =
            ["hidden", "running", "equations", "solves", "exact"].map(|key| self.sum(key));
        println!(
            "seed {seed}: {} tables, {} questions, {equations} equations, {solves} solved; too narrow \
             {} of {} hidden values of closed days, {} of {running} of the running one; exact {exact}, \
             fewest numbers that one can be {narrowest:?}",
            self.tables.len(),
            self.questions,
            self.narrow(true).len(),
            hidden - running,
            self.narrow(false).len(),
        );
    }
}

/// Another seed each time, unless one is asked for.
fn seed() -> u64 {
    asked("HEADCOUNT_TEST_SEED", RandomState::new().build_hasher().finish())
}

fn attack(setting: Setting, seed: u64) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(seed);
    let sites: usize = asked("HEADCOUNT_TEST_SITES", setting.sites);
    let around = u64::from(if setting.k_day > 1 { setting.k_day } else { setting.k });
    let sites: Vec<Site> =
        (0..sites).map(|at| Site::roll(format!("site-{at}.example"), &mut dice, around)).collect();
    fill(&dir.path().join("data"), &sites);
    let server = Server::start(dir.path(), &settings(setting, &sites), &[]);
    let closed = "SELECT value FROM meta WHERE key = 'closed_before_day'";
    if setting.k_day > 1 {
        let last = sites[0].days[CLOSED_DAYS as usize - 1];
        let is_closed = || number_in(&server.data(), closed) > i64::from(last.0);
        assert!(until(PATIENCE, is_closed), "the days are not closed");
    }
    let (mut questions, mut tables) = (0, Vec::new());
    for (at, site) in sites.iter().enumerate() {
        let role = ["viewer", "owner"][at % 2];
        let token = token(dir.path(), &server, (site, role));
        let mut outsider =
            Outsider { server: &server, folder: dir.path(), site, token, questions: 0 };
        let totals = outsider.totals();
        for (at, names) in NAMES.iter().enumerate() {
            let mut learned = outsider.learn(names, &totals);
            if setting.k_day > 1 {
                read_sql(&server.data(), site, names, &mut learned);
            }
            let [closed, open] = setting.kinds;
            let mut kinds = vec![closed; site.days.len() - 1];
            kinds.push(open);
            let listed = u64::from(names.others) + names.known.len() as u64;
            let equation = |it: &asking::Equation| json!({ "days": it.days, "name": it.name, "numbers": it.numbers });
            tables.push(json!({
                "names": names.known, "pool": names.others, "listed": listed, "kinds": kinds,
                "k": setting.k_day, "limit": setting.k,
                "always_visitors": names.always_have_visitors(),
                "totals": learned.totals, "truth": site.tables[at],
                "equations": learned.equations.iter().map(equation).collect::<Vec<_>>(),
            }));
        }
        questions += outsider.questions;
    }
    let found = solve(&tables);
    for (at, found) in found.iter().enumerate() {
        let (site, names) = (&sites[at / NAMES.len()], &NAMES[at % NAMES.len()]);
        let of = (&site.host, names.attribute);
        assert!(found["error"].is_null(), "seed {seed}, {of:?}: {found}, {}", tables[at]);
    }
    let outcome = Outcome { questions, tables: found };
    outcome.say(seed);
    outcome
}

/// The settings with all sites.
fn settings(setting: Setting, sites: &[Site]) -> String {
    let site = |site: &Site| format!("[[sites]]\nhost = \"{}\"\n", site.host);
    setting.settings.to_owned() + &sites.iter().map(site).collect::<String>()
}

/// A token that works.
fn token(folder: &Path, server: &Server, (site, role): (&Site, &str)) -> String {
    let made = headcount(folder, &["token", "add", "--site", &site.host, "--role", role]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let line = format!("GET /api/v1/export.json?site={}&by=page", site.host);
    let works = || server.send(&line, &bearer, "").is_some_and(|reply| reply.status == 200);
    assert!(until(PATIENCE, works), "the token is not known");
    token
}

/// What the solver finds, table by table.
fn solve(tables: &[Value]) -> Vec<Value> {
    let python = environment("highspy-1.15.1", &[HIGHS]).join("python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differencing/solve.py");
    let mut child = Command::new(python)
        .args(["-B".as_ref(), script.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(json!(tables).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let mut answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(answer["results"].take()).unwrap()
}

/// Nobody finds more of a hidden value of a closed day than that it is below the threshold: not with
/// every answer, all SQL views, the rules and the lists of names.
fn attack_closed_days(setting: Setting) {
    let seed = seed();
    let outcome = attack(setting, seed);
    let narrow = outcome.narrow(true);
    assert!(narrow.is_empty(), "seed {seed}: {narrow:#?}");
    assert!(outcome.sum("hidden") > 20, "seed {seed}: nothing is hidden");
    // Of the running day the strict preset tells nothing.
    let running = outcome.narrow(false);
    assert!(setting.kinds[1] != "untold" || running.is_empty(), "seed {seed}: {running:#?}");
}

#[test]
fn no_answers_together_narrow_a_hidden_value_of_a_closed_day() {
    attack_closed_days(STANDARD);
}

#[test]
fn nor_with_the_strict_preset() {
    attack_closed_days(STRICT);
}

/// The attack has teeth: where only questions have a threshold, the same solver finds values.
#[test]
fn with_a_threshold_at_the_question_alone_ranges_give_values_away() {
    let seed = seed();
    let outcome = attack(AT_THE_QUESTION, seed);
    assert!(outcome.sum("exact") > 5, "seed {seed}: {:#?}", outcome.tables);
}
