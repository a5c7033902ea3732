//! Which file systems are shared by machines: neither their locks nor their syncs can be trusted to hold between them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The type of the file system at `path` (absolute, without links) if it belongs to more than one machine, or may.
///
/// Only Linux tells (proc_pid_mountinfo(5)); elsewhere, and where `/proc` is not mounted, nothing is known.
pub(crate) fn network_file_system(path: &Path) -> Option<String> {
    let mounts = fs::read("/proc/self/mountinfo").ok()?;
    kind(&mounts, path).filter(|kind| is_shared(kind))
}

/// The type of the file system that was mounted last on the deepest folder above `path`.
fn kind(mounts: &[u8], path: &Path) -> Option<String> {
    let mut found: Option<(usize, String)> = None;
    for line in mounts.split(|byte| *byte == b'\n') {
        // 36 35 98:0 /root /mount/point options [optional fields] - type source options
        let mut fields = line.split(|byte| *byte == b' ');
        let Some(point) = fields.nth(4).map(unescaped) else { continue };
        let Some(kind) = fields.skip_while(|field| *field != b"-").nth(1) else { continue };
        let point = Path::new(std::ffi::OsStr::from_bytes(&point));
        let depth = point.components().count();
        if path.starts_with(point) && found.as_ref().is_none_or(|(deepest, _)| depth >= *deepest) {
            found = Some((depth, String::from_utf8_lossy(kind).into_owned()));
        }
    }
    found.map(|(_, kind)| kind)
}

/// Spaces, tabs, newlines and backslashes are written as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if byte == b'\\' => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = tail;
            }
            _ => out.push(byte),
        }
    }
    out
}

fn is_shared(kind: &str) -> bool {
    // What FUSE mounts may be anything, most often another machine; `fuseblk` is a local disk.
    SHARED.contains(&kind) || kind == "fuse" || kind.starts_with("fuse.")
}

const SHARED: [&str; 26] = [
    "9p",
    "acfs",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "panfs",
    "prl_fs",
    "pvfs2",
    "smb3",
    "smbfs",
    "vboxsf",
    "virtiofs",
    "vmhgfs",
];

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"\
        22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        30 22 0:40 / /srv rw - nfs4 server:/srv rw\n\
        31 22 0:41 / /srv/local\\040disk rw shared:7 master:1 - xfs /dev/sdb rw\n\
        32 22 0:42 / /over rw - nfs server:/over rw\n\
        33 22 0:43 / /over rw - tmpfs none rw\n\
        34 22 0:44 / /ssh rw - fuse.sshfs host: rw\n\
        35 22 8:3 / /ntfs rw - fuseblk /dev/sdc1 rw\n";

    fn shared(path: &str) -> Option<String> {
        kind(MOUNTS, Path::new(path)).filter(|kind| is_shared(kind))
    }

    #[test]
    fn the_deepest_mount_above_a_folder_counts() {
        assert_eq!(shared("/var/lib/sessions"), None);
        assert_eq!(shared("/srv/sessions").as_deref(), Some("nfs4"));
        assert_eq!(shared("/srv/local disk/sessions"), None);
        assert_eq!(shared("/srv/locals").as_deref(), Some("nfs4"), "only whole names match");
        assert_eq!(shared("/srv"), Some("nfs4".to_owned()));
    }

    #[test]
    fn of_two_mounts_on_one_folder_the_last_counts() {
        assert_eq!(shared("/over/sessions"), None);
    }

    #[test]
    fn what_fuse_mounts_is_taken_for_another_machines_unless_it_is_a_disk() {
        assert_eq!(shared("/ssh/sessions").as_deref(), Some("fuse.sshfs"));
        assert_eq!(shared("/ntfs/sessions"), None);
    }

    #[test]
    fn nonsense_is_passed_over() {
        assert_eq!(kind(b"\n\n1 2 3\n1 2 3 4 /\n", Path::new("/")), None);
    }
}
