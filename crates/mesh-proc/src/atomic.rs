//! Writing a small file so that a reader sees all of it or nothing, whichever process dies in between. After a loss of power the
//! file may be missing, empty or the old one.

use std::io;
use std::path::{Path, PathBuf};

/// Writes `bytes` to a temporary file beside `path` and renames it over `path`.
///
/// # Errors
/// Whatever the file system says, with the file named; `path` then still has its old content.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_name(path);
    let written = fs_err::write(&temporary, bytes).and_then(|()| fs_err::rename(&temporary, path));
    if written.is_err() {
        // The error that matters is the first one; a leftover temporary file is overwritten by the next try.
        let _ = fs_err::remove_file(&temporary);
    }
    written
}

/// Two processes may write the same file (never the same content at odds): each uses its own temporary name.
fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_whole_and_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_leaves_the_old_content_and_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs_err::create_dir(&path).unwrap();
        fs_err::write(path.join("inside"), b"kept").unwrap();
        write(&path, b"new").unwrap_err();
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
        assert!(path.join("inside").exists());
    }
}
