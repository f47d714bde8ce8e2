//! Connecting: what is wrong is one line that names it and what to do.

use super::*;
use crate::error::StoreError;

/// The error of a writer, as a person reads it.
fn why(settings: &Settings) -> String {
    let error = Writer::connect(settings).err().expect("it must not connect");
    let text = error.to_string();
    assert!(!text.contains('\n'));
    text
}

#[test]
fn says_what_stands_in_the_way() {
    let good = fresh();
    let url = good.url.clone();
    let nobody = Settings { url: "http://127.0.0.1:1".into(), ..good.clone() };
    assert_eq!(
        why(&nobody),
        "clickhouse at http://127.0.0.1:1 does not answer; check the address, and that it runs"
    );
    assert!(Writer::connect(&nobody).err().unwrap().is_retryable());
    let unknown = Settings { url: "http://no-such-host.invalid:8123".into(), ..good.clone() };
    assert!(why(&unknown).contains("does not answer"));
    let server_without_tls = Settings { url: url.replace("http:", "https:"), ..good.clone() };
    assert!(why(&server_without_tls).contains("does not answer"));
    for address in ["", "127.0.0.1:8123", "http://", "ftp://x", "http://me:secret@host:8123"] {
        let bad = Settings { url: address.into(), ..good.clone() };
        assert!(matches!(Writer::connect(&bad), Err(StoreError::BadAddress)), "{address}");
    }
    let missing = Settings { database: "nowhere".into(), ..good.clone() };
    assert_eq!(
        why(&missing),
        format!("clickhouse at {url} has no database nowhere; create it: CREATE DATABASE nowhere")
    );
    Writer::connect(&good).unwrap();
}

#[test]
fn says_that_the_password_is_wrong_and_never_shows_it() {
    let server = ClickHouse::start(None, &["--password", "right"]);
    let settings = Settings {
        url: server.url.clone(),
        database: "default".into(),
        user: "default".into(),
        password: Secret::new("wr0ng"),
        cluster: None,
    };
    let expect =
        format!("clickhouse at {} refuses user default; check user and password", server.url);
    assert_eq!(why(&settings), expect);
    assert!(!format!("{settings:?}").contains("wr0ng"), "{settings:?}");
    Writer::connect(&Settings { password: Secret::new("right"), ..settings }).unwrap();
}

#[test]
fn refuses_a_newer_schema_and_goes_on_with_a_half_made_one() {
    let settings = fresh();
    // Killed in the middle of the first migration.
    rows(
        &settings,
        "CREATE TABLE DB.facts (key String, value Int64, version UInt64) \
         ENGINE = ReplacingMergeTree(version) ORDER BY key",
    );
    drop(Writer::connect(&settings).unwrap());
    drop(Writer::connect(&settings).unwrap());
    assert_eq!(rows(&settings, "SELECT max(version) FROM DB.schema_migrations"), "2");
    rows(&settings, "INSERT INTO DB.schema_migrations VALUES (99)");
    assert!(why(&settings).contains("has schema 99, and this headcount knows up to 2"));
    assert!(matches!(Reader::connect(&settings), Err(StoreError::NewerSchema { .. })));
}

#[test]
fn refuses_a_table_without_its_settings() {
    let settings = fresh();
    Writer::connect(&settings).unwrap();
    rows(&settings, "ALTER TABLE DB.counts MODIFY SETTING non_replicated_deduplication_window = 0");
    assert_eq!(
        why(&settings),
        "clickhouse setting non_replicated_deduplication_window of counts is 0, and \
         headcount needs 1000; \
         ALTER TABLE counts MODIFY SETTING non_replicated_deduplication_window = 1000"
    );
    rows(
        &settings,
        "ALTER TABLE DB.counts MODIFY SETTING non_replicated_deduplication_window = 500",
    );
    rows(&settings, "ALTER TABLE DB.counts RESET SETTING fsync_after_insert");
    assert!(why(&settings).contains("fsync_after_insert of counts is 0"));
}

#[test]
fn refuses_another_engine() {
    let settings = fresh();
    Writer::connect(&settings).unwrap();
    rows(&settings, "RENAME TABLE DB.counts TO DB.kept");
    rows(
        &settings,
        "CREATE TABLE DB.counts AS DB.kept ENGINE = MergeTree PARTITION BY week ORDER BY kind",
    );
    assert!(why(&settings).contains("engine of counts is MergeTree, and"));
}

/// Starts a server whose default profile holds `profile`, on the data in a folder.
fn pinned(folder: &std::path::Path, profile: &str) -> ClickHouse {
    let (users, config) = (folder.join("users.xml"), folder.join("config.xml"));
    let text = format!(
        "<clickhouse><profiles><default>{profile}</default></profiles><users><default>\
         <password></password><profile>default</profile><quota>default</quota><networks>\
         <ip>::/0</ip></networks></default></users><quotas><default/></quotas></clickhouse>"
    );
    std::fs::write(&users, text).unwrap();
    let users = users.display();
    let text = format!("<clickhouse><users_config>{users}</users_config></clickhouse>");
    std::fs::write(&config, text).unwrap();
    ClickHouse::start(Some(&folder.join("data")), &["--config", config.to_str().unwrap()])
}

#[test]
fn refuses_a_profile_that_pins_a_setting() {
    let folder = tempfile::tempdir().unwrap();
    let server = pinned(
        folder.path(),
        "<async_insert>1</async_insert><constraints><async_insert><const/></async_insert>\
         </constraints>",
    );
    assert_eq!(
        why(&settings(&server, "default".into())),
        "clickhouse setting async_insert is 1 and may not be changed, and headcount needs 0; \
         allow it in the settings profile of headcount's user (readonly 0, no constraint)"
    );
}

#[test]
fn a_reader_may_be_held_by_its_profile_but_not_so_that_it_has_no_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let server = pinned(folder.path(), "");
    Writer::connect(&settings(&server, "default".into())).unwrap();
    drop(server);
    let server = pinned(folder.path(), "<readonly>2</readonly>");
    let reader = Reader::connect(&settings(&server, "default".into())).unwrap();
    assert!(reader.sites_with_counts().unwrap().is_empty());
    assert!(reader.refuses_to_write());
    drop(server);
    let server = pinned(folder.path(), "<readonly>1</readonly>");
    let settings = settings(&server, "default".into());
    assert!(why(&settings).contains("readonly 0, no constraint"));
    let error = Reader::connect(&settings).err().unwrap().to_string();
    assert!(error.starts_with("clickhouse setting readonly is 1, and "), "{error}");
}
