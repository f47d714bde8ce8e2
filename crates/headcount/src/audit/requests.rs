//! The requests: each channel in a request that counts, and what else can be made of that one.
//!
//! What it is not: sending.
//!
//! What surprises: each request has all headers that are channels, so that every path through the
//! listener meets them; the channel that a request is named after is in its page or body.

use headcount_audit::forms::fullwidth;
use headcount_audit::marker::Markers;

use super::SITE;

/// Longer than any line or body that the listener takes.
const OVERSIZED_BYTES: usize = 5_000;

/// What is counted of a request that counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    View,
    Click,
}

/// A request that counts.
pub(super) struct Good {
    pub(super) line: String,
    /// Besides those that all have.
    pub(super) headers: String,
    pub(super) body: String,
    pub(super) counted: Counted,
}

/// A request that does not count, its kind, and the statuses that are right.
pub(super) struct Bad {
    pub(super) kind: &'static str,
    pub(super) line: String,
    pub(super) headers: String,
    pub(super) body: String,
    pub(super) right: &'static [u16],
}

/// Kinds of requests that do not count, as reports name them.
pub(super) const BROKEN: &str = "broken";
pub(super) const OVERSIZED: &str = "oversized";
pub(super) const METHOD: &str = "wrong method";
pub(super) const ORIGIN: &str = "wrong origin";
pub(super) const UNKNOWN: &str = "unknown site or path";
pub(super) const WISH: &str = "with a wish not to be counted";

/// Channels of a referrer; `#` is the marker.
const REFERRERS: [(&str, &str); 4] = [
    ("referrer: path", "https://example.net/#"),
    ("referrer: query", "https://example.net/sok?q=#"),
    ("referrer: subdomain", "https://#.example.net/"),
    ("referrer: user", "https://#@example.net/"),
];
/// Channels of a click target.
const CLICKS: [(&str, &str); 4] = [
    ("click: e-mail", "mailto:#@post.example"),
    ("click: telephone", "tel:+#"),
    ("click: signed address", "https://example.net/fil.pdf?sig=#&expires=1"),
    ("click: path within", "/konto/#@post.example"),
];
/// The channel of an event's name.
const EVENT: &str = "event name";
/// Keys of a campaign, which are channels.
const CAMPAIGN: [&str; 5] = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"];
/// It ends in the middle, and no answer is waited for.
pub(super) const CUT_OFF: &str = "cut off";

/// Headers by which proxies name a visitor, besides `Forwarded`.
const NAMING: [&str; 4] = ["X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP"];

/// Everything that counts.
pub(super) fn good(markers: &Markers) -> Vec<Good> {
    let m = |name: &str| markers.text(name);
    let mut all: Vec<Good> =
        pages(markers).into_iter().map(|page| view(markers, &page, "")).collect();
    for (name, referrer) in REFERRERS {
        all.push(view(markers, "/artikel/om-oss", &referrer.replace('#', &m(name))));
    }
    for (name, target) in CLICKS {
        let target = target.replace('#', &m(name));
        let body = body(markers, "/kontakt", &format!("\"c\":\"{target}\""));
        all.push(Good { counted: Counted::Click, ..hit(body) });
    }
    let event = body(markers, "/kontakt", &format!("\"e\":\"{}\"", m(EVENT)));
    all.push(Good { counted: Counted::Click, ..hit(event) });
    let page = format!("%2Fkonto%2F{}%40post.example", m("page: of the pixel"));
    let (other, twice) = (m("pixel: another key"), m("pixel: key twice"));
    let line = format!("GET /p.gif?s={SITE}&p={page}&id={other}&{other}=1&p={twice}&s={twice}");
    all.push(Good { line, ..hit(String::new()) });
    let from = m("page: Referer of the pixel");
    let headers = format!("Referer: https://{SITE}/konto/{from}@post.example\r\n");
    all.push(Good { line: format!("GET /p.gif?s={SITE}"), headers, ..hit(String::new()) });
    all
}

/// Pages with a marker each.
fn pages(markers: &Markers) -> Vec<String> {
    let m = |name: &str| markers.text(name);
    let mut pages = marked(markers);
    for key in CAMPAIGN {
        pages.push(format!("/?{key}={}", m(key)));
    }
    pages
}

/// Pages with a marker in path, query or fragment.
fn marked(markers: &Markers) -> Vec<String> {
    let m = |name: &str| markers.text(name);
    let percent = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let twice = percent(&m("page: percent-encoded twice")).replace('%', "%25");
    vec![
        format!("/konto/{}", m("page: number")),
        format!("/konto/{}@post.example/avtal", m("page: e-mail address")),
        format!("/bekrafta/{}", m("page: token")),
        format!("/avtal;sid={}/sida", m("page: matrix parameter")),
        format!("/konto/{}", percent(&m("page: percent-encoded"))),
        format!("/konto/{twice}"),
        format!("/konto/{}", fullwidth(&m("page: digits of another script"))),
        format!("/sok?q={}", m("page: query")),
        format!("/sok#{}", m("page: fragment")),
    ]
}

/// Texts with a marker each, by the words of `headcount explain`.
pub(super) fn texts(markers: &Markers) -> Vec<(&'static str, String)> {
    let m = |name: &str| markers.text(name);
    let with = |kind: &'static str, channels: [(&str, &str); 4]| {
        channels.map(|(name, text)| (kind, text.replace('#', &m(name))))
    };
    let mut texts: Vec<_> = marked(markers).into_iter().map(|page| ("page", page)).collect();
    texts.extend(with("source", REFERRERS));
    texts.extend(with("click", CLICKS));
    texts.extend(CAMPAIGN.map(|key| ("utm", format!("{key}={}", m(key)))));
    texts.push(("event", m(EVENT)));
    texts
}

fn hit(body: String) -> Good {
    let line = "POST /hit".to_owned();
    Good { line, headers: String::new(), body, counted: Counted::View }
}

/// A view with a referrer.
pub(super) fn view(markers: &Markers, page: &str, referrer: &str) -> Good {
    hit(body(markers, page, &format!("\"r\":\"{referrer}\"")))
}

fn body(markers: &Markers, page: &str, rest: &str) -> String {
    let m = |name: &str| markers.text(name);
    format!(
        "{{\"s\":\"{SITE}\",\"p\":\"{page}\",\"id\":\"{0}\",\"{0}\":1,\"title\":\"{1}\",\
         \"props\":{{\"deep\":[\"{2}\"]}},{rest}}}",
        m("body: another field"),
        m("body: title"),
        m("body: nested field"),
    )
}

/// What else is sent of a request that counts.
pub(super) fn bad(markers: &Markers, good: &Good) -> Vec<Bad> {
    let m = |name: &str| markers.text(name);
    let padding = "x".repeat(OVERSIZED_BYTES);
    let separator = if good.line.contains('?') { '&' } else { '?' };
    let make = |kind, line: String, body: String, right| Bad {
        kind,
        line,
        headers: good.headers.clone(),
        body,
        right,
    };
    let is_pixel = good.line.starts_with("GET");
    let elsewhere = |text: &str| text.replace(SITE, &format!("{}.invalid", m("unknown site")));
    let long = format!("{}{separator}{padding}", good.line);
    let other_path = format!("/{}", m("unknown path"));
    let (path, method) = (good.line.split_once(' ').map_or("/", |it| it.1), "PUT");
    let strange = good.line.replacen("/hit", &other_path, 1).replacen("/p.gif", &other_path, 1);
    let away = format!("Origin: https://{}.example\r\n", m("foreign Origin"));
    let mut all = vec![
        make(OVERSIZED, long, good.body.clone(), &[414, 431]),
        make(METHOD, format!("{method} {path}"), good.body.clone(), &[405]),
        make(UNKNOWN, strange, good.body.clone(), &[401, 403, 404, 405]),
    ];
    all.push(Bad {
        headers: away,
        ..make(ORIGIN, good.line.clone(), good.body.clone(), &[200, 204])
    });
    if is_pixel {
        // A pixel of a site that is none of ours is answered like every other.
        let headers = good.headers.replace(SITE, "elsewhere.invalid");
        all.push(Bad { headers, ..make(UNKNOWN, elsewhere(&good.line), String::new(), &[200]) });
    } else {
        let cut = good.body.trim_end_matches('}').to_owned();
        let twice = good.body.replacen("{", &format!("{{\"p\":\"{}\",", m("body: key twice")), 1);
        let big = good.body.replacen("{", &format!("{{\"x\":\"{padding}\","), 1);
        all.extend([
            make(BROKEN, good.line.clone(), cut + "\u{1}", &[400]),
            make(BROKEN, good.line.clone(), twice, &[400]),
            make(OVERSIZED, good.line.clone(), big, &[413]),
            make(UNKNOWN, good.line.clone(), elsewhere(&good.body), &[404]),
        ]);
    }
    all
}

/// A view by somebody who does not want to be counted.
pub(super) fn wishes(markers: &Markers) -> Vec<Bad> {
    let Good { line, body, .. } =
        view(markers, &format!("/konto/{}", markers.text("page: number")), "");
    let wish = |header: &str| Bad {
        kind: WISH,
        line: line.clone(),
        headers: format!("{header}\r\n"),
        body: body.clone(),
        right: &[204],
    };
    vec![wish("DNT: 1"), wish("Sec-GPC: 1")]
}

/// Headers with markers. `number` makes visitors different: it is the version of their browser.
pub(super) fn headers(markers: &Markers, number: usize, address: Option<&str>) -> String {
    let m = |name: &str| markers.text(name);
    let mut text = format!(
        "Host: {}.example\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/{}.0.0.0 Safari/537.36 {}\r\n",
        m("Host"),
        100 + number,
        m("User-Agent")
    );
    if let Some(address) = address {
        let quoted =
            if address.contains(':') { format!("\"[{address}]\"") } else { address.to_owned() };
        for name in NAMING {
            text += &format!("{name}: {address}\r\n");
        }
        text += &format!("Forwarded: for={quoted}\r\n");
    }
    for (name, before, channel, after) in [
        ("Cookie", "id=", "Cookie", ""),
        ("Accept", "text/html;v=", "Accept", ""),
        ("Accept-Language", "sv-", "Accept-Language", ",sv;q=0.8"),
        ("Authorization", "Bearer ", "Authorization", ""),
        ("If-None-Match", "\"", "If-None-Match", "\""),
        ("If-Modified-Since", "", "If-Modified-Since", ""),
        ("Sec-CH-UA-Platform", "\"", "client hints", "\""),
        ("Sec-CH-UA-Model", "\"", "client hints", "\""),
        ("X-Forwarded-Host", "", "X-Forwarded-Host", ".example"),
        ("X-Request-Id", "", "X-Request-Id", ""),
        ("traceparent", "00-", "traceparent", "-1-01"),
        ("Via", "1.1 ", "Via", ""),
        ("From", "", "From", "@post.example"),
        ("Content-Type", "text/plain;x=", "Content-Type", ""),
        ("X-Note", "", "another header", ""),
    ] {
        text += &format!("{name}: {before}{}{after}\r\n", m(channel));
    }
    text
}

/// The header that the settings name, where [`headers`] has it not.
pub(super) fn named_by(header: Option<&str>, address: &str) -> String {
    let known = |name: &&str| {
        NAMING.iter().chain(&["Forwarded"]).any(|known| known.eq_ignore_ascii_case(name))
    };
    let other = header.filter(|name| !known(name));
    other.map(|name| format!("{name}: {address}\r\n")).unwrap_or_default()
}

/// Lines of a server's log, each a view, and how many.
pub(super) fn log(markers: &Markers, time: &str) -> (String, u64) {
    let m = |name: &str| markers.text(name);
    let mut lines = String::new();
    let addresses = ["address: IPv4 in headers", "address: IPv6 in headers"];
    let mut pages = pages(markers);
    // In a log, what has a dot has an ending, and is no page.
    pages.retain(|page| !page.contains(['.', '#']) && page.is_ascii());
    for (at, page) in pages.iter().enumerate() {
        let (address, user) = (m(addresses[at % 2]), m("log: user"));
        let referrer =
            format!("https://{}.example.net/{}", m("referrer: subdomain"), m("referrer: path"));
        let agent = format!(
            "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0 {1}",
            100 + at,
            m("User-Agent")
        );
        lines += &format!(
            "{address} - {user} [{time}] \"GET {page} HTTP/1.1\" 200 512 \"{referrer}\" \"{agent}\"\n"
        );
    }
    (lines, pages.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use headcount_audit::channel::CHANNELS;

    use super::*;

    #[test]
    fn an_address_is_named_by_the_header_of_the_settings() {
        assert_eq!(named_by(Some("fly-client-ip"), "192.0.2.1"), "fly-client-ip: 192.0.2.1\r\n");
        for header in [None, Some("forwarded"), Some("x-forwarded-for"), Some("true-client-ip")] {
            assert_eq!(named_by(header, "192.0.2.1"), "", "{header:?}");
        }
    }

    #[test]
    fn every_channel_is_sent() {
        let mut state = 1_u8;
        let Ok(markers) = Markers::draw(|| {
            state = state.wrapping_mul(5).wrapping_add(77);
            Ok::<_, Infallible>(state)
        });
        let mut sent = log(&markers, "01/Jan/2026:00:00:00 +0000").0;
        for good in good(&markers) {
            sent += &format!("{}{}{}", good.line, good.headers, good.body);
            for bad in bad(&markers, &good) {
                sent += &format!("{}{}{}", bad.line, bad.headers, bad.body);
            }
        }
        for address in ["address: IPv4 in headers", "address: IPv6 in headers"] {
            sent += &headers(&markers, 0, Some(&markers.text(address)));
        }
        let search = markers.search();
        let found = search.within(sent.as_bytes());
        for channel in CHANNELS.iter().filter(|it| it.name != "address: of the connection") {
            assert!(found.keys().any(|hit| hit.name == channel.name), "{}", channel.name);
        }
    }
}
