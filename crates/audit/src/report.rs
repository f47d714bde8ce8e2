//! The report: what was examined, what was found, and what was not examined.
//!
//! What it is not: a certificate or advice on law. It says so itself.
//!
//! What surprises: two runs with the same deployment and the same outcome have the same
//! [`Report::hash`]. Times, bytes, process numbers and counts of hits are not part of it.

use serde::{Deserialize, Serialize};

use crate::channel::{CHANNELS, Nature};
use crate::evidence::Evidence;

/// The number of this form of the report.
pub const SCHEMA: u32 = 3;

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Examined, nothing found.
    Passed,
    /// Something was found, or a control did not hold.
    Failed,
    /// It is there and could not be examined.
    NotTested,
    /// It does not exist in this deployment.
    NotApplicable,
    /// It is told as it is; nobody promised another.
    AsFound,
}

impl Status {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotTested => "not tested",
            Self::NotApplicable => "not applicable",
            Self::AsFound => "as found",
        }
    }
}

/// What the whole came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything that is there was examined, and nothing found.
    Passed,
    /// A marker was found, or a control failed.
    Failed,
    /// Nothing was found, but something could not be examined.
    Incomplete,
}

impl Verdict {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Who was audited, by what, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the program that audits.
    pub version: String,
    /// BLAKE3 of its file.
    pub build: String,
    /// BLAKE3 of the file that the audited process runs, if it can be read.
    pub running_build: Option<String>,
    /// The hash of the configuration, as the notice prints it.
    pub configuration: String,
    /// `embedded` or `cluster`.
    pub mode: String,
    /// The site that was audited.
    pub site: String,
    /// UTC.
    pub began: String,
    /// UTC.
    pub ended: String,
    /// How long it took.
    pub seconds: u64,
    /// System, processor and cores; no name of a host.
    #[serde(default)]
    pub machine: String,
    /// As which user it ran: root, the owner of the data folder, or another. No name.
    #[serde(default)]
    pub ran_as: String,
}

/// What is outside, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// What.
    pub what: String,
    /// Why, or who examines it.
    pub why: String,
}

/// Requests of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Which: good, broken, oversized, …
    pub kind: String,
    /// How many.
    pub sent: u64,
    /// How many were answered as they should not have been, or not at all.
    pub unexpected: u64,
}

/// A marker in an artefact. The marker itself is not told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The channel of the marker, or the rule that was broken.
    pub channel: String,
    /// The form it had.
    pub form: String,
    /// Where: a file, a table, an address, a header.
    pub place: String,
    /// How often.
    pub count: u64,
}

/// One artefact, or a group of such.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artefact {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub status: Status,
    /// Why it was not tested, or does not apply; what was searched.
    pub said: String,
    /// Bytes that were searched.
    pub bytes: u64,
    /// Bytes that were not.
    pub skipped: u64,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A control: what shows that finding nothing says something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Its name.
    pub name: String,
    /// Whether it held.
    pub status: Status,
    /// What it showed.
    pub said: String,
    /// Whether the audit is incomplete without it.
    pub needed: bool,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What it came to.
    pub verdict: Verdict,
    /// [`Report::hash`].
    pub hash: String,
    /// Who, by what, when.
    pub identity: Identity,
    /// Channels, in their order.
    pub channels: Vec<String>,
    /// Requests.
    pub requests: Vec<Sent>,
    /// Artefacts.
    pub artefacts: Vec<Artefact>,
    /// Controls.
    pub controls: Vec<Control>,
    /// What was not examined.
    pub not_examined: Vec<Outside>,
    /// Forms that were looked for.
    pub forms: Vec<String>,
    /// Forms of markers that were there before, and were not looked for.
    pub forgotten: Vec<String>,
    /// How to do it again.
    pub repeat: Vec<String>,
    /// What it says besides the markers. Reports of schema 1 have none, of 2 less.
    #[serde(default)]
    pub evidence: Evidence,
}

/// What a report is not, for each of its forms.
pub const IS_NOT: &str = "This report is not a certificate and not advice on law. It shows that \
    markers which were sent to this deployment were, or were not, found where the report says it \
    looked. What nobody sent, and where nobody looked, it cannot show.";

impl Report {
    /// Works out verdict and hash of what was collected.
    pub fn finish(&mut self) {
        self.verdict = self.judged();
        self.hash = self.hashed();
    }

    fn judged(&self) -> Verdict {
        let statuses = self.artefacts.iter().map(|artefact| artefact.status);
        let controls = || self.controls.iter().chain(&self.evidence.checks);
        let needed = controls().filter(|control| control.needed);
        let mut all = statuses.clone().chain(needed.map(|control| control.status));
        let claims = self.evidence.claims.iter().map(|claim| claim.status);
        let mut told = statuses.chain(controls().map(|control| control.status)).chain(claims);
        if told.any(|status| status == Status::Failed)
            || self.requests.iter().any(|sent| sent.unexpected > 0)
        {
            Verdict::Failed
        } else if !self.artefacts.iter().any(|artefact| artefact.status == Status::Passed)
            || all.any(|status| status == Status::NotTested)
        {
            // Where nothing was searched, nothing was found.
            Verdict::Incomplete
        } else {
            Verdict::Passed
        }
    }

    /// BLAKE3 of what two runs have in common: versions, configuration, channels, requests, what
    /// became of each artefact and control, and which markers were found where in which form.
    fn hashed(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        let Identity { version, build, running_build, configuration, mode, site, .. } =
            &self.identity;
        let running = running_build.as_deref().unwrap_or("");
        let schema = self.schema.to_string();
        let verdict = self.verdict.as_str();
        for text in [&schema, verdict, version, build, running, configuration, mode, site] {
            add(text);
        }
        self.channels.iter().chain(&self.forms).for_each(|text| add(text));
        for Sent { kind, sent, unexpected } in &self.requests {
            [kind, &sent.to_string(), &unexpected.to_string()].into_iter().for_each(|it| add(it));
        }
        for artefact in &self.artefacts {
            [&artefact.name, artefact.status.as_str()].into_iter().for_each(&mut add);
            let mut found: Vec<_> =
                artefact.findings.iter().map(|found| (&found.channel, &found.form)).collect();
            found.sort();
            found.dedup();
            for (channel, form) in found {
                [channel, form].into_iter().for_each(|it| add(it));
            }
        }
        for control in &self.controls {
            [&control.name, control.status.as_str()].into_iter().for_each(&mut add);
        }
        for outside in &self.not_examined {
            add(&outside.what);
        }
        self.evidence.outcome().into_iter().for_each(add);
        hasher.finalize().to_hex().to_string()
    }

    /// Which channels with a text that is read were found nowhere: of the report of a build without
    /// the sanitiser there must be none.
    pub fn unseen(&self) -> Vec<&'static str> {
        let is_found = |name: &str| {
            let mut findings = self.artefacts.iter().flat_map(|artefact| &artefact.findings);
            findings.any(|found| found.channel == name)
        };
        let read = CHANNELS.iter().filter(|channel| channel.nature == Nature::Read);
        read.map(|channel| channel.name).filter(|name| !is_found(name)).collect()
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// None that a report could have.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn artefact(name: &str, status: Status) -> Artefact {
        let findings = if status == Status::Failed {
            vec![Finding {
                channel: "Cookie".to_owned(),
                form: "base64".to_owned(),
                place: "edge.db <b>".to_owned(),
                count: 2,
            }]
        } else {
            Vec::new()
        };
        let said = "one | two".to_owned();
        Artefact { name: name.to_owned(), status, said, bytes: 4_096, skipped: 0, findings }
    }

    pub(crate) fn report(statuses: &[Status]) -> Report {
        let mut report = Report {
            schema: SCHEMA,
            verdict: Verdict::Incomplete,
            hash: String::new(),
            identity: Identity { version: "1.2.3".to_owned(), ..Identity::default() },
            channels: CHANNELS.map(|channel| channel.name.to_owned()).to_vec(),
            requests: vec![Sent { kind: "good".to_owned(), sent: 3, unexpected: 0 }],
            artefacts: Vec::new(),
            controls: vec![Control {
                name: "positive control".to_owned(),
                status: Status::NotTested,
                said: "not run with this binary".to_owned(),
                needed: false,
            }],
            not_examined: vec![Outside {
                what: "memory".to_owned(),
                why: "a test does".to_owned(),
            }],
            forms: crate::forms::NAMES.map(str::to_owned).to_vec(),
            forgotten: Vec::new(),
            repeat: vec!["headcount audit --data DIR".to_owned()],
            evidence: crate::evidence::tests::evidence(),
        };
        for (at, status) in statuses.iter().enumerate() {
            report.artefacts.push(artefact(&format!("artefact {at}"), *status));
        }
        report.finish();
        report
    }

    #[test]
    fn what_could_not_be_examined_has_not_passed() {
        use Status::{Failed, NotApplicable, NotTested, Passed};
        for (statuses, verdict) in [
            (&[Passed, NotApplicable][..], Verdict::Passed),
            (&[Passed, NotTested], Verdict::Incomplete),
            (&[], Verdict::Incomplete),
            (&[NotApplicable], Verdict::Incomplete),
            (&[NotTested, Failed], Verdict::Failed),
        ] {
            assert_eq!(report(statuses).verdict, verdict, "{statuses:?}");
        }
        let mut unanswered = report(&[Passed]);
        unanswered.requests[0].unexpected = 1;
        unanswered.finish();
        assert_eq!(unanswered.verdict, Verdict::Failed);
        let mut uncontrolled = report(&[Passed]);
        uncontrolled.controls[0].needed = true;
        uncontrolled.finish();
        assert_eq!(uncontrolled.verdict, Verdict::Incomplete);
        for (status, verdict) in [
            (Passed, Verdict::Passed),
            (Status::AsFound, Verdict::Passed),
            (NotTested, Verdict::Incomplete),
            (Failed, Verdict::Failed),
        ] {
            let mut checked = report(&[Passed]);
            checked.evidence.checks[0].status = status;
            checked.finish();
            assert_eq!(checked.verdict, verdict, "{status:?}");
        }
        let mut untrue = report(&[Passed]);
        untrue.evidence.claims[0].status = NotTested;
        untrue.finish();
        assert_eq!(untrue.verdict, Verdict::Passed, "a test may hold it");
        untrue.evidence.claims[0].status = Failed;
        untrue.finish();
        assert_eq!(untrue.verdict, Verdict::Failed);
    }

    #[test]
    fn a_report_of_an_earlier_schema_is_still_a_control() {
        let mut old = serde_json::to_value(report(&[Status::Failed])).unwrap();
        let whole = old.as_object_mut().unwrap();
        let evidence = whole.get_mut("evidence").unwrap().as_object_mut().unwrap();
        // What came with the third.
        for key in ["places", "scrubbed", "taken", "taken_said", "keys", "risks"] {
            assert!(evidence.remove(key).is_some(), "{key}");
        }
        evidence["settings"][0].as_object_mut().unwrap().remove("by");
        whole["identity"].as_object_mut().unwrap().remove("machine");
        let second: Report = serde_json::from_value(old.clone()).unwrap();
        assert_eq!((second.evidence.checks.len(), second.evidence.keys.len()), (1, 0));
        old.as_object_mut().unwrap().remove("evidence");
        let first: Report = serde_json::from_value(old).unwrap();
        assert_eq!(first.evidence, Evidence::default());
    }

    #[test]
    fn the_hash_is_of_the_outcome_and_not_of_the_moment() {
        let one = report(&[Status::Passed, Status::Failed]);
        let mut other = one.clone();
        other.identity.began = "another time".to_owned();
        other.identity.machine = "another machine".to_owned();
        other.artefacts[0].bytes += 1;
        other.artefacts[1].findings[0].count += 1;
        other.finish();
        assert_eq!(one.hash, other.hash);
        other.artefacts[1].findings[0].form = "hexadecimal".to_owned();
        other.finish();
        assert_ne!(one.hash, other.hash);
    }

    #[test]
    fn a_control_must_have_seen_every_text() {
        let mut control = report(&[Status::Failed]);
        assert!(control.unseen().contains(&"utm_source"));
        assert!(!control.unseen().contains(&"Cookie"));
        for channel in CHANNELS.iter().filter(|channel| channel.nature == Nature::Read) {
            let found = Finding {
                channel: channel.name.to_owned(),
                form: "as it is".to_owned(),
                place: "edge.db".to_owned(),
                count: 1,
            };
            control.artefacts[0].findings.push(found);
        }
        assert_eq!(control.unseen(), Vec::<&str>::new());
    }

    #[test]
    fn it_comes_back_from_json() {
        let one = report(&[Status::Passed, Status::Failed]);
        let again: Report = serde_json::from_str(&one.json().unwrap()).unwrap();
        assert_eq!(one, again);
    }
}
