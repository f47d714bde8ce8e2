//! Small files in the shape of the real exports, and hostile ones.
//!
//! What it is not: the files of anybody. The heads are what the tools write; the rows are made.
//!
//! What surprises: sessions, agents and places stand in the rows, so that a reader who looked at
//! them would show it.

use headcount_core::time::Hour;
use proptest::prelude::*;

use super::{About, Read, Row, Tool, TotalsError, read};

const VISITORS: &str =
    "\"date\",\"visitors\",\"pageviews\",\"bounces\",\"visits\",\"visit_duration\"\n";
const PAGES: &str = "date,hostname,page,visits,visitors,pageviews,total_scroll_depth\n";
const UMAMI: &str = "website_id,session_id,visit_id,event_id,hostname,browser,os,device,screen,\
                     language,country,region,city,url_path,url_query,utm_source,utm_medium,\
                     utm_campaign,utm_content,utm_term,referrer_path,referrer_query,\
                     referrer_domain,page_title,gclid,fbclid,msclkid,ttclid,li_fat_id,twclid,\
                     event_type,event_name,tag,distinct_id,created_at,job_id\n";
const GOATCOUNTER: &str = "2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,\
                           Referrer scheme,Screen size,Location,FirstVisit,Date\n";
const MATOMO_SITE: &str = "date,nb_uniq_visitors,nb_users,nb_visits,nb_actions,\
                           nb_visits_converted,bounce_count,sum_visit_length,max_actions,\
                           bounce_rate,nb_actions_per_visit,avg_time_on_site\n";
const MATOMO_PAGES: &str = "date,label,nb_visits,nb_hits,sum_time_spent,nb_uniq_visitors,\
                            bounce_rate,metadata_url,metadata_segment\n";

fn umami(path: &str, kind: &str, time: &str) -> String {
    format!(
        "site-1,session-7,visit-7,event-7,example.org,firefox,Linux,desktop,1920x1080,sv,SE,SE-AB,\
         Stockholm,{path},q=anna,,,,,,/from,,search.example,Title,,,,,,,{kind},,,anna,{time},\n"
    )
}

fn goatcounter(path: &str, event: &str, robot: &str, time: &str) -> String {
    format!(
        "{path},\"A, title\",{event},,Firefox 140,Linux,287fb97cbed4e4f-8e4f5c975b8fee06,{robot},\
         www.example.net,h,\"1280,768,1\",SE-AB,1,{time}\n"
    )
}

/// Every row on a line, then what was skipped; or the error.
fn found(tool: Tool, content: &[u8]) -> Result<Vec<String>, TotalsError> {
    let mut rows = Vec::new();
    let read = read(tool, content, &mut |row: Row<'_>| {
        let about = match row.about {
            About::Site => "site".to_owned(),
            About::Page(page) => format!("page {page}"),
            About::Other => "other".to_owned(),
            About::View(page) => format!("view {page}"),
        };
        let (hour, counts) = (row.hour, row.counts);
        rows.push(format!("{hour} {about} {} {} {}", counts.views, counts.visitors, counts.visits));
    })?;
    let Read { skipped, remark } = read;
    rows.extend((skipped > 0).then(|| format!("{skipped} skipped")));
    rows.extend(remark.map(str::to_owned));
    Ok(rows)
}

fn check(tool: Tool, content: &str, expect: &[&str]) {
    assert_eq!(found(tool, content.as_bytes()).unwrap(), expect, "{content}");
}

fn refused(tool: Tool, content: &str, expect: &str) {
    let error = found(tool, content.as_bytes()).unwrap_err().to_string();
    assert!(error.contains(expect), "{content}{error}");
}

#[test]
fn plausibles_days_and_pages() {
    let check = |content: String, expect: &str| check(Tool::Plausible, &content, &[expect]);
    let day = "2026-02-09T00:00:00Z";
    check(
        format!("{VISITORS}\"2026-02-09\",119,304,77,134,21070\n"),
        &format!("{day} site 304 119 134"),
    );
    let page = format!("{PAGES}2026-02-09,example.org,\"/a,b\",3,2,4,60\n");
    check(page, &format!("{day} page /a,b 4 2 3"));
    let older = "date,page,visitors,pageviews\n2026-02-09,/a,2,4\n".to_owned();
    check(older, &format!("{day} page /a 4 2 2"));
}

#[test]
fn umamis_views_in_their_hours() {
    let content = [
        UMAMI,
        &umami("/a", "1", "2026-09-21 10:00:00"),
        &umami("/b", "1", "2026-09-21T10:59:59.999Z"),
        &umami("/a", "2", "2026-09-21 11:00:00"),
        &umami("\"/c,\nd\"", "1", "2026-09-21 01:30:00.12+02"),
    ];
    check(
        Tool::Umami,
        &content.concat(),
        &[
            "2026-09-21T10:00:00Z view /a 1 0 0",
            "2026-09-21T10:00:00Z view /b 1 0 0",
            "2026-09-20T23:00:00Z view /c,\nd 1 0 0",
            "1 skipped",
        ],
    );
    let out_of_the_table = "created_at,url_path,event_type\n2026-09-21 10:00:00+00,/a,1\n";
    check(Tool::Umami, out_of_the_table, &["2026-09-21T10:00:00Z view /a 1 0 0"]);
}

#[test]
fn goatcounters_views_without_events_and_robots() {
    let content = [
        GOATCOUNTER,
        &goatcounter("/a", "0", "0", "2026-09-21T10:00:00Z"),
        &goatcounter("/b", "false", "0", "2026-09-21T23:59:59+02:00"),
        &goatcounter("click-banana", "1", "0", "2026-09-21T10:00:00Z"),
        &goatcounter("click-apple", "true", "0", "2026-09-21T10:00:00Z"),
        &goatcounter("/c", "0", "3", "2026-09-21T10:00:00Z"),
    ];
    check(
        Tool::GoatCounter,
        &content.concat(),
        &["2026-09-21T10:00:00Z view /a 1 0 0", "2026-09-21T21:00:00Z view /b 1 0 0", "3 skipped"],
    );
    let first = "1Path,Title,Event,Bot,Session,FirstVisit,Referrer,Referrer scheme,Browser,\
                 Screen size,Location,Date\n/a,,false,0,7,true,,,x,,SE,2020-12-01T00:07:10Z\n";
    check(Tool::GoatCounter, first, &["2020-12-01T00:00:00Z view /a 1 0 0"]);
}

#[test]
fn matomos_days_with_views_or_actions() {
    let day = "2026-02-09T00:00:00Z site";
    let actions = "views are Matomo's actions, so downloads and outlinks, too; API.get has views";
    let row = "2026-02-09,119,0,134,304,0,77,21070,9,57%,2.3,157\n";
    let expect = format!("{day} 304 119 134");
    check(Tool::Matomo, &format!("{MATOMO_SITE}{row}"), &[&expect, actions]);
    let translated = "Date,Unique visitors,Visits,Users,Actions,Pageviews,Unique Pageviews\n\
                      2026-02-09,119,134,0,310,304,250\n";
    check(Tool::Matomo, translated, &[&expect]);
}

#[test]
fn matomos_pages_by_their_addresses() {
    let content = [
        MATOMO_PAGES,
        "2026-02-09,/index,3,4,9,2,50%,https://example.org/,pageUrl==https%3A%2F%2Fexample.org%2F\n",
        "2026-02-09,/docs/a,1,1,9,1,50%,\"http://example.org/docs/a,b\",pageUrl==x\n",
        "2026-02-09,/b,1,1,9\n",
        "2026-02-10,Others,5,7,9,,50%,,\n",
    ];
    check(
        Tool::Matomo,
        &content.concat(),
        &[
            "2026-02-09T00:00:00Z page https://example.org/ 4 2 3",
            "2026-02-09T00:00:00Z page http://example.org/docs/a,b 1 1 1",
            "2026-02-09T00:00:00Z other 1 0 1",
            "2026-02-10T00:00:00Z other 7 0 5",
        ],
    );
    let flat = "date,label,nb_visits,nb_hits,metadata_is_aggregate,metadata_url,metadata_segment\n\
                2026-02-09,docs,9,9,1,,pageUrl=^x\n2026-02-09,/a,1,2,0,example.org/a,pageUrl==x\n";
    check(Tool::Matomo, flat, &["2026-02-09T00:00:00Z page //example.org/a 2 0 1", "1 skipped"]);
}

#[test]
fn what_matomo_writes_for_excel() {
    let text =
        format!("{MATOMO_PAGES}2026-02-09,/å,1,2,9,1,50%,https://example.org/å,pageUrl==x\n");
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    let mut content: Vec<u8> = [0xff, 0xfe].into_iter().chain(units).collect();
    let expect = ["2026-02-09T00:00:00Z page https://example.org/å 2 1 1"];
    assert_eq!(found(Tool::Matomo, &content).unwrap(), expect);
    content.pop();
    let error = found(Tool::Matomo, &content).unwrap_err().to_string();
    assert!(error.contains("line 1: UTF-16 with half a letter"), "{error}");
    let marked = [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat();
    assert_eq!(found(Tool::Matomo, &marked).unwrap(), expect);
}

#[test]
fn says_where_it_cannot_read_and_what_is_expected() {
    refused(Tool::Plausible, "", "line 1: this is not what is read of Plausible's exports");
    refused(Tool::Plausible, "date,browser,visitors,pageviews\n", "line 1: give imported_visitors");
    refused(Tool::Plausible, "PK\x03\x04…", "line 1: this is a zip file; unzip it");
    let sources =
        "date,source,referrer,utm_source,pageviews,visitors,visits,visit_duration,bounces\n";
    refused(Tool::Plausible, sources, "line 1: give imported_visitors");
    let plausible = |rows: &str| format!("date,page,visitors,pageviews\n{rows}");
    let day = "line 2: column date is no day such as 2026-11-21";
    refused(Tool::Plausible, &plausible("2026-02-30,/a,1,1\n"), day);
    let number = "line 4: column visitors is no number such as 12; mend that line";
    let rows = plausible("2026-02-03,\"/a\n\",1,1\n2026-02-03,/a,-1,1\n");
    refused(Tool::Plausible, &rows, number);
    refused(Tool::Plausible, &plausible("2026-02-03,/a,1\n"), "line 2: column pageviews is no");
    refused(Tool::Plausible, &plausible("2026-02-03,/a,1,1,1\n"), "line 2: more fields than");

    refused(Tool::Umami, "x,y\n/a,5\n", "line 1: sums without days, of Umami's download button");
    let data = "website_id,session_id,event_id,url_path,event_name,data_key,created_at\n";
    refused(Tool::Umami, data, "line 1: give website_event.csv");
    let rows = umami("/a", "1", "2026-09-21");
    refused(Tool::Umami, &format!("{UMAMI}{rows}"), "line 2: column created_at is no time such as");
    let (one, two) = (umami("/a", "1", "2026-09-21 10:00:00"), "site-2");
    let rows = format!("{UMAMI}{one}{}", one.replace("site-1", two));
    refused(Tool::Umami, &rows, "line 3: another website_id than before");

    refused(Tool::GoatCounter, "3Path,Event,Date\n", "line 1: a version of GoatCounter's CSV");
    refused(Tool::GoatCounter, "2Path,Event\n", "line 1: give its CSV export, with columns Path");
    let rows = goatcounter("/a", "maybe", "0", "2026-09-21T10:00:00Z");
    let truth = "line 2: column Event is no truth such as 0 or 1";
    refused(Tool::GoatCounter, &format!("{GOATCOUNTER}{rows}"), truth);

    let one_day = MATOMO_SITE.replace("date,", "");
    refused(Tool::Matomo, &one_day, "line 1: no column date; export several days at once");
    refused(Tool::Matomo, "idSite,idVisit,visitIp\n", "line 1: a list of sites or of visits");
    let week = format!("{MATOMO_SITE}\"2026-02-09,2026-02-15\",1,0,1,1,0,0,0,1,0%,1,1\n");
    refused(Tool::Matomo, &week, "line 2: column date is no day");
    let folder = format!("{MATOMO_PAGES}2026-02-09,docs,3,4,9,2,50%,,pageUrl=^x\n");
    refused(Tool::Matomo, &folder, "line 2: a folder, not a page; export with flat=1");
    let titles = format!("{MATOMO_PAGES}2026-02-09,Anna,3,4,9,2,50%,,pageTitle==x\n");
    refused(Tool::Matomo, &titles, "line 2: not the report of page URLs");
    refused(Tool::Matomo, "date,label,nb_visits,nb_hits\n", "line 1: not the report of page URLs");
}

#[test]
fn a_file_of_another_tool_is_named() {
    let heads = [
        (Tool::Plausible, VISITORS),
        (Tool::Plausible, PAGES),
        (Tool::Umami, UMAMI),
        (Tool::Umami, "x,y\n"),
        (Tool::GoatCounter, GOATCOUNTER),
        (Tool::Matomo, MATOMO_SITE),
        (Tool::Matomo, MATOMO_PAGES),
        (Tool::Matomo, "Date,Unique visitors,Visits\n"),
        (Tool::Matomo, "Date,Label,Unique Pageviews,Pageviews\n"),
    ];
    for (tool, head) in heads {
        for other in Tool::ALL.into_iter().filter(|other| *other != tool) {
            assert_eq!(found(other, head.as_bytes()), Err(TotalsError::OtherTool(tool)), "{head}");
        }
    }
    let said = TotalsError::OtherTool(Tool::Umami).to_string();
    assert_eq!(said, "line 1: this looks like an Umami export; use --from umami");
}

/// Who it was, over and over: none of it is in what is read.
const PERSON: [&str; 4] = ["session-7", "Stockholm", "anna", "287fb97cbed4e4f"];

#[test]
fn nothing_of_a_visitor_is_read() {
    let views = [
        (Tool::Umami, [UMAMI, &umami("/a", "1", "2026-09-21 10:00:00")].concat()),
        (
            Tool::GoatCounter,
            [GOATCOUNTER, &goatcounter("/a", "0", "0", "2026-09-21T10:00:00Z")].concat(),
        ),
    ];
    for (tool, content) in views {
        let rows = found(tool, content.as_bytes()).unwrap();
        // Other visitors, agents and places: the very same rows.
        let others = PERSON.iter().fold(content, |text, word| text.replace(word, "x"));
        assert_eq!(found(tool, others.as_bytes()).unwrap(), rows);
        assert_eq!(rows, ["2026-09-21T10:00:00Z view /a 1 0 0"]);
    }
}

fn times(hours: &[u32]) -> impl Iterator<Item = String> {
    hours.iter().map(|hour| Hour(*hour).to_string())
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for (tool, head) in Tool::ALL.into_iter().zip([PAGES, UMAMI, GOATCOUNTER, MATOMO_PAGES]) {
            std::hint::black_box(found(tool, &bytes).is_ok());
            std::hint::black_box(found(tool, &[head.as_bytes(), &bytes].concat()).is_ok());
        }
    }

    #[test]
    fn every_view_is_given_on_once(hours in proptest::collection::vec(400_000u32..500_000, 0..40)) {
        for tool in [Tool::Umami, Tool::GoatCounter] {
            let (head, rows): (&str, Vec<_>) = match tool {
                Tool::Umami => (UMAMI, times(&hours).map(|at| umami("/a", "1", &at)).collect()),
                _ => (GOATCOUNTER, times(&hours).map(|at| goatcounter("/a", "0", "0", &at)).collect()),
            };
            let mut read_hours = Vec::new();
            read(tool, [head, &rows.concat()].concat().as_bytes(), &mut |row| {
                assert_eq!(row.counts.views, 1);
                read_hours.push(row.hour.0);
            }).unwrap();
            prop_assert_eq!(&read_hours, &hours);
        }
    }
}
