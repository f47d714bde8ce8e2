//! What would be counted of a request, for its sender alone.
//!
//! What it is not: counting. Nothing is added up, no name is numbered, no mark is made, no agent
//! string is remembered, and the rate is neither asked nor raised.
//!
//! What surprises: it takes the judge's own steps, in their order, and a test holds the two against
//! each other. Like all that comes from a visitor it has no `Debug`.

use headcount_core::cell::Attribute;
use headcount_core::refusal::RefusalReason;
use hyper::HeaderMap;

use super::{Judge, Signals, is_foreign, page_of, referrer_of, site_of};
use crate::beacon::Beacon;
use crate::peer::Peer;
use crate::sites::SiteTable;

/// The path whose requests carry an `Arc<Preview>` as an extension when the fallback gets them. The
/// query is that of the pixel: `s`, `p`, `r`.
pub const PREVIEW_PATH: &str = "/privacy";

/// What a view would come to.
pub enum Preview {
    /// These cells, each on its own.
    Counted {
        /// The site's host.
        site: String,
        /// The clean page.
        page: String,
        /// The clean values.
        attributes: Vec<(Attribute, String)>,
    },
    /// A refusal.
    Refused {
        /// The site's host.
        site: String,
        /// Why.
        reason: RefusalReason,
    },
    /// Nothing of ours.
    NotOurs,
}

impl Preview {
    /// The site's host, where there is one.
    pub fn site(&self) -> Option<&str> {
        match self {
            Self::Counted { site, .. } | Self::Refused { site, .. } => Some(site),
            Self::NotOurs => None,
        }
    }
}

impl Judge {
    /// Judges a request as if it were a pixel's on a page of the site, and changes nothing.
    pub(crate) fn preview(
        &self,
        sites: &SiteTable,
        beacon: &Beacon<'_>,
        (headers, peer): (&HeaderMap, Peer),
    ) -> Preview {
        let signals = Signals::of(headers);
        let from = signals.host();
        let Some(site) = site_of(sites, beacon, from.as_deref()) else { return Preview::NotOurs };
        let host = site.rules.host().to_string();
        let refused = |reason| Preview::Refused { site: host.clone(), reason };
        if let Some(reason) = signals.refusal {
            return refused(reason);
        }
        let client = self.clients.borrow().classify(signals.agent);
        if client.robot {
            return refused(RefusalReason::Robot);
        }
        if is_foreign(sites, site, from.as_deref()) {
            return refused(RefusalReason::Origin);
        }
        let Some(page) = page_of(beacon, &signals) else { return refused(RefusalReason::NoPage) };
        let prefix = self.shared.addresses.prefix(peer, headers);
        let texts = (page, referrer_of(beacon));
        let clean = self.clean(site, texts, (&client.family, prefix));
        Preview::Counted {
            page: site.rules.page(page).to_string(),
            attributes: Attribute::ALL.map(|of| (of, clean.value(of).to_owned())).to_vec(),
            site: host,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use headcount_core::cell::CellKey;
    use headcount_core::page::{OwnerRules, PagePolicy};
    use headcount_core::rules::SiteRules;
    use headcount_core::site::SiteHost;
    use headcount_core::time::{Clock, Hour};
    use hyper::header::{HeaderName, HeaderValue};
    use prometheus_client::registry::Registry;
    use proptest::prelude::*;

    use super::super::{Shared, Verdict, Way};
    use super::*;
    use crate::client::{ClientRules, Clients};
    use crate::country::Countries;
    use crate::metrics::Metrics;
    use crate::names::{NameKind, NameLimits, Names, SiteId};
    use crate::peer::AddressSource;
    use crate::rate::RateLimit;
    use crate::sites::SiteSetting;

    const SITE: SiteId = SiteId(1);
    const HOUR: Hour = Hour(480_000);

    struct Still;

    impl Clock for Still {
        fn unix_seconds(&self) -> u64 {
            u64::from(HOUR.0) * 3_600
        }
    }

    fn judge() -> (Judge, Arc<Names>) {
        let limits = NameLimits {
            pages_per_site_day: 100_000,
            targets_per_site_day: 10,
            sources_per_site_day: 100_000,
            campaigns_per_site_day: 100_000,
            names_total: 1_000_000,
        };
        let names = Arc::new(Names::new(limits, []));
        let trusted = ["10.0.0.0/8".to_owned()];
        let shared = Arc::new(Shared {
            addresses: AddressSource::new(&trusted, Some("x-forwarded-for")).unwrap(),
            countries: Countries::embedded().unwrap(),
            visitors: None,
            images_need_a_page: false,
            rate: RateLimit::new(0, [1; 32]),
            agents: Arc::new(crate::locked::LooseKey::new(&[0; 32])),
            day: 0.into(),
            names: Arc::clone(&names),
            clock: Arc::new(Still),
            metrics: Arc::new(Metrics::register(&mut Registry::default())),
        });
        // Reading the lists takes longer than all the cases.
        static RULES: OnceLock<Arc<ClientRules>> = OnceLock::new();
        let rules = RULES.get_or_init(|| Arc::new(ClientRules::load().unwrap()));
        (Judge::new(shared, Clients::new(Arc::clone(rules), [2; 32])), names)
    }

    fn sites() -> SiteTable {
        let site = |host: &str| {
            let host = SiteHost::parse(host).unwrap();
            let policy = PagePolicy::new(OwnerRules::default()).unwrap();
            let rules = SiteRules::new(host.clone(), Vec::new(), policy, Vec::new()).unwrap();
            SiteSetting { host, aliases: Vec::new(), rules, umami_id: None, matomo_id: None }
        };
        SiteTable::new([(SITE, site("example.org")), (SiteId(2), site("other.example"))])
    }

    fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/131.0.0.0 Safari/537.36";
        let agent = prop_oneof![9 => Just(chrome), 1 => Just("Googlebot/2.1")]
            .prop_map(|agent| ("user-agent", agent.to_owned()));
        let one = prop_oneof![
            4 => Just(("referer", "https://example.org/artikel/7?utm_source=brev".to_owned())),
            1 => Just(("referer", "https://other.example/".to_owned())),
            1 => Just(("origin", "https://stranger.example".to_owned())),
            1 => Just(("sec-gpc", "1".to_owned())),
            1 => Just(("dnt", "1".to_owned())),
            1 => Just(("sec-purpose", "prefetch".to_owned())),
            2 => "8\\.8\\.[0-9]\\.[0-9]".prop_map(|address| ("x-forwarded-for", address)),
        ];
        (agent, proptest::collection::vec(one, 0..3)).prop_map(|(agent, mut lines)| {
            lines.push(agent);
            lines
        })
    }

    fn map(lines: &[(&'static str, String)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, String)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(line).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
        #[test]
        fn a_preview_is_what_the_judge_counts(
            lines in headers(),
            site in proptest::option::of(prop_oneof![4 => "example\\.org", 1 => "nobody\\.example"]),
            page in proptest::option::of("/[a-z0-9/@.-]{0,20}(\\?utm_medium=[a-z0-9]{0,8})?"),
            referrer in proptest::option::of("https://(news|example)\\.(org|se)/[a-z]{0,5}"),
        ) {
            let (judge, names) = judge();
            let (sites, headers) = (sites(), map(&lines));
            let peer = judge.shared.addresses.peer("10.1.1.1:1".parse().unwrap());
            let query: String = [("s", &site), ("p", &page), ("r", &referrer)]
                .iter()
                .filter_map(|(key, value)| value.as_ref().map(|value| {
                    format!("{key}={}&", value.replace('?', "%3F").replace('=', "%3D"))
                }))
                .collect();
            let beacon = Beacon::of_query(&query);
            let preview = judge.preview(&sites, &beacon, (&headers, peer));
            prop_assert_eq!(names.total(), 0, "a preview numbers no name");
            prop_assert!(judge.clients.borrow().is_empty(), "and remembers no agent");
            let mut cells = Vec::new();
            match judge.judge(&sites, &beacon, (Way::Pixel, (&headers, peer)), &mut cells) {
                Verdict::NotOurs => prop_assert!(matches!(preview, Preview::NotOurs)),
                Verdict::Refused(because) => match preview {
                    Preview::Refused { reason, .. } => prop_assert_eq!(reason, because),
                    _ => prop_assert!(false, "the judge refused: {:?}", because),
                },
                Verdict::Counted => {
                    let Preview::Counted { site: host, page, attributes } = preview else {
                        return Err(TestCaseError::fail("the judge counted"));
                    };
                    let id = sites.by_host(&host).unwrap().id;
                    let name = |kind, text: &str| names.admit(id, HOUR.day(), kind, text);
                    let page = name(NameKind::Page, &page);
                    prop_assert_eq!(cells.len(), 2 + attributes.len());
                    prop_assert_eq!(cells[1].1, CellKey::Page { hour: HOUR, page });
                    for (cell, (attribute, text)) in cells[2..].iter().zip(attributes) {
                        let value = name(NameKind::Value(attribute), &text);
                        let day = HOUR.day();
                        prop_assert_eq!(cell.0, id);
                        prop_assert_eq!(cell.1, CellKey::Attribute { day, attribute, value });
                    }
                }
                Verdict::Rejected(_) => prop_assert!(false, "a pixel is never rejected"),
            }
        }
    }
}
