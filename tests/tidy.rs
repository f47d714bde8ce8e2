//! The house rules, as far as a machine can hold them.
//!
//! What it is not: style; rustfmt and clippy do that.
//!
//! What surprises: a failure names file, line and remedy.

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of code in one file, its tests left out.
const CODE_LINES_MAX: usize = 600;
/// Which crates of ours a crate may depend on.
const MAY_DEPEND: [(&str, &[&str]); 7] = [
    ("core", &[]),
    ("audit", &[]),
    ("transport", &["core"]),
    ("store", &["core"]),
    ("collector", &["core", "transport"]),
    ("aggregator", &["core", "transport", "store"]),
    ("stats", &["core", "store"]),
];
/// Libraries that one room alone may name, and which room.
const ONLY_IN: [(&str, &str); 1] = [("rdkafka", "transport")];
/// What the top level holds.
const TOP: [&str; 18] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "LICENSE",
    "crates",
    "tests",
    "benches",
    "deploy",
    "fuzz",
    "target",
    ".git",
    ".gitignore",
    ".ci",
    ".clippy.toml",
    ".rustfmt.toml",
    ".deny.toml",
    "headcount-data",
    "headcount-local",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn all(ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["crates", "tests", "benches", "fuzz/fuzz_targets"] {
        files(&root().join(folder), &mut found);
    }
    found.retain(|path| path.extension().is_some_and(|e| e == ending));
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// Every text that a reader may come upon, whatever its ending.
fn everything() -> Vec<(PathBuf, String)> {
    let mut found = ["README.md", "Cargo.toml"].map(|name| root().join(name)).to_vec();
    for folder in ["crates", "tests", "benches", "fuzz/fuzz_targets", "deploy"] {
        files(&root().join(folder), &mut found);
    }
    let text = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        String::from_utf8(bytes).ok().map(|text| (path, text))
    };
    let texts: Vec<_> = found.into_iter().filter_map(text).collect();
    for expected in ["README.md", "deploy/local.sh", "deploy/headcount.example.toml"] {
        let expected = root().join(expected);
        assert!(texts.iter().any(|(path, _)| *path == expected), "{}", expected.display());
    }
    texts
}

#[test]
fn rooms_depend_only_as_the_map_says() {
    for (room, allowed) in MAY_DEPEND {
        let manifest =
            fs::read_to_string(root().join("crates").join(room).join("Cargo.toml")).unwrap();
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        for line in normal.lines() {
            let Some(rest) = line.strip_prefix("headcount-") else { continue };
            let other = rest.split(['.', ' ']).next().unwrap();
            assert!(allowed.contains(&other), "{room} may not depend on {other}: crates/README.md");
        }
        for (library, home) in ONLY_IN {
            let names = manifest.lines().any(|line| line.starts_with(library));
            assert!(names == (room == home), "{room}: only {home} may depend on {library}");
        }
        assert!(manifest.contains("[lints]\nworkspace = true"), "{room}: inherit the lints");
    }
}

/// Leaks and mistakes are for tests: no default, and no crate by itself, switches them on.
#[test]
fn no_build_leaks_unless_it_is_asked_to() {
    let root_manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut manifests = vec![root_manifest];
    for room in MAY_DEPEND.map(|(room, _)| room) {
        manifests
            .push(fs::read_to_string(root().join("crates").join(room).join("Cargo.toml")).unwrap());
    }
    let normal = manifests.iter().map(|text| text.split("[dev-dependencies]").next().unwrap());
    for line in normal.flat_map(str::lines).filter(|line| !line.starts_with('#')) {
        for feature in ["planted-leaks", "mutants"] {
            let declares = line.starts_with(&format!("{feature} = ["));
            assert!(declares || !line.contains(feature), "{line}: for tests alone");
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (path, text) in all("rs") {
        assert!(text.starts_with("//!"), "{}: begin with //!", path.display());
    }
}

#[test]
fn no_file_is_crowded() {
    for (path, text) in all("rs") {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count();
        let name = path.display();
        assert!(code <= CODE_LINES_MAX, "{name}: {code} lines; which second noun lives in it?");
    }
}

#[test]
fn every_query_is_used() {
    let code: String = all("rs").into_iter().map(|(_, text)| text).collect();
    for (path, text) in all("sql") {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(code.contains(name), "{name}: used nowhere, delete it");
        assert!(text.starts_with(&format!("-- {name}")), "{name}: begin with its own name");
    }
}

/// Tests that a text names, as `module::test` or `room::module::test`.
fn named_tests(text: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        let simple = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        word.contains("::") && word.split("::").all(simple)
    };
    text.split('`').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn every_test_that_the_tables_name_is_there() {
    let readme = fs::read_to_string(root().join("tests/README.md")).unwrap();
    let (_, tables) = readme.split_once("## The promises").unwrap();
    let code = all("rs");
    let names = named_tests(tables);
    assert!(names.len() > 100, "{} tests are named", names.len());
    for name in names {
        let (modules, test) = name.rsplit_once("::").unwrap();
        let is_there = code.iter().any(|(path, text)| {
            let path = path.to_string_lossy();
            modules.split("::").all(|module| path.contains(module))
                && text.contains(&format!("fn {test}("))
        });
        assert!(is_there, "tests/README.md: {name} is no test");
    }
}

/// Beginnings of names of libraries that tell somebody elsewhere what a process does or how it failed.
const TELLTALES: [&str; 14] = [
    "opentelemetry",
    "tracing-opentelemetry",
    "tracing-loki",
    "tracing-gelf",
    "sentry",
    "minidump",
    "minidumper",
    "breakpad",
    "crash-handler",
    "crash-context",
    "datadog",
    "bugsnag",
    "rollbar",
    "posthog",
];

/// Packages of a lock file that begin like one of these.
fn telltales(lock: &str) -> Vec<&str> {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \""));
    let names = names.map(|name| name.trim_end_matches('"'));
    names.filter(|name| TELLTALES.iter().any(|begin| name.starts_with(begin))).collect()
}

#[test]
fn nothing_that_is_linked_tells_others_of_a_run() {
    for folder in ["", "fuzz"] {
        let lock = fs::read_to_string(root().join(folder).join("Cargo.lock")).unwrap();
        assert!(lock.matches("[[package]]").count() > 50, "Cargo.lock {folder}");
        assert_eq!(telltales(&lock), Vec::<&str>::new(), "Cargo.lock {folder}");
    }
    let planted = "[[package]]\nname = \"sentry-core\"\n[[package]]\nname = \"serde\"\n";
    assert_eq!(telltales(planted), ["sentry-core"]);
}

#[test]
fn nothing_is_left_for_later() {
    let loose = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "#[ign".to_owned() + "ore"];
    for (path, text) in all("rs") {
        for (number, line) in text.lines().enumerate() {
            let found = loose.iter().find(|word| line.contains(word.as_str()));
            assert!(found.is_none(), "{}:{}: do it, or open an issue", path.display(), number + 1);
        }
    }
}

#[test]
fn the_top_level_holds_only_what_it_should() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name();
        let name = name.to_str().unwrap();
        assert!(TOP.contains(&name), "{name}: does not belong at the top level");
    }
}

#[test]
fn nothing_promises_more_than_is_checked() {
    let words = [
        "anony".to_owned() + "mous",
        "no personal".to_owned() + " data",
        "GDPR".to_owned() + " compliant",
        "no consent".to_owned() + " needed",
    ];
    for (path, text) in everything() {
        let found = words.iter().find(|word| text.contains(word.as_str()));
        assert!(found.is_none(), "{}: `{}` is not ours to claim", path.display(), found.unwrap());
    }
}

/// Where bytes of visitors are: what is derived here could print them.
const MEETS_VISITORS: [&str; 16] = [
    "beacon.rs",
    "connection.rs",
    "country.rs",
    "http.rs",
    "judge.rs",
    "judge/preview.rs",
    "locked.rs",
    "log.rs",
    "log/combined.rs",
    "log/json.rs",
    "peer.rs",
    "rate.rs",
    "visitors.rs",
    "compat/http.rs",
    "compat/matomo.rs",
    "compat/props.rs",
];
/// Types there that may be printed: reasons, and a country.
const PRINTABLE: [&str; 2] = ["Error", "CountryCode"];

#[test]
fn what_holds_a_visitor_cannot_be_printed() {
    for name in MEETS_VISITORS {
        let path = root().join("crates/collector/src").join(name);
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let mut derives = "";
        for (number, line) in code.lines().enumerate() {
            if line.trim_start().starts_with("#[derive(") {
                derives = line;
            }
            if line.contains("struct ") || line.contains("enum ") {
                let named = line.split(['(', '<', '{', ';']).next().unwrap().trim();
                let may = PRINTABLE.iter().any(|end| named.ends_with(end));
                let prints =
                    ["Debug", "(Serialize", " Serialize"].iter().any(|word| derives.contains(word));
                let place = format!("{}:{}", path.display(), number + 1);
                assert!(
                    may || !prints,
                    "{place}: it may hold a visitor; leave Debug and Serialize out"
                );
                derives = "";
            }
            let by_hand = line.contains("Debug for ") || line.contains("Display for ");
            assert!(!by_hand, "{}:{}: nothing here is printed", path.display(), number + 1);
        }
    }
}

#[test]
fn spans_take_no_arguments_by_themselves() {
    let bare = "instru".to_owned() + "ment";
    for (path, text) in all("rs") {
        for (number, line) in text.lines().enumerate() {
            let spans = line.contains(&format!("#[{bare}")) || line.contains(&format!("::{bare}"));
            let place = format!("{}:{}", path.display(), number + 1);
            assert!(!spans || line.contains("skip_all"), "{place}: write skip_all, fields(..)");
        }
    }
}

/// What serde says of a text may quote it.
#[test]
fn what_a_reader_says_of_a_visitors_text_is_dropped() {
    for (path, text) in all("rs") {
        if !path.starts_with(root().join("crates/collector/src")) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate() {
            let reads = line.contains("serde_json::from_");
            let drops = line.contains(".ok()") || line.contains("map_err(|_|");
            let place = format!("{}:{}", path.display(), number + 1);
            assert!(!reads || drops, "{place}: keep its class only: .ok(), or map_err(|_| …)");
        }
    }
}
