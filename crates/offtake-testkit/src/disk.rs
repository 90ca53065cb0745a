//! A disk that is full on purpose.
//!
//! A process gets a small tmpfs over one folder, in a mount namespace of its own, so nothing is left behind however
//! it ends and nobody else's disk is touched. Works as root, and unprivileged where user namespaces are allowed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How to start a program whose `folder` is a disk of a few mebibytes.
#[derive(Debug, Clone)]
pub struct SmallDisk {
    folder: PathBuf,
    mebibytes: u32,
}

impl SmallDisk {
    /// A disk of `mebibytes` at `folder`, which must exist.
    ///
    /// # Panics
    /// If this machine allows nobody to mount anything, not even in a namespace of their own.
    pub fn at(folder: &Path, mebibytes: u32) -> Self {
        let disk = Self { folder: folder.to_owned(), mebibytes };
        let mut probe = disk.command(Path::new("true"));
        let output = probe.output().expect("unshare (util-linux) is installed");
        assert!(
            output.status.success(),
            "a test of a full disk needs a tmpfs in a namespace of its own: run as root, or allow unprivileged user \
             namespaces (sysctl user.max_user_namespaces). unshare says: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        disk
    }

    /// A command that becomes `program` (same pid) with the small disk in place.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "--", "sh", "-c"])
            .arg(r#"mount -t tmpfs -o "size=$1,mode=700" tmpfs "$2" && shift 2 && exec "$@""#)
            .arg("small-disk")
            .arg(format!("{}m", self.mebibytes))
            .arg(&self.folder)
            .arg(program);
        command
    }

    /// A path as the process with this pid sees it, which has the disk in place.
    pub fn seen_by(pid: u32, path: &Path) -> PathBuf {
        let mut seen = PathBuf::from(format!("/proc/{pid}/root"));
        seen.push(path.strip_prefix("/").unwrap_or(path));
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_full_where_it_should_be_and_the_real_folder_stays_empty() {
        let folder = tempfile::tempdir().unwrap();
        let disk = SmallDisk::at(folder.path(), 1);
        let file = folder.path().join("large");
        let fits = disk
            .command(Path::new("dd"))
            .args(["if=/dev/zero", "bs=64k", "count=8"])
            .arg(output_to(&file))
            .output()
            .unwrap();
        assert!(fits.status.success(), "{fits:?}");
        let bursts = disk
            .command(Path::new("dd"))
            .args(["if=/dev/zero", "bs=64k", "count=32"])
            .arg(output_to(&file))
            .output()
            .unwrap();
        assert!(!bursts.status.success(), "2 MiB fit on a disk of 1 MiB");
        assert!(String::from_utf8_lossy(&bursts.stderr).contains("No space left"), "{bursts:?}");
        assert!(!file.exists());
    }

    fn output_to(file: &Path) -> String {
        format!("of={}", file.display())
    }
}
