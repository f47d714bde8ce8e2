//! Python packages for tests, each in an environment of its own.
//!
//! What it is not: a cache between clones. They lie in `target/services`, as the real parts do.
//!
//! What surprises: an environment that was not finished is made anew.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

/// The folder of programs of an environment with these packages (`name==version`), made once.
pub(crate) fn environment(name: &str, packages: &[&str]) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let services = exe.ancestors().nth(3).unwrap().join("services");
    fs::create_dir_all(&services).unwrap();
    let lock = File::create(services.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = services.join(name);
    let programs = folder.join("bin");
    if !folder.join("complete").exists() {
        let done = |command: &mut Command| command.status().is_ok_and(|status| status.success());
        let made = done(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let mut install = Command::new(programs.join("python"));
        install.args(["-m", "pip", "install", "--quiet"]).args(packages);
        assert!(
            made && done(&mut install),
            "{name} is missing: make `python3 -m venv` and `pip install {}` work",
            packages.join(" ")
        );
        File::create(folder.join("complete")).unwrap();
    }
    programs
}
