//! Results that refs of mesh hold, and copies of them outside of the store: whoever deletes or moves such a ref, and collects what it
//! held, takes no result away.

use crate::call::{Answer, args};
use crate::error::VcsError;
use crate::git::succeeded;
use crate::model::CommitId;
use crate::name::kept_ref;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A result that [`crate::Repository::keep`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResult {
    /// The run, the task and the number of the attempt.
    pub attempt: (String, String, u32),
    /// What was recorded.
    pub commit: CommitId,
    /// The file for a copy outside of the store, a git bundle.
    pub copy: PathBuf,
}

impl KeptResult {
    fn name(&self) -> String {
        let (run, task, number) = &self.attempt;
        kept_ref(run, task, *number)
    }
}

/// What has become of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its ref is there.
    Held,
    /// Its ref was deleted or moved, and is there again.
    PutBack,
    /// Its commit had been deleted too, and is there again, from the copy.
    Restored,
    /// Its commit is neither in the store nor in the copy.
    Gone,
}

/// A call of git in the store.
pub(crate) type Ask<'a> = &'a dyn Fn(Vec<OsString>) -> Result<Answer, VcsError>;

/// See [`crate::Repository::copy_result`].
pub(crate) fn copy(
    ask: Ask<'_>,
    result: &KeptResult,
    without: &[CommitId],
) -> Result<(), VcsError> {
    if without.contains(&result.commit) {
        // Nothing of its own.
        return Ok(());
    }
    let mut command = args!["bundle", "create", "--quiet", &result.copy, result.name()];
    command.extend(without.iter().map(|commit| format!("^{commit}").into()));
    succeeded(ask(command)?).map(|_| ())
}

/// See [`crate::Repository::put_back`]. git is asked only when a ref of `store` is not found in a file of its own: it may be packed.
pub(crate) fn put_back(
    ask: Ask<'_>,
    store: &Path,
    results: &[KeptResult],
) -> Result<Vec<Fate>, VcsError> {
    let is_in_file = |result: &KeptResult| {
        let file = fs_err::read_to_string(store.join(result.name()));
        file.is_ok_and(|text| text.trim_end() == result.commit.as_str())
    };
    if results.iter().all(is_in_file) {
        return Ok(vec![Fate::Held; results.len()]);
    }
    let list = args![
        "for-each-ref",
        "--format=%(objectname) %(refname)",
        "refs/mesh/"
    ];
    let list = succeeded(ask(list)?)?.stdout_text();
    let refs: BTreeMap<&str, &str> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(commit, name)| (name, commit))
        .collect();
    let fate = |result: &KeptResult| {
        let name = result.name();
        if refs.get(name.as_str()) == Some(&result.commit.as_str()) {
            return Ok(Fate::Held);
        }
        let fate = if is_there(ask, &result.commit)? {
            Fate::PutBack
        } else {
            // A copy that cannot be read leaves the commit missing.
            ask(args!["bundle", "unbundle", &result.copy])?;
            if !is_there(ask, &result.commit)? {
                return Ok(Fate::Gone);
            }
            Fate::Restored
        };
        succeeded(ask(args!["update-ref", name, result.commit.as_str()])?)?;
        Ok(fate)
    };
    results.iter().map(fate).collect()
}

fn is_there(ask: Ask<'_>, commit: &CommitId) -> Result<bool, VcsError> {
    let answer = ask(args!["cat-file", "-e", format!("{commit}^{{tree}}")])?;
    Ok(answer.code() == Some(0))
}
