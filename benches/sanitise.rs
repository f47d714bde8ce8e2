//! What it costs to make one text clean: `cargo bench --bench sanitise`.
//!
//! What it is not: the cost of a hit. That is `collector`; this is the part of it that looks at
//! text.
//!
//! What surprises: every input is a kind of its own. A plain path is what a site sees all day, the
//! others show what an adversary can make us spend.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use headcount_core::rules::SiteRules;
use headcount_core::site::SiteHost;

const PAGES: [(&str, &str); 10] = [
    ("root", "https://example.com/"),
    ("plain", "https://example.com/docs/api/kontakt"),
    ("dated", "https://example.com/2025/03/09/nyhet-778?utm_source=partner"),
    ("slug", "/nyheter/sa-gick-det-till-nar-vi-byggde-huset-vid-sjon.html"),
    ("upper", "/Om-oss/Kontakt/Oppettider"),
    ("redacted", "/users/8812/orders/991/eva@example.org"),
    ("uuid", "/d/tre-sma-grisar-c0ffee00-1111-4222-8333-444455556666"),
    ("escaped", "/stad/Link%C3%B6ping/h%C3%A4ndelser"),
    ("literal", "/städer/Linköping/händelser"),
    ("phone", "/ring/031-765%2043%2021"),
];

fn pages(c: &mut Criterion) {
    let rules = rules();
    let mut group = c.benchmark_group("page");
    for (name, raw) in PAGES {
        group.bench_function(name, |b| b.iter(|| rules.page(black_box(raw))));
    }
    let worst = format!("/{}", "%25%32%35a.1-0 ".repeat(136));
    group.bench_function("worst", |b| b.iter(|| rules.page(black_box(&worst))));
    let many = "/a1".repeat(682);
    group.bench_function("many_segments", |b| b.iter(|| rules.page(black_box(&many))));
    group.finish();
}

fn values(c: &mut Criterion) {
    let rules = rules();
    let mut group = c.benchmark_group("value");
    group.bench_function("source_direct", |b| b.iter(|| rules.source(black_box(""))));
    let search = "https://www.duckduckgo.com/";
    group.bench_function("source_search", |b| b.iter(|| rules.source(black_box(search))));
    let private = "https://eva.github.io/";
    group.bench_function("source_private_suffix", |b| b.iter(|| rules.source(black_box(private))));
    let own = "https://www.example.com/docs";
    group.bench_function("source_internal", |b| b.iter(|| rules.source(black_box(own))));
    let idn = "https://räksmörgås.se/";
    group.bench_function("source_idn", |b| b.iter(|| rules.source(black_box(idn))));
    let link = "https://partner.example.org/r/eva?sig=1";
    group.bench_function("target_outside", |b| b.iter(|| rules.target(black_box(link))));
    let tagged = "/a?utm_source=Partner&utm_medium=mail&utm_campaign=sommar+rea";
    group.bench_function("campaign", |b| b.iter(|| rules.campaign(black_box(tagged))));
    let bare = "https://example.com/docs/api";
    group.bench_function("campaign_none", |b| b.iter(|| rules.campaign(black_box(bare))));
    group.finish();
}

fn rules() -> SiteRules {
    SiteRules::of_host(SiteHost::parse("example.com").expect("a host name"))
}

criterion_group!(benches, pages, values);
criterion_main!(benches);
