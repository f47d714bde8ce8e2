//! An access log as servers write them, made by chance that comes again.
//!
//! What it is not: somebody's: those hold addresses. Methods, statuses, agents, assets, queries and
//! hostile names are mixed as in logs of small sites.
//!
//! What surprises: every path is written as a server writes it, so quotation marks and control
//! characters are escaped.

use std::fmt::Write as _;

use crate::dice::Dice;
use crate::server::CHROME;
use crate::until::calm_day;

const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
/// Known as robots to every list.
const ROBOTS: [&str; 2] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
];
const PAGES: [&str; 14] = [
    "/",
    "/om",
    "/om/oss/",
    "/priser.html",
    "/index.php",
    "/blogg/2026/11/en-rubrik",
    "/users/anna%40example.org/profil",
    "/kund/8841977/avtal",
    "/caf%C3%A9",
    "/en%20sida",
    "/<script>alert(1)</script>",
    "/';drop table counts;--",
    "/a/../b",
    "/v1.2",
];
const ASSETS: [&str; 6] =
    ["/stil.css", "/app.js?v=3", "/bild.png", "/favicon.ico", "/logga.svg", "/typ.woff2"];
const REFERRERS: [&str; 5] = [
    "-",
    "-",
    "https://duckduckgo.com/",
    "https://example.org/om",
    "https://sub.example.net/a?b=c",
];
/// Months as servers write them.
pub(super) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Unix time of now, asked of SQLite.
pub(crate) fn now() -> u64 {
    calm_day();
    let db = rusqlite::Connection::open_in_memory().unwrap();
    let now: i64 = db.query_row("SELECT unixepoch()", [], |row| row.get(0)).unwrap();
    u64::try_from(now).unwrap()
}

/// A time as a line has it.
pub(super) fn stamp(unix_seconds: u64) -> String {
    let (year, month, day) = headcount_core::time::Hour::of_unix(unix_seconds).day().civil();
    let month = MONTHS[usize::try_from(month).unwrap() - 1];
    let (hour, minute) = (unix_seconds / 3_600 % 24, unix_seconds / 60 % 60);
    format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{:02} +0000", unix_seconds % 60)
}

/// One view of a page in the combined format.
pub(crate) fn view(unix_seconds: u64, network: u64, page: &str) -> String {
    let time = stamp(unix_seconds);
    format!("198.51.{network}.7 - - [{time}] \"GET {page} HTTP/1.1\" 200 512 \"-\" \"{CHROME}\"\n")
}

/// So many lines of the three days before `until`.
pub(super) fn lines(count: u64, until: u64, seed: u64) -> String {
    let mut dice = Dice(seed);
    let mut text = String::new();
    for number in 0..count {
        let time = stamp(until - 3 * 86_400 + number * 3 * 86_400 / count);
        let page = match dice.below(10) {
            0..3 => dice.pick(&ASSETS).to_owned(),
            3..5 => format!("/artikel/nummer-{}", dice.below(60)),
            _ => dice.pick(&PAGES).to_owned(),
        };
        let query = if page.contains('?') || !dice.one_in(4) {
            String::new()
        } else {
            format!("?utm_source=brev&id={}", dice.below(1_000))
        };
        let method = dice.pick(&["GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD"]);
        let status = dice.pick(&["200", "200", "200", "200", "304", "301", "404", "500"]);
        let agent = match dice.below(12) {
            0 => dice.pick(&ROBOTS),
            _ => dice.pick(&[CHROME, FIREFOX, SAFARI]),
        };
        let referrer = dice.pick(&REFERRERS);
        let (a, b) = (dice.below(200), dice.below(250));
        let user = if dice.one_in(50) { "anna" } else { "-" };
        writeln!(
            text,
            "203.0.{a}.{b} - {user} [{time}] \"{method} {page}{query} HTTP/1.1\" {status} {} \
             \"{referrer}\" \"{agent}\"",
            dice.below(90_000)
        )
        .unwrap();
    }
    text
}
