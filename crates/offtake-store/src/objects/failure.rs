//! What the disk says, as error kinds.

use std::io;
use std::path::Path;

use offtake_model::{Error, ErrorKind};

/// An error about `path`, with the cause kept.
pub(super) fn disk(what: &str, path: &Path, cause: io::Error) -> Error {
    use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let is_one_of = |kinds: &[io::ErrorKind]| kinds.contains(&cause.kind());
    let (kind, advice) = if is_one_of(&[StorageFull, QuotaExceeded]) {
        (ErrorKind::StorageFull, "free some space")
    } else if is_one_of(&[FileTooLarge]) {
        (ErrorKind::StorageFull, "the file system or a limit allows no larger file")
    } else if is_one_of(&[PermissionDenied, ReadOnlyFilesystem]) {
        (ErrorKind::StorageUnavailable, "check that this user may write there")
    } else {
        (ErrorKind::StorageUnavailable, "check the disk")
    };
    Error::new(kind, format!("{} cannot be {what}: {cause}; {advice}", path.display())).caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let path = Path::new("/dev/full");
        let full = std::fs::OpenOptions::new().write(true).open(path).and_then(|mut file| file.write_all(b"x"));
        assert_eq!(disk("written", path, full.unwrap_err()).kind(), ErrorKind::StorageFull);
        for (errno, kind) in [
            (rustix::io::Errno::DQUOT, ErrorKind::StorageFull),
            (rustix::io::Errno::FBIG, ErrorKind::StorageFull),
            (rustix::io::Errno::IO, ErrorKind::StorageUnavailable),
            (rustix::io::Errno::ACCESS, ErrorKind::StorageUnavailable),
            (rustix::io::Errno::ROFS, ErrorKind::StorageUnavailable),
        ] {
            let error = disk("written", path, errno.into());
            assert_eq!(error.kind(), kind, "{errno:?}");
            assert!(std::error::Error::source(&error).is_some(), "the cause is kept");
        }
    }
}
