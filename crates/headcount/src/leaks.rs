//! Leaks that are a file's, a log's or a process's, of a test build.
//!
//! What it is not: in any other build; see [`headcount_core::leak`].
//!
//! What surprises: nothing here is on a hit's way. What was seen leaks twice a second.

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use headcount_core::leak::{self, Leak};
use headcount_store::control::{self, Control};

/// A file that is deleted stays while it is open.
static DELETED: Mutex<Option<std::fs::File>> = Mutex::new(None);

/// Lets what was seen come to rest where it was asked for.
pub(crate) fn keep(data_dir: &Path) {
    if let Some(seen) = leak::seen(Leak::Log) {
        tracing::info!(request = %seen, "a visitor came");
    }
    if let Some(seen) = leak::seen(Leak::AdminLog) {
        let control = Control::open(&data_dir.join(control::FILE_NAME));
        control.and_then(|mut control| control.note_settings(&seen)).ok();
    }
    if let Some(seen) = leak::seen(Leak::Backup) {
        let folder = data_dir.join("backup");
        std::fs::create_dir_all(&folder).ok();
        let packed = zstd::encode_all(seen.as_bytes(), 1).unwrap_or_default();
        std::fs::write(folder.join("counts.tar.zst"), packed).ok();
    }
    if let Some(seen) = leak::seen(Leak::DeletedFile) {
        let path = std::env::temp_dir().join(format!("headcount-{}", std::process::id()));
        if let Ok(mut file) = std::fs::File::create(&path) {
            file.write_all(seen.as_bytes()).ok();
            std::fs::remove_file(&path).ok();
            *DELETED.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(file);
        }
    }
    if let Some(seen) = leak::seen(Leak::Panic) {
        failed(seen);
    }
}

/// A thread that fails with what was seen, under a hook that prints what it failed with.
#[expect(clippy::panic, reason = "this is the leak")]
fn failed(seen: String) {
    drop(std::panic::take_hook());
    let thread = std::thread::spawn(move || panic!("cannot read {seen}"));
    thread.join().ok();
}
