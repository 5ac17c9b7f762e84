//! The real program behind a wrapper: the one that a variable names, else the first on `PATH` that is not this program.
//!
//! A wrapper is often called like the program itself, is first on an agent's `PATH`, and may be there several times: linked, hard
//! linked, copied. None of these is ever started. Nor is one that depends on the current folder, or, where that is asked, a file
//! that others may change.
//!
//! It must never start anything itself, and uses the standard library alone, as the wrappers do.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const MISSING: &str = "is not there";
/// Leads to this program, even when its path has gone.
const OWN_PATH: &str = "/proc/self/exe";

/// Exit code of a wrapper's refusal: nothing was started.
pub const EXIT_REFUSED: u8 = 77;
/// Exit code when the real program is there but cannot be used.
pub const EXIT_CANNOT_RUN: u8 = 126;
/// Exit code when there is no real program to run.
pub const EXIT_NOT_FOUND: u8 = 127;

/// A program that is looked for.
#[derive(Debug)]
pub struct Wanted {
    /// Its name on `PATH`.
    pub name: &'static str,
    /// The variable that names it by its absolute path.
    pub variable: &'static str,
    /// Whether a file that others may change is passed over.
    pub alone_writable: bool,
}

/// Finds the real program from the values of its variable and of `PATH`.
///
/// # Errors
/// When there is none: one line with all that was passed over.
pub fn real(
    wanted: &Wanted,
    named: Option<OsString>,
    path: Option<OsString>,
) -> Result<PathBuf, String> {
    let Wanted { name, variable, .. } = wanted;
    let me = fs::metadata(OWN_PATH).ok();
    let path = path.unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|entry| entry.join(name));
    let (place, candidates) = match named.filter(|value| !value.is_empty()) {
        Some(program) => (*variable, vec![PathBuf::from(program)]),
        None => ("PATH", on_path.collect()),
    };
    let mut none = format!("no usable {name} in {place}");
    for candidate in candidates {
        match judge(&candidate, me.as_ref(), wanted.alone_writable) {
            Ok(()) => return Ok(candidate),
            // An entry of PATH without the program is nothing to speak of.
            Err(MISSING) if place == "PATH" => {}
            Err(reason) => none += &format!("; {candidate:?} {reason}"),
        }
    }
    Err(none + &format!("; set {variable} to the absolute path of the real {name}"))
}

/// Whether it can be taken for the real program, or why not.
fn judge(
    candidate: &Path,
    me: Option<&Metadata>,
    alone_writable: bool,
) -> Result<(), &'static str> {
    if !candidate.is_absolute() {
        return Err("is not absolute");
    }
    let real = fs::canonicalize(candidate).map_err(|_| MISSING)?;
    let file = fs::metadata(&real).map_err(|_| MISSING)?;
    if !file.is_file() || file.mode() & 0o111 == 0 {
        return Err("is not an executable file");
    }
    if me.is_some_and(|me| is_same_file(me, &file) || is_copy(me, &file, &real)) {
        return Err("is this wrapper");
    }
    let is_open = |folder: &Path| fs::metadata(folder).is_ok_and(|it| it.mode() & 0o1002 == 0o0002);
    let mut folders = [candidate.parent(), real.parent()].into_iter().flatten();
    if alone_writable && (file.mode() & 0o022 != 0 || folders.any(is_open)) {
        return Err("may be written by others (chmod go-w it and its folder)");
    }
    Ok(())
}

/// Whether both are the same file, whatever their paths.
pub fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether `path` holds the same bytes as this program; read only when the sizes agree.
fn is_copy(me: &Metadata, other: &Metadata, path: &Path) -> bool {
    let same = |own: Vec<u8>| fs::read(path).is_ok_and(|other| other == own);
    me.len() == other.len() && fs::read(OWN_PATH).is_ok_and(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn real_bd(named: Option<OsString>, path: Option<OsString>) -> Result<PathBuf, String> {
        let wanted = Wanted {
            name: "bd",
            variable: "MESH_BD",
            alone_writable: true,
        };
        real(&wanted, named, path)
    }

    const NOT_EXECUTABLE: &str = "is not an executable file";
    const WRITABLE: &str = "may be written by others (chmod go-w it and its folder)";
    const ITSELF: &str = "is this wrapper";

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path =
                std::env::temp_dir().join(format!("mesh-real-{}-{name}", std::process::id()));
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

    fn on_path(entries: &[&Path]) -> Result<PathBuf, String> {
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
        let told: Vec<&str> = none.split("; ").collect();
        let passed_over = ["b", "c", "d"].map(|name| folder.0.join(name).join("bd"));
        let reasons = [NOT_EXECUTABLE, WRITABLE, WRITABLE];
        let wanted = passed_over
            .iter()
            .zip(reasons)
            .map(|(path, reason)| format!("{path:?} {reason}"));
        assert_eq!(told[1..told.len() - 1], wanted.collect::<Vec<_>>());
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
            assert!(none.contains(ITSELF), "{name}: {none}");
            let named = real_bd(Some(folder.0.join(name).join("bd").into()), None)
                .expect_err("named, it is too");
            assert!(named.contains(ITSELF), "{name}: {named}");
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
        assert!(none.contains(WRITABLE), "{none}");
    }
}
