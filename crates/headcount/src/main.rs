//! The `headcount` command: reads what was asked, does it, and says what went wrong in one line.
//!
//! What it is not: the product. The rooms are crates; here they are started and stopped.
//!
//! What surprises: exit codes mean something. 64 is a configuration or a usage that can be mended
//! where it was written, 2 an audit that could not examine everything, 1 is everything else.

mod admin_log;
mod aggregate;
mod audit;
mod cli;
mod cluster;
mod collect;
mod commands;
mod config;
mod datamap;
mod doctor;
mod door;
mod edge;
mod folder;
mod grants;
mod harden;
mod import;
#[cfg(feature = "planted-leaks")]
mod leaks;
mod listen;
mod merge;
mod notice;
mod ops;
mod porch;
mod process;
mod publish;
mod serve;
mod start_link;
mod token;
mod totals;
mod up;
mod wall_clock;
mod who;

use std::process::ExitCode;

use clap::Parser;

use crate::config::ConfigError;

/// Exit code for a configuration or usage that is wrong (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    harden::quiet_panics();
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors and go to standard output.
            let wanted = !error.use_stderr();
            error.print().ok();
            return if wanted { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) };
        }
    };
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if let Some(outcome) = error.downcast_ref::<audit::NotPassed>() {
        return outcome.code();
    }
    if error.downcast_ref::<ConfigError>().is_some() { EXIT_USAGE } else { 1 }
}

#[expect(clippy::print_stderr, reason = "the one place where a command says what went wrong")]
fn complain(error: &anyhow::Error) {
    eprintln!("headcount: {}", format!("{error:#}").replace('\n', " "));
}
