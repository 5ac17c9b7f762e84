//! The real `bd`: `MESH_BD`, else the first `bd` on `PATH` that is not this program.
//!
//! This program is often called `bd` itself, is first on an agent's `PATH`, and may be there several times: linked, hard
//! linked, copied. None of these is ever started. Nor is a file that others may change, or one that depends on the current
//! folder.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::env::MESH_BD;

/// Why there is no `bd` to run. Its `Display` is one line.
#[derive(Debug, PartialEq, Eq)]
pub struct NotFound {
    /// Whether `MESH_BD` named it; else `PATH` was searched.
    pub named: bool,
    /// What was looked at and passed over, with the reason.
    pub passed_over: Vec<(PathBuf, Reason)>,
}

/// Why a file is not taken for the real `bd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The path depends on the current folder.
    Relative,
    /// There is no such file, or it cannot be looked at.
    Missing,
    /// It is a folder, or nobody may execute it.
    NotExecutable,
    /// Group or others may write to it, or to its folder.
    Writable,
    /// It is this program: the same file, or a copy.
    Itself,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.named { MESH_BD } else { "PATH" };
        write!(f, "no usable bd in {place}")?;
        for (path, reason) in &self.passed_over {
            let reason = match reason {
                Reason::Relative => "is not absolute",
                Reason::Missing => "is not there",
                Reason::NotExecutable => "is not an executable file",
                Reason::Writable => "may be written by others (chmod go-w it and its folder)",
                Reason::Itself => "is this wrapper",
            };
            write!(f, "; {path:?} {reason}")?;
        }
        write!(f, "; set {MESH_BD} to the absolute path of the real bd")
    }
}

/// Finds the real `bd` from the values of `MESH_BD` and `PATH`.
///
/// # Errors
/// When there is none, with all that was passed over.
pub fn real_bd(mesh_bd: Option<OsString>, path: Option<OsString>) -> Result<PathBuf, NotFound> {
    let me = fs::metadata("/proc/self/exe")
        .ok()
        .or_else(|| fs::metadata(std::env::current_exe().ok()?).ok());
    let mesh_bd = mesh_bd.filter(|value| !value.is_empty());
    let named = mesh_bd.is_some();
    let mut passed_over = Vec::new();
    let candidates = match mesh_bd {
        Some(program) => vec![PathBuf::from(program)],
        None => std::env::split_paths(&path.unwrap_or_default())
            .map(|entry| entry.join("bd"))
            .collect(),
    };
    for candidate in candidates {
        match judge(&candidate, me.as_ref()) {
            Ok(()) => return Ok(candidate),
            // An entry of PATH without a `bd` is nothing to speak of.
            Err(Reason::Missing) if !named => {}
            Err(reason) => passed_over.push((candidate, reason)),
        }
    }
    Err(NotFound { named, passed_over })
}

fn judge(candidate: &Path, me: Option<&Metadata>) -> Result<(), Reason> {
    if !candidate.is_absolute() {
        return Err(Reason::Relative);
    }
    let real = fs::canonicalize(candidate).map_err(|_| Reason::Missing)?;
    let file = fs::metadata(&real).map_err(|_| Reason::Missing)?;
    if !file.is_file() || file.mode() & 0o111 == 0 {
        return Err(Reason::NotExecutable);
    }
    if me.is_some_and(|me| is_same_file(me, &file) || is_copy(me, &file, &real)) {
        return Err(Reason::Itself);
    }
    let folders = [candidate.parent(), real.parent()].into_iter().flatten();
    let open_folder =
        |folder: &Path| fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o1002 == 0o0002);
    if file.mode() & 0o022 != 0 || folders.into_iter().any(open_folder) {
        return Err(Reason::Writable);
    }
    Ok(())
}

/// Whether both are the same file, whatever their paths.
pub(crate) fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether `path` holds the same bytes as this program; read only when the sizes agree.
fn is_copy(me: &Metadata, other: &Metadata, path: &Path) -> bool {
    if me.len() != other.len() {
        return false;
    }
    let own = File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?));
    let (Ok(mut own), Ok(mut other)) = (own, File::open(path)) else {
        return false;
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    own.read_to_end(&mut ours).is_ok() && other.read_to_end(&mut theirs).is_ok() && ours == theirs
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("mesh-bd-ro-find-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).expect("a temporary folder can be made");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("own folder");
            Folder(path)
        }

        fn program(&self, name: &str, mode: u32) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folder");
            fs::write(&path, "#!/bin/sh\n").expect("file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("own file");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn on_path(entries: &[&Path]) -> Result<PathBuf, NotFound> {
        real_bd(
            None,
            Some(std::env::join_paths(entries).expect("no colons in the test's paths")),
        )
    }

    #[test]
    fn the_first_usable_bd_on_path_is_taken() {
        let folder = Folder::new("first");
        folder.program("a/other", 0o755);
        folder.program("b/bd", 0o644);
        folder.program("c/bd", 0o775);
        folder.program("d/bd", 0o757);
        let good = folder.program("e/bd", 0o755);
        let entries: Vec<PathBuf> = ["a", "b", "c", "d", "e"]
            .iter()
            .map(|name| folder.0.join(name))
            .collect();
        let entries: Vec<&Path> = entries.iter().map(PathBuf::as_path).collect();
        assert_eq!(on_path(&entries), Ok(good));
        let none = on_path(&entries[..4]).expect_err("no usable bd among the first four");
        let reasons: Vec<Reason> = none.passed_over.iter().map(|(_, reason)| *reason).collect();
        assert_eq!(
            reasons,
            [Reason::NotExecutable, Reason::Writable, Reason::Writable]
        );
        assert!(none.to_string().contains("chmod go-w"), "{none}");
    }

    #[test]
    fn this_program_is_passed_over_linked_hard_linked_and_copied() {
        let folder = Folder::new("itself");
        let me = std::env::current_exe().expect("a test has a program");
        for name in ["link", "copy", "hard"] {
            fs::create_dir(folder.0.join(name)).expect("folder");
        }
        symlink(&me, folder.0.join("link/bd")).expect("symlink");
        fs::copy(&me, folder.0.join("copy/bd")).expect("copy");
        // Hard links need one file system; where the temporary folder is another, the link stands for it.
        let hard = folder.0.join("hard/bd");
        if fs::hard_link(&me, &hard).is_err() {
            symlink(&me, &hard).expect("symlink");
        }
        for name in ["link", "copy", "hard"] {
            let none = on_path(&[&folder.0.join(name)]).expect_err("it is this program");
            assert_eq!(none.passed_over[0].1, Reason::Itself, "{name}");
            let named = real_bd(Some(folder.0.join(name).join("bd").into()), None)
                .expect_err("named, it is too");
            assert_eq!(named.passed_over[0].1, Reason::Itself, "{name}");
        }
    }

    #[test]
    fn relative_paths_and_open_folders_are_never_taken() {
        let folder = Folder::new("relative");
        let program = folder.program("open/bd", 0o755);
        assert!(real_bd(Some("bd".into()), Some("/usr/bin".into())).is_err());
        assert!(real_bd(Some("./bd".into()), None).is_err());
        assert!(real_bd(None, Some("".into())).is_err());
        assert!(real_bd(None, None).is_err());
        assert!(on_path(&[Path::new("."), Path::new("open")]).is_err());
        assert_eq!(
            real_bd(Some(program.clone().into()), None),
            Ok(program.clone())
        );
        fs::set_permissions(folder.0.join("open"), fs::Permissions::from_mode(0o777))
            .expect("own folder");
        let none = real_bd(Some(program.into()), None).expect_err("anybody may replace it");
        assert_eq!(none.passed_over[0].1, Reason::Writable);
    }
}
