//! SQL that people copy: the README's examples and the queries of the Grafana dashboard, each run
//! against the real engines.
//!
//! What it is not: a test of Grafana. Its macros are replaced as its data source does.
//!
//! What surprises: the README's statements come in pairs, one for each engine, and must give the same
//! rows.

use headcount_core::batch::Batch;
use headcount_core::cell::{Attribute, CellKey, Counts};
use headcount_core::refusal::RefusalReason;
use headcount_core::time::Hour;
use headcount_store::Insert;
use headcount_store::clickhouse::{Settings, Writer};
use rusqlite::types::ValueRef;
use serde_json::Value;

use crate::dashboard::worlds::now;
use crate::server::SITE;
use crate::services::clickhouse;

/// A site of three days; the last one is today.
fn insert() -> Insert {
    let now = now();
    let counts = |views| Counts { views, visitors: views / 2, visits: views / 3, ..Counts::ZERO };
    let mut cells = Vec::new();
    for (back, views) in [(0, 40), (1, 30), (2, 90)] {
        let (hour, day) = (Hour(now.0 - 24 * back), now.day().minus(back));
        let clicks = Counts { clicks: views / 10, ..Counts::ZERO };
        cells.push((SITE, CellKey::Site { hour }, Counts { clicks: views / 10, ..counts(views) }));
        cells.push((SITE, CellKey::Page { hour, page: "/" }, counts(views - 10)));
        cells.push((SITE, CellKey::Page { hour, page: "/it's" }, counts(10)));
        cells.push((SITE, CellKey::Click { hour, page: "/", target: "signup" }, clicks));
        for attribute in Attribute::ALL {
            for (value, part) in [("SE", 1), ("DE", 2), ("FI", 30)] {
                let key = CellKey::Attribute { day, attribute, value };
                cells.push((SITE, key, counts(views / part)));
            }
        }
        let refused = Counts { refused: 7, ..Counts::ZERO };
        cells.push((SITE, CellKey::Refusal { day, reason: RefusalReason::Gpc }, refused));
    }
    let batches = vec![Batch::new(cells).unwrap()];
    let totals = Insert::totals_of(&batches).unwrap();
    let (src, closed_day) = ("p-0".to_owned(), now.day());
    Insert { src, lo: 1, hi: 1, closed_day, batches, totals, last_seqs: vec![] }
}

/// An engine with these counts, and the name of their database.
fn engine() -> (&'static clickhouse::ClickHouse, String) {
    let server = clickhouse::shared();
    let database = server.database();
    let mut writer = Writer::connect(&Settings {
        url: server.url.clone(),
        database: database.clone(),
        user: server.user.clone(),
        password: headcount_core::secret::Secret::new(&server.password),
        cluster: None,
    })
    .unwrap();
    writer.apply(&insert(), 0).unwrap();
    (server, database)
}

/// A statement with the database before each view.
fn placed(sql: &str, database: &str) -> String {
    let views = [
        "site_counts",
        "page_counts",
        "click_counts",
        "attribute_counts",
        "refusal_counts",
        "books",
    ];
    views.iter().fold(sql.to_owned(), |sql, view| {
        sql.replace(&format!("FROM {view}"), &format!("FROM {database}.{view}"))
    })
}

/// The statements of a README's block that begins with these words.
fn statements(begin: &str) -> Vec<String> {
    let readme = include_str!("../README.md");
    let blocks = readme.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let block = blocks.into_iter().find(|block| block.starts_with(begin)).unwrap();
    let (_, block) = block.split_once('\n').unwrap();
    let statements = block.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    statements.map(str::to_owned).collect()
}

#[test]
fn the_examples_of_the_readme_give_the_same_rows_in_both_engines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("counts.db");
    headcount_store::sqlite::Writer::open(&path).unwrap().apply(&insert()).unwrap();
    let file = rusqlite::Connection::open(&path).unwrap();
    let (server, database) = engine();
    let (of_file, of_server) = (statements("-- SQLite"), statements("-- ClickHouse"));
    assert!(of_file.len() == of_server.len() && of_file.len() >= 4);
    for (of_file, of_server) in of_file.iter().zip(&of_server) {
        let mut statement = file.prepare(of_file).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let cell = |at| match row.get_ref(at).unwrap() {
                ValueRef::Integer(number) => number.to_string(),
                other => other.as_str().unwrap().replace('\'', "\\'"),
            };
            lines.push((0..columns).map(cell).collect::<Vec<_>>().join("\t"));
        }
        assert!(!lines.is_empty(), "{of_file} finds nothing");
        let found = server.query(&placed(of_server, &database));
        assert_eq!(found.lines().collect::<Vec<_>>(), lines, "{of_server}");
    }
}

/// Grafana's words in a query, as its ClickHouse data source replaces them.
fn replaced(sql: &str) -> String {
    let mut sql = sql.replace("${site:singlequote}", &format!("'{SITE}'"));
    for (name, instead) in [
        ("$__timeFilter", "(@ >= now() - INTERVAL 30 DAY AND @ <= now())"),
        ("$__dateFilter", "(@ >= today() - 30 AND @ <= today())"),
        ("$__timeInterval", "toStartOfInterval(toDateTime(@), INTERVAL 3600 second)"),
    ] {
        while let Some((before, rest)) = sql.split_once(&format!("{name}(")) {
            let (column, after) = rest.split_once(')').unwrap();
            sql = format!("{before}{}{after}", instead.replace('@', column));
        }
    }
    assert!(!sql.contains('$'), "a word of Grafana is left: {sql}");
    sql
}

#[test]
fn every_query_of_the_grafana_dashboard_finds_something() {
    let dashboard: Value =
        serde_json::from_str(include_str!("../deploy/grafana/headcount.json")).unwrap();
    let (server, database) = engine();
    let panels = dashboard["panels"].as_array().unwrap();
    let of_panels = panels.iter().map(|panel| panel["targets"][0]["rawSql"].as_str().unwrap());
    let variable = dashboard["templating"]["list"][1]["query"].as_str().unwrap();
    let queries: Vec<&str> = of_panels.chain([variable]).collect();
    assert!(queries.len() > 12);
    for sql in queries {
        let sql = placed(&replaced(sql), &database);
        assert!(!server.query(&sql).trim().is_empty(), "{sql} finds nothing");
        if sql.contains("attribute_counts") {
            // FI has 1 + 0 + 1 visitors.
            let found = server.query(&sql);
            assert!(found.contains("(other)") && !found.contains("FI"), "{sql}: {found}");
        }
    }
}
