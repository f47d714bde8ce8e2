//! What is left of risk, whatever an audit finds: the limits that the README tells, and what an
//! operator can do about each.
//!
//! What it is not: a second text of the limits. The README's own lines are in the report, so a limit
//! that is written there cannot be missing here.
//!
//! What surprises: a line of the README is known by how it begins. Whoever rewrites one, or adds one,
//! is told by the test below to say here what can be done.

use headcount_audit::evidence::Risk;

use crate::notice::Mode;

/// Where the limits are told.
const README: &str = include_str!("../../../../README.md");
const HEADING: &str = "## Limits, honestly";
/// How the line begins after which there are no more limits.
const AFTER: &str = "Not built, on purpose";

/// Where a limit is one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Everywhere,
    Cluster,
}
use Where::{Cluster, Everywhere};

/// How each limit begins, where it is one, and what can be done.
const REMEDIES: [(&str, Where, &str); 26] = [
    (
        "A program cannot know a name",
        Everywhere,
        "Keep names out of addresses; add strong_words for the segments before them, or set preset = \
         \"strict\".",
    ),
    (
        "Who owns a site can put its image into a mail",
        Everywhere,
        "Agree that no mail has the image, or set preset = \"strict\".",
    ),
    (
        "With a restart of the collector everybody is new.",
        Everywhere,
        "Restart seldom, best just after midnight UTC; the dashboard says whether there was one today.",
    ),
    (
        "Until a day is closed, SQL views",
        Everywhere,
        "Give analysts the dashboard, not the file or the views; set preset = \"strict\".",
    ),
    (
        "The day that runs is folded",
        Everywhere,
        "Show others closed days only; set preset = \"strict\".",
    ),
    (
        "Closing days costs small sites detail",
        Everywhere,
        "Ask for longer periods; do not lower k_day to see more.",
    ),
    (
        "What is closed is safe for each attribute alone.",
        Everywhere,
        "Publish one attribute of a site, not all; raise k_day.",
    ),
    (
        "What travels through Kafka are the sums",
        Cluster,
        "Let nobody but collectors and aggregators read the topic; raise crowd.",
    ),
    (
        "To answer only what is on the disk",
        Everywhere,
        "Encrypt the disk of the collector, and let nobody else onto its machine.",
    ),
    (
        "The edge file is written anew within 5 s",
        Everywhere,
        "Encrypt the disk of the collector, and make no copies of its folder more often than daily.",
    ),
    (
        "Until a day is over, the collector's memory",
        Everywhere,
        "Take no snapshots of the running machine, let its marks be locked in memory (ulimit -l), or set \
         visitors = \"off\".",
    ),
    (
        "A visitor's request stands once in memory",
        Everywhere,
        "Switch swap off, or encrypt it; headcount doctor looks.",
    ),
    ("Country data knows about", Everywhere, "Set country_file to a better one."),
    (
        "An edge file that lost its last commits is refused",
        Everywhere,
        "Give the collector a disk that keeps its word, and power that does not end at once.",
    ),
    (
        "A shared link is a secret that stands in its address",
        Everywhere,
        "Switch the proxy's log of such addresses off, and revoke links that are not needed.",
    ),
    (
        "Who reads a container's log",
        Everywhere,
        "Let few read it, and start again once the first owner has signed in.",
    ),
    (
        "The admin log shows what was changed",
        Everywhere,
        "Keep the hash that headcount admin-log verify prints somewhere else.",
    ),
    (
        "`/metrics` tells each hit",
        Everywhere,
        "Leave ops_listen on loopback, or name who may ask in ops_networks.",
    ),
    (
        "A browser may send a hit twice",
        Everywhere,
        "Nothing; it is rare, and a view too many tells nothing of anybody.",
    ),
    (
        "TLS and HTTP/2 at the edge are not built",
        Everywhere,
        "Put a proxy in front with its log switched off (deploy/proxy).",
    ),
    (
        "An import's visitors are marked with a key",
        Everywhere,
        "Import the files of a day in one run that does not cross midnight UTC.",
    ),
    (
        "Countries, browsers and the like of a day that is not over",
        Everywhere,
        "Import again after midnight UTC, or import days that are over.",
    ),
    (
        "Of two logs with fewer than eight lines",
        Everywhere,
        "Import logs with more lines, such as those of a whole day.",
    ),
    (
        "`--follow` looks twice a second.",
        Everywhere,
        "Let logs be renamed, not copied and emptied; import what was written while nothing followed.",
    ),
    (
        "`preset = \"strict\"` and an import",
        Everywhere,
        "Import in one run, or list the pages of the site (pages).",
    ),
    (
        "The cluster is tested on one broker",
        Cluster,
        "Try it on servers of your own with this audit before visitors come; run headcount grants --check.",
    ),
];

/// The limits of this kind of deployment.
pub(super) fn risks(mode: Mode) -> Vec<Risk> {
    let risk = |limit: String| {
        let known = REMEDIES.iter().find(|(begins, ..)| limit.starts_with(begins));
        let (place, remedy) =
            known.map_or((Everywhere, "–"), |(_, place, remedy)| (*place, *remedy));
        let is_here = place == Everywhere || mode == Mode::Cluster;
        is_here.then(|| Risk { limit, remedy: remedy.to_owned() })
    };
    limits(README).into_iter().filter_map(risk).collect()
}

/// Each point of the README's list as one line.
fn limits(readme: &str) -> Vec<String> {
    let mut limits: Vec<String> = Vec::new();
    let section = readme.lines().skip_while(|line| *line != HEADING).skip(1);
    for line in section.take_while(|line| !line.starts_with(AFTER) && !line.starts_with("## ")) {
        match (line.strip_prefix("- "), limits.last_mut()) {
            (Some(begin), _) => limits.push(begin.to_owned()),
            (None, Some(limit)) if !line.trim().is_empty() => {
                limit.push(' ');
                limit.push_str(line.trim());
            }
            _ => {}
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_point_by_point() {
        let readme = "# A\n\n## Limits, honestly\n\n- One,\n  in two lines.\n- `Two`\n\nNot built, on \
                      purpose: x\n- Three\n";
        assert_eq!(limits(readme), ["One, in two lines.", "`Two`"]);
        assert!(limits("# A\n- One\n").is_empty());
    }

    #[test]
    fn every_limit_of_the_readme_has_a_remedy_and_every_remedy_a_limit() {
        let limits = limits(README);
        assert!(limits.len() > 20, "{limits:?}");
        for limit in &limits {
            let remedies = REMEDIES.iter().filter(|(begins, ..)| limit.starts_with(begins));
            assert_eq!(remedies.count(), 1, "say in REMEDIES what can be done about: {limit}");
        }
        for (begins, ..) in REMEDIES {
            let is_there = limits.iter().any(|limit| limit.starts_with(begins));
            assert!(is_there, "README.md has no limit that begins: {begins}");
        }
    }

    #[test]
    fn one_process_has_no_limits_of_a_cluster() {
        let (one, all) = (risks(Mode::Embedded), risks(Mode::Cluster));
        assert_eq!(all.len(), REMEDIES.len());
        assert_eq!(one.len(), all.len() - 2);
        assert!(!one.iter().any(|risk| risk.limit.contains("one broker")));
    }
}
