//! What the machine does with memory and time.
//!
//! What it is not: about other machines.
//!
//! What surprises: what cannot be read is "not tested", also where it is most likely well.

use super::super::facts::Facts;
use super::{Level, Said, not_tested, ok};

pub(super) fn swap(facts: &Facts) -> Option<Said> {
    let mend = "swapoff -a and out of /etc/fstab, or encrypt it, or MemorySwapMax=0 in the unit";
    let Some(swaps) = &facts.swaps else {
        return Some(not_tested("whether memory is swapped out cannot be read", mend));
    };
    let named = |safe: fn(&Option<bool>) -> bool| {
        let names = swaps.iter().filter(|swap| safe(&swap.is_safe)).map(|swap| swap.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (open, unknown) = (named(|safe| *safe == Some(false)), named(Option::is_none));
    let why = "requests of the moment, with addresses, can be written to the disk and stay there";
    Some(if !open.is_empty() {
        (Level::Weakens, format!("swap is on and not encrypted: {open}"), why, mend)
    } else if !unknown.is_empty() {
        not_tested(&format!("swap is on, and not known to be encrypted: {unknown}"), mend)
    } else if swaps.is_empty() {
        ok("swap is off")
    } else {
        ok("swap is encrypted, or in memory")
    })
}

pub(super) fn locked_memory(facts: &Facts) -> Option<Said> {
    if !facts.visitors {
        return None;
    }
    let mend = "LimitMEMLOCK=infinity in the unit; ulimit -l unlimited; --ulimit memlock=-1";
    let why = "part of today's marks can be swapped out";
    let Some(locked) = facts.locked else {
        return Some(not_tested("how much memory may be locked cannot be read", mend));
    };
    let needed = locked.needed;
    Some(match locked.held {
        Some(held) if held >= needed => ok("the running process has locked its key and its marks"),
        Some(held) => {
            let what = format!("the running process has locked {held} of {needed} KiB");
            (Level::Weakens, what, why, mend)
        }
        None if locked.runs => {
            not_tested("what the running process has locked cannot be read", mend)
        }
        None if locked.allowed >= needed => {
            ok("a process that is started from here may lock its key and its marks")
        }
        None => {
            let allowed = locked.allowed;
            let what =
                format!("a process that is started from here may lock {allowed} of {needed} KiB");
            (Level::Weakens, what, why, mend)
        }
    })
}

pub(super) fn core_pattern(facts: &Facts) -> Option<Said> {
    let Some(pattern) = &facts.core_pattern else {
        return Some(not_tested("where core dumps go cannot be read", ""));
    };
    Some(if pattern.starts_with('|') {
        (
            Level::Advice,
            "core dumps of this machine are handed to a program".to_owned(),
            "Headcount makes none, but a proxy that crashes takes requests with addresses along",
            "sysctl -w kernel.core_pattern=/dev/null, or LimitCORE=0 in the proxy's unit",
        )
    } else {
        ok("no program collects core dumps")
    })
}

pub(super) fn clock(facts: &Facts) -> Option<Said> {
    let mend = "timedatectl set-ntp true";
    if let Some(name) = &facts.from_the_future {
        return Some((
            Level::Advice,
            format!("the clock was set back: {name} in the data folder was written later than now"),
            "hours that were counted before come again, and retention ends late",
            "set the clock right, and keep it so: timedatectl set-ntp true",
        ));
    }
    Some(match facts.clock_is_set {
        Some(true) => ok("the clock is set by NTP"),
        Some(false) => (
            Level::Advice,
            "the clock is not set by NTP".to_owned(),
            "days begin late or early; a key still lives no longer than a day",
            mend,
        ),
        None => not_tested("whether the clock is set by NTP cannot be read", mend),
    })
}
