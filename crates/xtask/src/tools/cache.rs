//! The tool cache on disk: one builder at a time, and nothing that looks finished before it is.
//!
//! A build happens in `.building-…` beside the finished tools (same file system) and is renamed into place. The folder is deleted
//! afterwards, and one that a killed build left behind is deleted by the next builder, who knows by the lock that nobody uses it.

use std::path::Path;

use crate::Outcome;

const SCRATCH_PREFIX: &str = ".building-";

/// Runs `work` with an empty scratch folder while holding the cache's lock; the folder is gone afterwards.
///
/// # Errors
/// When the cache cannot be written, and whatever `work` says.
pub fn with_lock<T>(cache: &Path, work: impl FnOnce(&Path) -> Outcome<T>) -> Outcome<T> {
    fs_err::create_dir_all(cache)?;
    let lock = fs_err::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(cache.join(".lock"))?;
    if lock.file().try_lock().is_err() {
        eprintln!(
            "waiting: another `cargo xtask tools` builds into {}",
            cache.display()
        );
        lock.file().lock()?;
    }
    for entry in fs_err::read_dir(cache)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(SCRATCH_PREFIX)
        {
            remove(&entry.path())?;
        }
    }
    let scratch = tempfile::Builder::new()
        .prefix(SCRATCH_PREFIX)
        .tempdir_in(cache)?
        .keep();
    let answer = work(&scratch);
    let cleaned = remove(&scratch);
    // A failed build is the news, not the folder that could not be removed after it.
    let answer = answer?;
    cleaned?;
    Ok(answer)
}

/// Moves a finished tool's folder to its place.
///
/// # Errors
/// When the place is taken by something else or the rename fails.
pub fn publish(finished: &Path, place: &Path) -> Outcome<()> {
    if place.exists() {
        // Its program is missing, else nothing would have been built.
        fs_err::remove_dir_all(place)?;
    }
    fs_err::rename(finished, place)?;
    Ok(())
}

/// Deletes a folder even when it holds read-only folders.
fn remove(folder: &Path) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    if !folder.exists() {
        return Ok(());
    }
    if fs_err::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    let mut pending = vec![folder.to_path_buf()];
    while let Some(next) = pending.pop() {
        fs_err::set_permissions(&next, std::fs::Permissions::from_mode(0o755))?;
        for entry in fs_err::read_dir(&next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    fs_err::remove_dir_all(folder)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs_err::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_finished_tool_is_moved_and_the_scratch_folder_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("deep").join("cache");
        with_lock(&cache, |scratch| {
            let finished = scratch.join("finished");
            fs_err::create_dir_all(finished.join("bin"))?;
            fs_err::write(finished.join("bin").join("bd"), "x")?;
            publish(&finished, &cache.join("bd-1"))
        })
        .unwrap();
        assert_eq!(names(&cache), [".lock", "bd-1"]);
        assert!(cache.join("bd-1/bin/bd").is_file());
    }

    #[test]
    fn a_failed_build_leaves_nothing_and_its_error_is_the_one_told() {
        let home = tempfile::tempdir().unwrap();
        let error = with_lock(home.path(), |scratch| -> Outcome<()> {
            fs_err::write(scratch.join("half"), "x")?;
            Err("the compiler said no".into())
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "the compiler said no");
        assert_eq!(names(home.path()), [".lock"]);
    }

    #[test]
    fn what_a_killed_build_left_is_cleared_away_even_when_read_only() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let left = home.path().join(".building-old").join("module");
        fs_err::create_dir_all(&left).unwrap();
        fs_err::write(left.join("file"), "x").unwrap();
        fs_err::set_permissions(&left, std::fs::Permissions::from_mode(0o555)).unwrap();
        fs_err::create_dir_all(home.path().join("jj-1")).unwrap();
        with_lock(home.path(), |_| Ok(())).unwrap();
        assert_eq!(names(home.path()), [".lock", "jj-1"]);
    }

    #[test]
    fn a_folder_without_its_program_gives_way_to_a_finished_one() {
        let home = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(home.path().join("bd-1").join("rest")).unwrap();
        fs_err::create_dir_all(home.path().join("new").join("bin")).unwrap();
        publish(&home.path().join("new"), &home.path().join("bd-1")).unwrap();
        assert_eq!(names(&home.path().join("bd-1")), ["bin"]);
    }

    #[test]
    fn two_builders_never_work_at_once() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    with_lock(cache, |_| {
                        let mark = cache.join("somebody-works");
                        // `create_new` fails when another builder's mark is there.
                        drop(
                            fs_err::OpenOptions::new()
                                .write(true)
                                .create_new(true)
                                .open(&mark)?,
                        );
                        fs_err::remove_file(&mark)?;
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
    }
}
