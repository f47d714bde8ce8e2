//! Swap spaces, and whether what is written there is encrypted, or never leaves memory.
//!
//! What it is not: about other machines: what lies beneath a virtual disk is not seen from within.
//!
//! What surprises: a volume is as safe as what it lies on: LVM on an encrypted partition is encrypted. A
//! swap file is as safe as the device of its file system.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::facts::Swap;

/// Devices on devices at most.
const DEPTH_MAX: usize = 8;
/// Devices on one device at most.
const SLAVES_MAX: usize = 256;
/// How the names of disks begin that lie on nothing else.
const DISKS: [&str; 7] = ["sd", "hd", "vd", "xvd", "nvme", "mmcblk", "pmem"];
/// Mappings that only check what they hold.
const CHECKING: [&str; 2] = ["CRYPT-VERITY", "CRYPT-INTEGRITY"];

/// The table of `/proc/swaps`; `sys` is the folder of the kernel's devices.
pub(in crate::doctor) fn swaps(text: &str, sys: &Path) -> Vec<Swap> {
    let row = |line: &str| {
        let name = line.split_whitespace().next()?;
        Some(Swap { name: name.to_owned(), is_safe: is_safe(name, sys) })
    };
    text.lines().skip(1).filter_map(row).collect()
}

fn is_safe(name: &str, sys: &Path) -> Option<bool> {
    let device = if name.starts_with("/dev/") {
        fs::canonicalize(name).unwrap_or_else(|_| name.into())
    } else {
        // Of a file. What has no device of its own (0) is not known: btrfs, a network's, a container's.
        let device = fs::metadata(name).ok()?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        fs::canonicalize(sys.join(format!("dev/block/{major}:{minor}"))).ok()?
    };
    of_device(device.file_name()?.to_str()?, sys, DEPTH_MAX)
}

/// Whether a device is encrypted, or memory; `None` where that is not known.
fn of_device(device: &str, sys: &Path, depth: usize) -> Option<bool> {
    let at = sys.join("class/block").join(device);
    let depth = depth.checked_sub(1)?;
    let mapping = fs::read_to_string(at.join("dm/uuid")).unwrap_or_default();
    if mapping.starts_with("CRYPT-") && !CHECKING.iter().any(|kind| mapping.starts_with(kind)) {
        return Some(true);
    }
    if device.starts_with("zram") {
        return of_zram(&at);
    }
    let beneath: Vec<Option<bool>> =
        slaves(&at)?.iter().map(|slave| of_device(slave, sys, depth)).collect();
    if beneath.contains(&Some(false)) {
        return Some(false);
    }
    if !beneath.is_empty() {
        return beneath.iter().all(|it| *it == Some(true)).then_some(true);
    }
    if at.join("partition").exists() {
        // The folder of the whole lies around that of its part.
        let whole = fs::canonicalize(&at).ok()?;
        return of_device(whole.parent()?.file_name()?.to_str()?, sys, depth);
    }
    DISKS.iter().any(|disk| device.starts_with(disk)).then_some(false)
}

/// Compressed memory; some of it may be written to a disk.
fn of_zram(at: &Path) -> Option<bool> {
    match fs::read_to_string(at.join("backing_dev")) {
        Ok(disk) if disk.trim() != "none" => None,
        _ => Some(true),
    }
}

/// The devices on which one lies; `None` if that cannot be seen.
fn slaves(at: &Path) -> Option<Vec<String>> {
    if !at.exists() {
        return None;
    }
    let Ok(entries) = fs::read_dir(at.join("slaves")) else { return Some(Vec::new()) };
    let names: Option<Vec<String>> =
        entries.take(SLAVES_MAX + 1).map(|it| it.ok()?.file_name().into_string().ok()).collect();
    names.filter(|names| names.len() <= SLAVES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices: their mapping, and what they lie on.
    fn machine(devices: &[(&str, &str, &[&str])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, mapping, slaves) in devices {
            let at = dir.path().join("class/block").join(name);
            fs::create_dir_all(at.join("slaves")).unwrap();
            for slave in *slaves {
                fs::create_dir(at.join("slaves").join(slave)).unwrap();
            }
            if !mapping.is_empty() {
                fs::create_dir(at.join("dm")).unwrap();
                fs::write(at.join("dm/uuid"), mapping).unwrap();
            }
        }
        dir
    }

    fn safe(device: &str, devices: &[(&str, &str, &[&str])]) -> Option<bool> {
        of_device(device, machine(devices).path(), DEPTH_MAX)
    }

    #[test]
    fn a_volume_is_as_safe_as_what_it_lies_on() {
        let crypt = ("dm-0", "CRYPT-LUKS2-1", &["sda3"][..]);
        let lvm = ("dm-1", "LVM-abc", &["dm-0"][..]);
        let disk = ("sda3", "", &[][..]);
        // As Debian installs it: swap in LVM, in LUKS.
        assert_eq!(safe("dm-1", &[lvm, crypt, disk]), Some(true));
        assert_eq!(safe("dm-1", &[("dm-1", "LVM-abc", &["sda3"]), disk]), Some(false));
        let both = ("dm-1", "LVM-abc", &["dm-0", "sda3"][..]);
        assert_eq!(safe("dm-1", &[both, crypt, disk]), Some(false), "half of it");
        assert_eq!(safe("md0", &[("md0", "", &["sda3", "sda3x"]), disk]), Some(false));
        assert_eq!(safe("dm-1", &[("dm-1", "CRYPT-VERITY-1", &["sda3"]), disk]), Some(false));
        // What is not known.
        assert_eq!(safe("dm-1", &[("dm-1", "LVM-abc", &[])]), None);
        assert_eq!(safe("dm-1", &[("dm-1", "LVM-abc", &["dm-0"])]), None, "the other is away");
        assert_eq!(safe("dm-1", &[("dm-1", "LVM-abc", &["dm-1"])]), None, "a circle");
        assert_eq!(safe("loop0", &[("loop0", "", &[])]), None);
        assert_eq!(safe("sdz", &[]), None);
    }

    #[test]
    fn a_partition_is_as_safe_as_its_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (part, names) = (dir.path().join("devices/sda/sda2"), dir.path().join("class/block"));
        fs::create_dir_all(&part).unwrap();
        fs::create_dir_all(&names).unwrap();
        fs::write(part.join("partition"), "2").unwrap();
        for (name, to) in [("sda2", part.clone()), ("sda", dir.path().join("devices/sda"))] {
            std::os::unix::fs::symlink(to, names.join(name)).unwrap();
        }
        assert_eq!(of_device("sda2", dir.path(), DEPTH_MAX), Some(false));
    }

    #[test]
    fn the_table_is_read_row_by_row() {
        let dir = machine(&[("zram0", "", &[]), ("zram1", "", &[])]);
        fs::write(dir.path().join("class/block/zram1/backing_dev"), "/dev/sda4\n").unwrap();
        let found = swaps(
            "Filename\t\t\t\tType\t\tSize\n/dev/zram0  partition 1\n/no-such-file file 2\n\
             /dev/zram1 partition 3\n",
            dir.path(),
        );
        let safe: Vec<Option<bool>> = found.iter().map(|swap| swap.is_safe).collect();
        assert_eq!(safe, [Some(true), None, None]);
        assert!(swaps("Filename Type\n", dir.path()).is_empty());
    }
}
