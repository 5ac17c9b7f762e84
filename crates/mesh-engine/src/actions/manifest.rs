//! What lies in a folder, compared by what the file system says of it: to see whether a proof changed anything without asking
//! version control. Never a reason to take a result for another one than it is.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// With more files than these a look costs as much as version control does, which leaves out what is ignored.
const MOST: usize = 20_000;

/// A digest of the names of all files below a folder, with what changes when one is written: inode, mode, size, and when the inode
/// was changed last, which no program can set. Files of version control itself are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest(u64);

impl Manifest {
    /// Nothing when something cannot be read, or there is too much.
    pub fn of(folder: &Path) -> Option<Manifest> {
        let mut found: Vec<(PathBuf, [u64; 5])> = Vec::new();
        let mut todo = vec![PathBuf::new()];
        while let Some(below) = todo.pop() {
            for entry in fs_err::read_dir(folder.join(&below)).ok()? {
                let entry = entry.ok()?;
                let name = entry.file_name();
                if name == ".git" || name == ".jj" {
                    continue;
                }
                let path = below.join(name);
                let metadata = entry.metadata().ok()?;
                let (inode, mode) = (metadata.ino(), u64::from(metadata.mode()));
                if metadata.is_dir() {
                    todo.push(path.clone());
                    // Its size and time tell of what is in it, which is looked at by itself.
                    found.push((path, [inode, mode, 0, 0, 0]));
                } else {
                    let changed = [metadata.ctime(), metadata.ctime_nsec()];
                    let [seconds, nanoseconds] = changed.map(i64::cast_unsigned);
                    found.push((path, [inode, mode, metadata.size(), seconds, nanoseconds]));
                }
                if found.len() > MOST {
                    return None;
                }
            }
        }
        found.sort();
        let mut hasher = DefaultHasher::new();
        found.hash(&mut hasher);
        Some(Manifest(hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_shows_and_what_version_control_does_does_not() {
        let temp = tempfile::tempdir().expect("a folder");
        let at = |name: &str| temp.path().join(name);
        fs_err::create_dir_all(at("a/.git")).expect("folders");
        fs_err::write(at("a/file"), "one").expect("a file");
        let now = || Manifest::of(temp.path()).expect("it can be read");
        let first = now();
        fs_err::write(at("a/.git/index"), "x").expect("a file");
        assert_eq!(now(), first);
        let changes: [&dyn Fn(); 5] = [
            &|| fs_err::write(at("a/file"), "longer").expect("a file"),
            &|| fs_err::write(at("new"), "").expect("a file"),
            &|| fs_err::rename(at("new"), at("a/new")).expect("a move"),
            &|| fs_err::create_dir(at("empty")).expect("a folder"),
            &|| fs_err::remove_file(at("a/file")).expect("no file"),
        ];
        let mut before = first;
        for change in changes {
            change();
            assert_ne!(now(), before);
            before = now();
        }
    }
}
