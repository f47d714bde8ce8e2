//! Bits of an edge file and of its log, flipped one at a time: refused, or all that was in it, and what is
//! counted afterwards is right, too.
//!
//! What it is not: about bytes that are missing; see [`super`].
//!
//! What surprises: pages are small here, so that the file has few bits and every kind of page.
//! `HEADCOUNT_TEST_FLIPS=1000000` flips each of them.

use std::path::PathBuf;

use super::*;

/// The file, its log, its mark.
const FILES: [&str; 3] = ["edge.db", "edge.db-wal", "edge.mark"];
/// Bits of each file that are flipped where nobody asks for more.
const FLIPS: usize = 300;
/// The smallest page there is, so that the file has interior pages and overflow.
const SMALL_PAGES: &str = "PRAGMA page_size = 512; VACUUM;";

/// All that a start finds, as text.
fn found(file: &EdgeFile, recovered: &Recovered) -> Vec<String> {
    let rule = crate::release::ReleaseRule { crowd: 1, admission: false };
    let leaving = recovered.held.plan(rule, (Day(u32::MAX), true), |_, _| false).leaving;
    let mut all: Vec<String> = recovered.names.iter().map(|name| format!("{name:?}")).collect();
    all.extend(leaving.iter().map(|cell| format!("{cell:?}")));
    all.extend(recovered.outbox.iter().map(|record| format!("{record:?}")));
    all.extend(file.sites().unwrap().iter().map(|site| format!("{site:?}")));
    all.push(format!("{:?} {} {}", file.lane(), file.last_seq(0), file.commits));
    all
}

fn hosts() -> [SiteHost; 2] {
    ["example.org", "example.net"].map(|host| SiteHost::parse(host).unwrap())
}

/// Counts in a file that is open: numbers of its sites, an acknowledgement, a name, a release. What it
/// holds then.
fn go_on(
    mut file: EdgeFile,
    recovered: &Recovered,
    path: &Path,
) -> Result<Vec<String>, EdgeFileError> {
    for host in hosts() {
        file.site_id(&host)?;
    }
    let acked: Vec<_> = recovered.outbox.front().map(|record| (0, record.id)).into_iter().collect();
    let folding = Folding {
        write: &[cell(7, 3)],
        delete: &[(SiteId(1), cell(1, 1).1)],
        batches: vec![(0, vec![3; 70])],
        ..Folding::default()
    };
    file.commit(Step { names: &[name(90)], acked: &acked, ..Step::default() })?;
    file.commit(Step { release: Some(folding), ..Step::default() })?;
    file.commit(Step { increments: &[cell(90, 4)], ..Step::default() })?;
    drop(file);
    let (file, recovered) = EdgeFile::open(path, 9)?;
    Ok(found(&file, &recovered))
}

/// A file as a crash leaves it, most of it in its place and the last commits in its log.
fn made(folder: &Path) -> PathBuf {
    let (path, open) = (folder.join("edge.db"), folder.join("open"));
    std::fs::create_dir(&open).unwrap();
    let open = open.join("edge.db");
    Connection::open(&open).unwrap().execute_batch(SMALL_PAGES).unwrap();
    filled(&open, false);
    let (mut file, _) = EdgeFile::open(&open, 9).unwrap();
    let [_, second] = hosts();
    assert_eq!(file.site_id(&second).unwrap(), SiteId(2));
    let (_, key, counts) = cell(2, 5);
    let increments = [cell(1, 1), (SiteId(2), key, counts)];
    for _ in 0..3 {
        file.commit(Step { increments: &increments, ..Step::default() }).unwrap();
    }
    for name in FILES {
        std::fs::copy(open.with_file_name(name), path.with_file_name(name)).unwrap();
    }
    path
}

fn asked() -> usize {
    let text = std::env::var_os("HEADCOUNT_TEST_FLIPS");
    text.map_or(FLIPS, |text| text.to_str().unwrap().parse().unwrap())
}

#[test]
fn every_flipped_bit_is_refused_or_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let path = made(dir.path());
    let original = FILES.map(|name| std::fs::read(dir.path().join(name)).unwrap());
    let (file, recovered) = EdgeFile::open(&path, 9).unwrap();
    let whole = found(&file, &recovered);
    let later = go_on(file, &recovered, &path).unwrap();
    for (victim, name) in FILES.iter().enumerate() {
        let bits = original[victim].len() * 8;
        let mut refused = 0;
        for bit in (0..bits).step_by((bits / asked()).max(1)) {
            let label = format!("{name}, byte {}, bit {}", bit / 8, bit % 8);
            for (of, bytes) in FILES.iter().zip(&original) {
                std::fs::write(path.with_file_name(of), bytes).unwrap();
            }
            let mut bytes = original[victim].clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(path.with_file_name(name), bytes).unwrap();
            match EdgeFile::open(&path, 9) {
                Err(_) => refused += 1,
                Ok((file, recovered)) => {
                    assert_eq!(found(&file, &recovered), whole, "{label}");
                    assert_eq!(go_on(file, &recovered, &path).unwrap(), later, "{label}: later");
                }
            }
        }
        assert!(refused > 0 || *name == "edge.mark", "{name}: no flipped bit was noticed");
    }
}
