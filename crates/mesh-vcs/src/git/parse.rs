//! Parsers of what git writes: bytes in, data or the reason why not. Lists of paths are asked for with `-z`, so any name is safe.

use crate::model::{ChangeKind, Changed, CommitId};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// One worktree of `worktree list --porcelain -z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Worktree {
    pub path: PathBuf,
    pub head: Option<CommitId>,
    /// Full name of the branch that is checked out.
    pub branch: Option<String>,
    pub bare: bool,
    /// Why it is locked; ours carry their name there.
    pub locked: Option<String>,
}

/// One entry of `status --porcelain=v1 -z --no-renames`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusEntry {
    pub path: PathBuf,
    pub unmerged: bool,
}

/// A tree that `merge-tree --write-tree -z --name-only --no-messages` made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MergedTree {
    pub tree: CommitId,
    pub conflicted: Vec<PathBuf>,
}

/// A commit with its parents, from `rev-list --parents`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WithParents {
    pub commit: CommitId,
    pub parents: Vec<CommitId>,
}

/// One line of a reflog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Move {
    pub old: Option<CommitId>,
    pub new: CommitId,
    pub what: String,
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn id(bytes: &[u8]) -> Result<CommitId, String> {
    CommitId::new(text(bytes)?).map_err(|error| error.to_string())
}

/// The fields of a `-z` list; each ends with a NUL.
fn fields(bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    match bytes.split_last() {
        None => Ok(Vec::new()),
        Some((0, rest)) => Ok(rest.split(|b| *b == 0).collect()),
        Some(_) => Err("its last field is not complete".to_owned()),
    }
}

/// One line that is an id.
pub(crate) fn one_commit(bytes: &[u8]) -> Result<CommitId, String> {
    match commits(bytes)?.as_slice() {
        [one] => Ok(one.clone()),
        several => Err(format!("{} ids instead of one", several.len())),
    }
}

/// Ids, one a line.
pub(crate) fn commits(bytes: &[u8]) -> Result<Vec<CommitId>, String> {
    text(bytes)?
        .lines()
        .map(|line| id(line.as_bytes()))
        .collect()
}

/// One line that is an absolute path.
pub(crate) fn one_path(bytes: &[u8]) -> Result<PathBuf, String> {
    let path = path(bytes.strip_suffix(b"\n").unwrap_or(bytes));
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("{} is not an absolute path", path.display()))
    }
}

/// `worktree list --porcelain -z`.
pub(crate) fn worktrees(bytes: &[u8]) -> Result<Vec<Worktree>, String> {
    let mut all: Vec<Worktree> = Vec::new();
    for field in fields(bytes)? {
        if let Some(at) = field.strip_prefix(b"worktree ") {
            all.push(Worktree {
                path: path(at),
                head: None,
                branch: None,
                bare: false,
                locked: None,
            });
            continue;
        }
        if field.is_empty() {
            continue;
        }
        let last = all
            .last_mut()
            .ok_or("an attribute comes before any worktree")?;
        let line = String::from_utf8_lossy(field);
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("HEAD", commit) => {
                last.head = CommitId::new(commit)
                    .ok()
                    .filter(|c| !c.as_str().bytes().all(|b| b == b'0'))
            }
            ("branch", branch) => last.branch = Some(branch.to_owned()),
            ("bare", _) => last.bare = true,
            ("locked", reason) => last.locked = Some(reason.to_owned()),
            // Newer versions add attributes.
            _ => {}
        }
    }
    Ok(all)
}

/// `status --porcelain=v1 -z --no-renames`.
pub(crate) fn status(bytes: &[u8]) -> Result<Vec<StatusEntry>, String> {
    fields(bytes)?
        .into_iter()
        .map(|field| match field {
            [x, y, b' ', rest @ ..] if !rest.is_empty() => {
                let unmerged = *x == b'U' || *y == b'U' || (x == y && (*x == b'A' || *x == b'D'));
                Ok(StatusEntry {
                    path: path(rest),
                    unmerged,
                })
            }
            _ => Err(format!(
                "{:?} is no status entry",
                String::from_utf8_lossy(field)
            )),
        })
        .collect()
}

/// `diff-tree -r -z --no-renames --name-status`.
pub(crate) fn changes(bytes: &[u8]) -> Result<Vec<Changed>, String> {
    let fields = fields(bytes)?;
    let (pairs, rest) = fields.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a status has no path".to_owned());
    }
    let mut changes = Vec::new();
    for [status, at] in pairs {
        let kind = match *status {
            b"A" => ChangeKind::Added,
            b"M" | b"T" => ChangeKind::Modified,
            b"D" => ChangeKind::Removed,
            other => return Err(format!("{:?} is no status", String::from_utf8_lossy(other))),
        };
        changes.push(Changed {
            path: path(at),
            kind,
        });
    }
    changes.sort();
    Ok(changes)
}

/// As [`changes`], behind the second at which the commit was made. What separates the two differs between versions of git, and no
/// status begins with it.
pub(crate) fn second_and_changes(bytes: &[u8]) -> Result<(u64, Vec<Changed>), String> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (second, rest) = bytes.split_at(digits);
    let second = text(second)?;
    let second = second.parse().map_err(|_| "it has no date".to_owned())?;
    let between = rest.iter().take_while(|byte| [b'\0', b'\n'].contains(byte));
    let rest = &rest[between.count()..];
    Ok((second, changes(rest)?))
}

/// `merge-tree --write-tree -z --name-only --no-messages`.
pub(crate) fn merged_tree(bytes: &[u8]) -> Result<MergedTree, String> {
    let mut fields = fields(bytes)?.into_iter();
    let tree = id(fields.next().ok_or("it is empty")?)?;
    Ok(MergedTree {
        tree,
        conflicted: fields
            .take_while(|field| !field.is_empty())
            .map(path)
            .collect(),
    })
}

/// `rev-list --parents`.
pub(crate) fn with_parents(bytes: &[u8]) -> Result<Vec<WithParents>, String> {
    text(bytes)?
        .lines()
        .map(|line| {
            let mut ids = line.split(' ').map(|word| id(word.as_bytes()));
            let commit = ids.next().ok_or("a line is empty")??;
            Ok(WithParents {
                commit,
                parents: ids.collect::<Result<_, String>>()?,
            })
        })
        .collect()
}

/// One entry of `ls-files --cached --others --exclude-standard --stage -v -z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub path: PathBuf,
    pub state: Listing,
}

/// What the index has of a listed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Nothing, and what lies there is a repository of its own.
    Repository,
    /// Nothing.
    New,
    /// One side of a conflict.
    Unmerged,
    /// A submodule, at this commit.
    Gitlink(CommitId),
    /// A file. `taken_as_unchanged`: whoever marked it so wants git not to look at it.
    File { taken_as_unchanged: bool },
}

/// `ls-files --cached --others --exclude-standard --stage -v -z`.
pub(crate) fn listing(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    let one = |field: &[u8]| {
        let no_entry = || format!("{:?} is no entry", String::from_utf8_lossy(field));
        let (tag, rest) = match field {
            [tag, b' ', rest @ ..] if !rest.is_empty() => (*tag, rest),
            _ => return Err(no_entry()),
        };
        if tag == b'?' {
            let state = if rest.ends_with(b"/") {
                Listing::Repository
            } else {
                Listing::New
            };
            return Ok(Listed {
                path: path(rest.strip_suffix(b"/").unwrap_or(rest)),
                state,
            });
        }
        let tab = rest.iter().position(|b| *b == b'\t').ok_or_else(no_entry)?;
        let mut words = rest[..tab].split(|b| *b == b' ');
        let (Some(mode), Some(object), Some(stage)) = (words.next(), words.next(), words.next())
        else {
            return Err(no_entry());
        };
        let state = if stage != b"0" {
            Listing::Unmerged
        } else if mode == GITLINK {
            Listing::Gitlink(id(object)?)
        } else {
            Listing::File {
                taken_as_unchanged: tag.is_ascii_lowercase(),
            }
        };
        Ok(Listed {
            path: path(&rest[tab + 1..]),
            state,
        })
    };
    fields(bytes)?.into_iter().map(one).collect()
}

/// The mode of a submodule in trees and indexes.
const GITLINK: &[u8] = b"160000";

/// The submodules in `ls-tree -z`, with their commits.
pub(crate) fn gitlinks(bytes: &[u8]) -> Result<Vec<(PathBuf, CommitId)>, String> {
    let mut links = Vec::new();
    for field in fields(bytes)? {
        let tab = field
            .iter()
            .position(|b| *b == b'\t')
            .ok_or("an entry has no path")?;
        if let Some(rest) = field[..tab].strip_prefix(b"160000 commit ") {
            links.push((path(&field[tab + 1..]), id(rest)?));
        }
    }
    Ok(links)
}

/// Paths, as `-z --name-only` lists them.
pub(crate) fn paths(bytes: &[u8]) -> Result<Vec<PathBuf>, String> {
    Ok(fields(bytes)?.into_iter().map(path).collect())
}

/// `config --list --null`: names and values.
pub(crate) fn config(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    Ok(fields(bytes)?.into_iter().map(setting).collect())
}

fn setting(field: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(field);
    // A name alone is a setting that is true.
    let (name, value) = text.split_once('\n').unwrap_or((&text, ""));
    (name.to_owned(), value.to_owned())
}

/// The names of submodules by their paths, from `config --list --null` of a `.gitmodules`.
pub(crate) fn submodules(bytes: &[u8]) -> BTreeMap<PathBuf, String> {
    let entries = config(bytes).unwrap_or_default();
    let named = entries.into_iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("submodule.")?.strip_suffix(".path")?;
        Some((PathBuf::from(value), name.to_owned()))
    });
    named.collect()
}

/// Where a submodule stands, and what is changed in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubmoduleState {
    pub head: Option<CommitId>,
    pub changed: Vec<PathBuf>,
}

/// `status --porcelain=v2 --branch -z --no-renames`.
pub(crate) fn submodule_state(bytes: &[u8]) -> Result<SubmoduleState, String> {
    let mut state = SubmoduleState {
        head: None,
        changed: Vec::new(),
    };
    for field in fields(bytes)? {
        if let Some(oid) = field.strip_prefix(b"# branch.oid ") {
            state.head = id(oid).ok();
            continue;
        }
        // How many words stand in front of the path.
        let words = match field.first() {
            Some(b'#') => continue,
            Some(b'1') => 8,
            Some(b'u') => 10,
            Some(b'?') => 1,
            _ => return Err(format!("{:?} is no entry", String::from_utf8_lossy(field))),
        };
        let at = field.splitn(words + 1, |b| *b == b' ').nth(words);
        state.changed.push(path(at.ok_or("an entry has no path")?));
    }
    Ok(state)
}

/// A reflog file, oldest first; lines that cannot be read are left out, because it is a help and no record.
pub(crate) fn reflog(bytes: &[u8]) -> Vec<Move> {
    let one = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (head, what) = line.split_once('\t').unwrap_or((&line, ""));
        let mut words = head.split(' ');
        let (old, new) = (words.next()?, words.next()?);
        let zero = old.bytes().all(|b| b == b'0');
        let old = if zero {
            None
        } else {
            Some(CommitId::new(old).ok()?)
        };
        Some(Move {
            old,
            new: CommitId::new(new).ok()?,
            what: what.to_owned(),
        })
    };
    bytes.split(|b| *b == b'\n').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    const A: &str = "aafec1d74b7ae9d837e56d02be6a7fb9ab8410a3";
    const B: &str = "7378bed40c6f1bcc233129d4397e910a75957b0e";

    /// Captured from git 2.39.5, with the lines of newer ones added.
    #[test]
    fn worktrees_with_all_their_attributes() {
        let text = format!(
            "worktree /r\0HEAD {A}\0branch refs/heads/main\0\0worktree /w x\0HEAD {B}\0detached\0locked mesh workspace mesh-a\0\0\
             worktree /gone\0HEAD {B}\0detached\0prunable gitdir file points to non-existent location\0\0worktree /b\0bare\0\0"
        );
        let found = worktrees(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!(found[0].branch.as_deref(), Some("refs/heads/main"));
        assert_eq!(
            (found[1].path.as_path(), found[1].locked.as_deref()),
            (Path::new("/w x"), Some("mesh workspace mesh-a"))
        );
        assert_eq!(found[1].head.as_ref().map(CommitId::as_str), Some(B));
        assert!(found[3].bare && !found[0].bare);
        assert!(worktrees(format!("HEAD {A}\0").as_bytes()).is_err());
        assert!(worktrees(b"worktree /r").is_err(), "cut off");
    }

    #[test]
    fn a_merged_tree_and_its_conflicts() {
        let clean = merged_tree(format!("{A}\0").as_bytes()).unwrap();
        assert_eq!((clean.tree.as_str(), clean.conflicted.len()), (A, 0));
        let torn = merged_tree(format!("{A}\0a b\0c\nd\0").as_bytes()).unwrap();
        assert_eq!(torn.conflicted, [Path::new("a b"), Path::new("c\nd")]);
        // With messages, as some versions write them in spite of the option: they follow an empty field.
        assert_eq!(
            merged_tree(format!("{A}\0a\0\x001\0a\0Auto-merging\0").as_bytes())
                .unwrap()
                .conflicted,
            [Path::new("a")]
        );
        assert!(merged_tree(b"").is_err() && merged_tree(b"rubbish\0").is_err());
    }

    #[test]
    fn changes_and_status() {
        let found = changes(b"M\0b\0A\0a\nc\0D\0z\0T\0l\0").unwrap();
        assert_eq!(
            found.iter().map(|one| one.kind).collect::<Vec<_>>(),
            [
                ChangeKind::Added,
                ChangeKind::Modified,
                ChangeKind::Modified,
                ChangeKind::Removed
            ]
        );
        assert!(
            changes(b"M\0").is_err() && changes(b"X\0a\0").is_err() && changes(b"M\0a").is_err()
        );
        let found = status(b" M a\0?? b c\0UU d\0AA e\0R  f\0").unwrap();
        assert_eq!(
            found.iter().map(|one| one.unmerged).collect::<Vec<_>>(),
            [false, false, true, true, false]
        );
        assert!(status(b"M\0").is_err() && status(b" M \0").is_err());
    }

    /// Captured from git 2.39.5.
    #[test]
    fn a_listing_of_all_there_is() {
        let text = format!(
            "? app/\0? new\0H 100644 {A} 0\ta b\0h 100644 {A} 0\tc\nd\0H 160000 {B} 0\tlib\0M 100644 {A} 1\tx\0S 100755 {A} 0\ts\0"
        );
        let file = |taken_as_unchanged| Listing::File { taken_as_unchanged };
        let found: Vec<(String, Listing)> = listing(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|one| (one.path.display().to_string(), one.state))
            .collect();
        let expected = [
            ("app", Listing::Repository),
            ("new", Listing::New),
            ("a b", file(false)),
            ("c\nd", file(true)),
            ("lib", Listing::Gitlink(CommitId::new(B).unwrap())),
            ("x", Listing::Unmerged),
            ("s", file(false)),
        ];
        assert_eq!(
            found,
            expected.map(|(path, state)| (path.to_owned(), state))
        );
        assert!(listing(b"H 100644\0").is_err() && listing(b"rubbish\0").is_err());
    }

    #[test]
    fn the_state_of_a_submodule() {
        let text = format!(
            "# branch.oid {A}\0# branch.head (detached)\x001 .M N... 100644 100644 100644 {A} {A} a b\0? c d\0"
        );
        let state = submodule_state(text.as_bytes()).unwrap();
        assert_eq!(state.head.as_ref().map(CommitId::as_str), Some(A));
        assert_eq!(state.changed, [Path::new("a b"), Path::new("c d")]);
        let unborn = submodule_state(b"# branch.oid (initial)\0").unwrap();
        assert!(unborn.head.is_none() && submodule_state(b"x y\0").is_err());
    }

    #[test]
    fn settings_and_submodules() {
        let found = config(b"user.name\nA\nB\0core.bare\0").unwrap();
        assert_eq!(
            found,
            [("user.name", "A\nB"), ("core.bare", "")].map(|(n, v)| (n.to_owned(), v.to_owned()))
        );
        let named = submodules(b"submodule.a.b.path\nlib\0submodule.a.b.url\nx\0");
        assert_eq!(named.get(Path::new("lib")).map(String::as_str), Some("a.b"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (worktrees(&bytes), status(&bytes), changes(&bytes), merged_tree(&bytes), listing(&bytes), gitlinks(&bytes));
            let _ = (paths(&bytes), config(&bytes), submodules(&bytes), submodule_state(&bytes));
            let _ = (with_parents(&bytes), reflog(&bytes), commits(&bytes), one_path(&bytes), one_commit(&bytes));
        }
    }
}
