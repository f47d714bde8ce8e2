//! The API against its own description: Schemathesis reads what is served and asks by it, rightly and
//! wrongly.
//!
//! What it is not: a list of cases. Those are in the stats room's own tests.
//!
//! What surprises: the fuzzer has one seed, so that a failure comes again; another one by
//! `HEADCOUNT_TEST_SEED`, more questions by `HEADCOUNT_TEST_EXAMPLES`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::asked::asked;
use crate::dashboard::worlds;
use crate::python::environment;
use crate::server::{Deployment, PATIENCE, Server, headcount};
use crate::until::until;

/// The fuzzer.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// The site with something of everything.
const SITE: &str = "large.example";
/// What is asked of every answer, besides [`crate::api`]'s own check in `hooks.py`.
/// Left out is `positive_data_acceptance`: two attributes at once fit the description and have no
/// answer, by design.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,negative_data_rejection,ignored_auth,unsupported_method,\
    no_second_attribute";

/// The fuzzer's program.
fn schemathesis() -> PathBuf {
    environment("schemathesis-4.32.5", &[SCHEMATHESIS]).join("schemathesis")
}

#[test]
#[expect(clippy::print_stdout, reason = "what was asked how often, for whoever asks")]
fn no_question_breaks_the_api_or_reaches_a_second_attribute() {
    let folder = tempfile::tempdir().unwrap();
    worlds::fill(&folder.path().join("data"));
    let settings = "retention_days = 365\n";
    let server = Server::start(folder.path(), settings, &[]);
    for site in [SITE, "small.example"] {
        assert!(headcount(folder.path(), &["site", "add", site]).status.success());
    }
    let made = headcount(folder.path(), &["token", "add", "--site", SITE, "--role", "owner"]);
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let small = format!("GET /api/v1/export.json?site={SITE}&by=page");
    let known = || server.send(&small, &bearer, "").is_some_and(|reply| reply.status == 200);
    assert!(until(PATIENCE, known), "the new site is not known");
    assert_eq!(server.send("GET /api/v2/openapi.json", "", "").unwrap().status, 401);
    let described = server.send("GET /api/v2/openapi.json", &bearer, "").unwrap().body;
    let described = described.get(described.find('{').unwrap()..=described.rfind('}').unwrap());
    let description = folder.path().join("openapi.json");
    fs::write(&description, described.unwrap()).unwrap();

    let seen = folder.path().join("seen.json");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A line that is too long for any list is refused before it is read.
    let config = folder.path().join("schemathesis.toml");
    fs::write(
        &config,
        "[checks.negative_data_rejection]\nexpected-statuses = [\"400\", \"401\", \"404\", \"405\", \
         \"413\", \"414\", \"429\", \"431\"]\n",
    )
    .unwrap();
    let output = Command::new(schemathesis())
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(&description)
        .args(["--url", &format!("http://{}", server.address)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", CHECKS, "--phases", "coverage,fuzzing", "--continue-on-failure"])
        .args(["--max-examples", &asked("HEADCOUNT_TEST_EXAMPLES", 25u32).to_string()])
        .args(["--seed", &asked("HEADCOUNT_TEST_SEED", 1u64).to_string()])
        .args(["--suppress-health-check", "all", "--no-shrink", "--warnings", "off"])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", here.join("tests/api"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("FUZZED_SITE", SITE)
        .env("FUZZED_TOKEN", &token)
        .env("FUZZED_SEEN", &seen)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace(&token, "TOKEN");
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_str(&fs::read_to_string(&seen).unwrap()).unwrap();
    println!("{seen:#}");
    for (asked, least) in [
        ("POST /api/v2/query 200", 5),
        ("POST /api/v2/query 400", 20),
        ("POST /api/v2/query 401", 1),
        ("GET /api/v1/export.csv 200", 5),
        ("GET /api/v1/export.json 200", 5),
    ] {
        let times = seen[asked].as_u64().unwrap_or(0);
        assert!(times >= least, "{asked}: {times} times only, so nothing was tried: {seen:#}");
    }
}
