//! What Linux says about a process.
//!
//! What it is not: about its children; who wants them asks for each.
//!
//! What surprises: threads that ended are in its time, children that ended are not.

use std::fs;

use anyhow::Context;

/// Linux reports CPU time in hundredths of a second (`getconf CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds of a process so far.
pub(crate) fn cpu_seconds(id: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name may hold spaces; the fields after it do not. utime and stime are 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").context("a stat line without a name")?;
    let field = |index: usize| fields.split(' ').nth(index).unwrap_or("").parse::<f64>();
    Ok((field(11)? + field(12)?) / TICKS_PER_SECOND)
}
