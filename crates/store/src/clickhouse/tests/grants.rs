//! The rights of both parts, given to the engine's one user and to nobody else: is each part able to
//! work with them, and does the check see what is missing or too much?
//!
//! What it is not: a test of users, roles and profiles, which this engine does not have.
//!
//! What surprises: views run with the rights of who made them. Here that is the same user, so the
//! reader gets the right to read what they read, too, and the check must name it.

use super::*;
use crate::clickhouse::grants::{Allowed, Part, check, sql};
use crate::sqlite::tests::{host, page};

/// Statements of `roles.sql` that give rights to a part.
fn rights(part: Part) -> Vec<String> {
    let text = sql(DATABASE, None).replace(",\n     ", ",");
    let of_part = format!(" TO {};", part.role());
    let lines = text.lines().filter(|line| line.starts_with("GRANT ") && line.ends_with(&of_part));
    lines.map(|line| line.replace(&of_part, "")).collect()
}

/// The engine on the data in a folder, with these rights and no others; without any, with all.
fn engine(folder: &std::path::Path, rights: &[String]) -> (ClickHouse, Settings) {
    let (users, config) = (folder.join("users.xml"), folder.join("config.xml"));
    let queries: String = rights.iter().map(|it| format!("<query>{it}</query>")).collect();
    let grants = if queries.is_empty() { queries } else { format!("<grants>{queries}</grants>") };
    let text = format!(
        "<clickhouse><profiles><default/></profiles><users><default><password></password>\
         <profile>default</profile><quota>default</quota><networks><ip>::/0</ip></networks>\
         {grants}</default></users><quotas><default/></quotas></clickhouse>"
    );
    std::fs::write(&users, text).unwrap();
    let users = users.display();
    let text = format!("<clickhouse><users_config>{users}</users_config></clickhouse>");
    std::fs::write(&config, text).unwrap();
    let data = folder.join("data");
    let server = ClickHouse::start(Some(&data), &["--config", config.to_str().unwrap()]);
    let settings = settings(&server, DATABASE.into());
    (server, settings)
}

/// The engine's own `default` is not like the databases of a server.
const DATABASE: &str = "of_ours";
/// What everybody may do on this engine: it does not read `select_from_system_db_requires_grant`,
/// with which a server comes.
const OPEN: [&str; 2] = ["SELECT ON system.query_log", "SELECT ON system.text_log"];

#[test]
fn each_part_works_with_its_rights_and_the_check_sees_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let writers = rights(Part::Writer);
    assert_eq!(writers.len(), 1);
    let (server, _) = engine(folder.path(), &[]);
    server.query(&format!("CREATE DATABASE {DATABASE}"));
    drop(server);
    let (server, settings) = engine(folder.path(), &writers);
    let fits = Allowed { missing: Vec::new(), surplus: OPEN.map(str::to_owned).to_vec() };
    assert_eq!(check(&settings, Part::Writer).unwrap(), fits);
    let reader = check(&settings, Part::Reader).unwrap();
    assert_eq!(reader.missing, [""; 0], "who may read all may read the views");
    assert_eq!(
        reader.surplus,
        [
            OPEN[0],
            OPEN[1],
            "SELECT ON `of_ours`.counts",
            "INSERT ON `of_ours`.counts",
            "ALTER DELETE ON `of_ours`.counts",
            "CREATE TABLE ON `of_ours`.*",
        ]
    );
    let site = host("a.example");
    let mut writer = Writer::connect(&settings).unwrap();
    assert_eq!(writer.surplus(DATABASE).unwrap(), OPEN);
    apply(&mut writer, &insert("p-0", 1, &[page("a.example", FIRST_DAY, "/", 1)]));
    assert!(writer.audit(1).unwrap().balanced());
    writer.erase_site(&site).unwrap();
    assert!(writer.audit(1).unwrap().balanced());
    drop((writer, server));

    let mut readers = rights(Part::Reader);
    assert_eq!(readers.len(), 11);
    readers.push("GRANT SELECT ON of_ours.counts".to_owned());
    let (_server, settings) = engine(folder.path(), &readers);
    let reader = Reader::connect(&settings).unwrap();
    reader.ping().unwrap();
    reader.first_day(&site).unwrap();
    reader.sites_with_counts().unwrap();
    assert_eq!(reader.erased_sites().unwrap(), [site]);
    reader.books_now().unwrap();
    let surplus = reader.surplus(DATABASE).unwrap();
    assert_eq!(surplus, [OPEN[0], OPEN[1], "SELECT ON `of_ours`.counts"]);
    let writer = check(&settings, Part::Writer).unwrap();
    assert!(writer.missing.contains(&"INSERT ON `of_ours`.*".to_owned()), "{writer:?}");
    // Nothing is to be migrated, so it connects; but it cannot write.
    let mut writer = Writer::connect(&settings).unwrap();
    let one = insert("p-0", 2, &[page("b.example", FIRST_DAY, "/", 1)]);
    assert!(writer.apply(&one, 0).is_err());
}
