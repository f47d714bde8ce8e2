//! The sentences of the notice, each with what this audit has of it.
//!
//! What it is not: the notice's own binding of a sentence to settings and tests; that is repeated here,
//! beside what was found.
//!
//! What surprises: most sentences are held by tests only, because a running deployment cannot be made
//! to show them. They say so, and are "not tested" here.

use headcount_audit::channel::{CHANNELS, Channel, Nature};
use headcount_audit::evidence::{Claim, SmallCells};
use headcount_audit::report::{Artefact, Control, Report, Status};

use super::access::{NOBODY, TABLES, TOPIC};
use super::commands::COUNTS;
use super::finder::ANSWERS;
use super::requests::{CUT_OFF, WISH};
use crate::notice::{Document, Facts, Kind, Lang, Line};

/// What a sentence rests on, of what an audit looks at.
#[derive(Clone, Copy)]
enum Rests {
    /// The counts rose by what was sent.
    Counts,
    /// No answer to a visitor has a header by which something is kept.
    Headers,
    /// Who asks not to be counted is answered like everybody, and counted as a refusal.
    Wishes,
    /// Tables, columns and rows are those of the map.
    Tables,
    /// Closed days have no named value below the threshold.
    SmallCells,
    /// Nobody reads without a token.
    Access,
    /// The topic lets go of a record as soon as the notice says.
    Topic,
    /// No marker of these channels was found anywhere.
    Markers(fn(&Channel) -> bool),
}

const ADDRESSES: Rests = Rests::Markers(|channel| channel.nature == Nature::Address);
const UNREAD: Rests = Rests::Markers(|channel| channel.nature == Nature::Unread);
const PAGES: Rests = Rests::Markers(|channel| channel.name.starts_with("page: "));
const CLICKS: Rests = Rests::Markers(|channel| channel.name.starts_with("click: "));
const EVENTS: Rests = Rests::Markers(|channel| channel.name == "event name");
const ALL: Rests = Rests::Markers(|_| true);

/// Sentences of which an audit sees something.
const SENTENCES: [(&str, &[Rests]); 22] = [
    ("short.script", &[Rests::Counts]),
    ("short.pixel", &[Rests::Counts]),
    ("short.counts", &[Rests::Tables]),
    ("request.unread", &[UNREAD]),
    ("address.unwritten", &[ADDRESSES]),
    ("stored.pages", &[Rests::Counts]),
    ("stored.clicks", &[Rests::Counts, CLICKS]),
    ("stored.events", &[EVENTS]),
    ("stored.attributes", &[Rests::Tables]),
    ("stored.clean", &[PAGES]),
    ("stored.k_day", &[Rests::SmallCells]),
    ("stored.k_day_off", &[Rests::SmallCells]),
    ("stored.refused", &[Rests::Counts]),
    ("device.nothing", &[Rests::Headers, UNREAD]),
    ("place.transport", &[Rests::Topic]),
    ("receivers.access", &[Rests::Access]),
    ("optout.signal", &[Rests::Wishes]),
    ("optout.signal_sent", &[Rests::Wishes]),
    ("optout.number", &[Rests::Wishes]),
    ("rights.article11", &[Rests::Tables, ADDRESSES]),
    ("rights.article11_log", &[Rests::Tables]),
    ("checked.audit", &[ALL]),
];

/// The sentences of the notice that these settings make, and of which notice they are.
pub(super) fn claims(facts: &Facts, report: &Report) -> (String, Vec<Claim>) {
    let made = |lang| Document::make(Kind::Notice, facts, lang).map(|it| (lang, it));
    match made(Lang::En).or_else(|why| made(Lang::Sv).map_err(|_| why)) {
        Ok((lang, notice)) => {
            let claims = notice.lines().map(|line| claim(line, report)).collect();
            (format!("The sentences of headcount notice --lang {}.", lang.code()), claims)
        }
        Err(why) => (format!("No notice can be made of these settings: {why}"), Vec::new()),
    }
}

fn claim(line: &Line, report: &Report) -> Claim {
    let Line { id, text, checks, .. } = line;
    let rests = SENTENCES.iter().find(|(known, _)| known == id).map(|(_, rests)| *rests);
    let found: Vec<_> = rests.into_iter().flatten().map(|it| it.look(report)).collect();
    let (status, said) = match (found.is_empty(), checks.is_empty()) {
        (false, _) => worst(&found),
        (true, false) => (Status::NotTested, "nothing; a test of the program holds it".to_owned()),
        (true, true) => (
            Status::NotApplicable,
            "nothing; it is a setting, the owner's word, or a limit that is told".to_owned(),
        ),
    };
    Claim { id: id.clone(), text: text.clone(), status, said, tests: checks.clone() }
}

/// Of several checks the one that says least.
fn worst(found: &[(Status, String)]) -> (Status, String) {
    let order = [Status::Failed, Status::NotTested, Status::Passed];
    let is_there = |status: &Status| found.iter().any(|(known, _)| known == status);
    let status = order.into_iter().find(is_there).unwrap_or(Status::NotApplicable);
    let said: Vec<&str> = found.iter().map(|(_, said)| said.as_str()).collect();
    (status, said.join("; "))
}

impl Rests {
    fn look(self, report: &Report) -> (Status, String) {
        match self {
            Self::Counts => of(&report.controls, COUNTS),
            Self::Headers => headers(report),
            Self::Wishes => wishes(report),
            Self::Tables => of(&report.evidence.checks, TABLES),
            Self::SmallCells => small(&report.evidence.small_cells),
            Self::Topic => of(&report.evidence.checks, TOPIC),
            Self::Access => of(&report.evidence.checks, NOBODY),
            Self::Markers(which) => markers(which, &report.artefacts),
        }
    }
}

fn of(checks: &[Control], name: &str) -> (Status, String) {
    match checks.iter().find(|check| check.name == name) {
        Some(check) => (check.status, format!("{name}: {}", check.said)),
        None => (Status::NotTested, format!("{name}: was not looked at")),
    }
}

fn headers(report: &Report) -> (Status, String) {
    // Of those that were cut off no answer is waited for.
    let answered = report.requests.iter().filter(|sent| sent.kind != CUT_OFF);
    let answers: u64 = answered.map(|sent| sent.sent - sent.unexpected.min(sent.sent)).sum();
    match report.artefacts.iter().find(|it| it.name == ANSWERS) {
        Some(it) if it.status == Status::Failed => (it.status, format!("{ANSWERS}: see Found")),
        Some(it) if answers == 0 => (Status::NotTested, format!("{}: there was none", it.name)),
        Some(it) => {
            let said = format!("no header of {answers} answers makes a browser keep something");
            (it.status, said)
        }
        None => (Status::NotTested, format!("{ANSWERS}: were not looked at")),
    }
}

fn wishes(report: &Report) -> (Status, String) {
    let (status, said) = of(&report.controls, COUNTS);
    match report.requests.iter().find(|sent| sent.kind == WISH) {
        Some(sent) if sent.unexpected > 0 => (
            Status::Failed,
            format!("{} of {} were answered otherwise", sent.unexpected, sent.sent),
        ),
        Some(sent) => (status, format!("{} requests {WISH}; {said}", sent.sent)),
        None => (Status::NotTested, format!("no request {WISH} was sent")),
    }
}

fn small(stores: &[SmallCells]) -> (Status, String) {
    let below: u64 = stores.iter().map(|it| it.below).sum();
    let named: u64 = stores.iter().map(|it| it.named).sum();
    if below > 0 {
        let said = format!(
            "{below} of {named} named values of closed days are below k_day; was it lower when \
             their days were closed?"
        );
        return (Status::Failed, said);
    }
    match stores.iter().find(|it| it.named == 0) {
        Some(it) => (Status::NotTested, format!("{}: {}", it.store, it.said)),
        None if stores.is_empty() => (Status::NotTested, "no store was looked at".to_owned()),
        None => (Status::Passed, format!("{named} named values of closed days, none below k_day")),
    }
}

fn markers(which: fn(&Channel) -> bool, artefacts: &[Artefact]) -> (Status, String) {
    let channels: Vec<&str> = CHANNELS.iter().filter(|it| which(it)).map(|it| it.name).collect();
    let is_found = |artefact: &&Artefact| {
        artefact.findings.iter().any(|found| channels.contains(&found.channel.as_str()))
    };
    let names = |artefacts: &[&Artefact]| {
        artefacts.iter().map(|artefact| artefact.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let leaky: Vec<_> = artefacts.iter().filter(is_found).collect();
    // What failed for another channel may have been searched in part.
    let is_unseen = |it: &&Artefact| it.status == Status::NotTested || it.skipped > 0;
    let unseen: Vec<_> = artefacts.iter().filter(is_unseen).collect();
    let there = artefacts.iter().filter(|it| it.status != Status::NotApplicable).count();
    let number = channels.len();
    if !leaky.is_empty() {
        (Status::Failed, format!("markers of {number} channels: found in {}", names(&leaky)))
    } else if unseen.is_empty() && there > 0 {
        (Status::Passed, format!("markers of {number} channels: in none of {there} artefacts"))
    } else {
        let said = format!("markers of {number} channels: not looked for in {}", names(&unseen));
        (Status::NotTested, said)
    }
}

#[cfg(test)]
mod tests {
    use headcount_audit::report::{Finding, Sent};

    use super::*;
    use crate::audit::texts;
    use crate::config::Config;
    use crate::notice::Mode;

    const OWNER: &str = "[notice]\ntracker = \"script\"\ncontroller = \"Exempel AB\"\n\
        contact = \"data@exempel.se\"\nauthority = \"IMY\"\nstorage_en = \"Sweden\"\n\
        legal_ground_en = \"legitimate interest\"\n";

    fn facts(settings: &str) -> Facts {
        let config = Config::of_text(settings).unwrap();
        Facts::new(&config, Mode::of(&config), Vec::new())
    }

    fn artefact(name: &str, status: Status, channel: Option<&str>) -> Artefact {
        let finding = |channel: &str| Finding {
            channel: channel.to_owned(),
            form: "as it is".to_owned(),
            place: "x".to_owned(),
            count: 1,
        };
        let findings = channel.map(finding).into_iter().collect();
        Artefact {
            name: name.to_owned(),
            status,
            said: String::new(),
            bytes: 1,
            skipped: 0,
            findings,
        }
    }

    fn status(report: &Report, id: &str) -> Status {
        let (_, claims) = claims(&facts(OWNER), report);
        claims.iter().find(|claim| claim.id == id).unwrap().status
    }

    #[test]
    fn every_sentence_that_rests_on_an_audit_is_one() {
        for (id, rests) in SENTENCES {
            assert!(
                include_str!("../notice/text/sentences.toml").contains(&format!("id = \"{id}\""))
            );
            for rest in rests {
                if let Rests::Markers(which) = rest {
                    assert!(CHANNELS.iter().any(which), "{id}");
                }
            }
        }
    }

    #[test]
    fn a_sentence_is_as_good_as_what_was_looked_at() {
        let mut report = texts::empty();
        assert_eq!(status(&report, "address.unwritten"), Status::NotTested, "nothing was examined");
        report.artefacts = vec![artefact("log", Status::Passed, None)];
        for id in ["address.unwritten", "stored.clean", "checked.audit"] {
            assert_eq!(status(&report, id), Status::Passed, "{id}");
        }
        report.artefacts.push(artefact("store", Status::Failed, Some("page: number")));
        assert_eq!(status(&report, "address.unwritten"), Status::Passed);
        assert_eq!(status(&report, "stored.clean"), Status::Failed);
        assert_eq!(status(&report, "checked.audit"), Status::Failed);
        report.artefacts.push(artefact("topic", Status::NotTested, None));
        assert_eq!(status(&report, "address.unwritten"), Status::NotTested);
        assert_eq!(status(&report, "address.cut"), Status::NotTested, "a test holds it");
        assert_eq!(status(&report, "who.controller"), Status::NotApplicable);
        assert_eq!(status(&report, "short.counts"), Status::NotTested);
        assert_eq!(status(&report, "stored.k_day"), Status::NotTested, "no store was looked at");
        for (named, below, expect) in
            [(0, 0, Status::NotTested), (9, 0, Status::Passed), (9, 1, Status::Failed)]
        {
            let small = SmallCells { named, below, ..SmallCells::default() };
            report.evidence.small_cells = vec![small];
            assert_eq!(status(&report, "stored.k_day"), expect);
        }
    }

    #[test]
    fn only_answers_that_were_read_are_counted() {
        let mut report = texts::empty();
        report.artefacts = vec![artefact(ANSWERS, Status::Passed, None)];
        assert_eq!(headers(&report).0, Status::NotTested, "nothing was sent");
        let sent = |kind: &str, sent, unexpected| Sent { kind: kind.to_owned(), sent, unexpected };
        report.requests = vec![sent("good", 12, 2), sent(CUT_OFF, 75, 0)];
        let (status, said) = headers(&report);
        assert_eq!(status, Status::Passed);
        assert!(said.contains("of 10 answers"), "{said}");
        report.requests.remove(0);
        assert_eq!(headers(&report).0, Status::NotTested, "no answer was read");
    }

    #[test]
    fn what_was_skipped_of_an_artefact_that_failed_is_not_passed() {
        let mut report = texts::empty();
        let failed = artefact("store", Status::Failed, Some("page: number"));
        report.artefacts = vec![Artefact { skipped: 1, ..failed }];
        assert_eq!(status(&report, "address.unwritten"), Status::NotTested);
        assert_eq!(status(&report, "stored.clean"), Status::Failed);
    }

    #[test]
    fn without_a_notice_it_says_what_is_missing() {
        let (said, claims) = claims(&facts(""), &texts::empty());
        assert!(claims.is_empty() && said.contains("notice.tracker"), "{said}");
    }
}
