//! What the process gives up before it meets anybody: core dumps, and being looked into.
//!
//! What it is not: a sandbox.
//!
//! What surprises: it raises two limits, too: open files and locked memory, up to what the operator
//! allows.

use std::io::Write as _;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// A failure names its place and nothing else: what it was about may be a visitor's.
pub(crate) fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("unknown");
        if tracing::dispatcher::has_been_set() {
            tracing::error!(place, "a thread failed");
        } else {
            // A command without a log. Nobody may be left to read it.
            writeln!(std::io::stderr(), "headcount: failed at {place}").ok();
        }
    }));
}

/// No core dump, no ptrace by the same user, as many files and as much locked memory as
/// allowed.
pub(crate) fn harden() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if setrlimit(Resource::Core, none).is_err()
        || set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err()
    {
        tracing::warn!("core dumps could not be switched off for this process");
    }
    for (resource, name) in [(Resource::Nofile, "open files"), (Resource::Memlock, "locked memory")]
    {
        let limit = getrlimit(resource);
        if setrlimit(resource, Rlimit { current: limit.maximum, ..limit }).is_err() {
            tracing::warn!("the limit of {name} could not be raised");
        }
    }
}
