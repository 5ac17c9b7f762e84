//! What the commits of an attempt add to a git store: messages, paths and contents, for somebody who looks for something in them. Nothing
//! is changed, and nothing of the contents is kept.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::call::{Answer, args};
use crate::error::VcsError;
use crate::git::succeeded;
use crate::model::{CommitId, FoundIn, Place};

/// A call of git in the store, with something to read.
pub(crate) type Ask<'a> = &'a dyn Fn(Vec<OsString>, &[u8]) -> Result<Answer, VcsError>;

/// Most bytes of contents that one call is asked for; a larger file is not looked into.
const MOST_BYTES: u64 = 32 << 20;

/// See [`crate::Repository::search_added`]. Every object that the commits have and those `below` have not: also what an attempt
/// committed and took out again.
pub(crate) fn search(
    ask: Ask<'_>,
    below: &[CommitId],
    commit: &CommitId,
    find: &dyn Fn(&[u8]) -> Option<String>,
) -> Result<Vec<FoundIn>, VcsError> {
    let mut command = args!["rev-list", "--objects", commit.as_str()];
    command.extend(below.iter().map(|commit| format!("^{commit}").into()));
    let listed = succeeded(ask(command, &[])?)?;
    let mut paths: BTreeMap<String, String> = BTreeMap::new();
    let mut ids = String::new();
    for line in listed.stdout_text().lines() {
        let (id, path) = line.split_once(' ').unwrap_or((line, ""));
        paths.insert(id.to_owned(), path.to_owned());
        ids.push_str(id);
        ids.push('\n');
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sizes = succeeded(ask(args!["cat-file", "--batch-check"], ids.as_bytes())?)?;
    let mut found = Vec::new();
    for group in groups(&sizes.stdout_text()) {
        let answer = succeeded(ask(args!["cat-file", "--batch"], group.as_bytes())?)?;
        let read = objects(answer.stdout()).map_err(|reason| answer.unreadable(reason))?;
        for object in read {
            let path = paths
                .get(&object.id)
                .map(String::as_str)
                .unwrap_or_default();
            if let Some(what) = find(path.as_bytes()) {
                found.push(FoundIn {
                    place: Place::Path,
                    what,
                });
                continue;
            }
            let Some(what) = find(object.content) else {
                continue;
            };
            if object.kind == "commit" {
                let place = Place::Message(CommitId::new(object.id)?);
                found.push(FoundIn { place, what });
            } else if !is_there_below(ask, below, path, find)? {
                let place = Place::File(path.into());
                found.push(FoundIn { place, what });
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Whether the file has had it before, so that the attempt has not added it.
fn is_there_below(
    ask: Ask<'_>,
    below: &[CommitId],
    path: &str,
    find: &dyn Fn(&[u8]) -> Option<String>,
) -> Result<bool, VcsError> {
    for commit in below {
        let answer = ask(args!["cat-file", "blob", format!("{commit}:{path}")], &[])?;
        if answer.code() == Some(0) && find(answer.stdout()).is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Commits and files of an answer of `--batch-check`, so many in a group that their contents are not too much for one answer.
fn groups(sizes: &str) -> Vec<String> {
    let mut groups: Vec<(String, u64)> = Vec::new();
    for line in sizes.lines() {
        let mut words = line.split(' ');
        let (Some(id), Some("commit" | "blob"), Some(size)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let size: u64 = size.parse().unwrap_or(u64::MAX);
        if size > MOST_BYTES {
            tracing::warn!(id, size, "a file that large is not looked into for secrets");
            continue;
        }
        match groups.last_mut() {
            Some((ids, bytes)) if *bytes + size <= MOST_BYTES => {
                ids.push_str(id);
                ids.push('\n');
                *bytes += size;
            }
            _ => groups.push((format!("{id}\n"), size)),
        }
    }
    groups.into_iter().map(|(ids, _)| ids).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Object<'a> {
    id: String,
    kind: String,
    content: &'a [u8],
}

/// An answer of `cat-file --batch`: a line `ID KIND SIZE` for each object, its content, a line break.
fn objects(bytes: &[u8]) -> Result<Vec<Object<'_>>, String> {
    let mut rest = bytes;
    let mut objects = Vec::new();
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or("a head without an end")?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let words: Vec<&str> = head.split(' ').collect();
        let [id, kind, size] = words.as_slice() else {
            return Err(format!("`{head}` is no head of an object"));
        };
        let size: usize = size.parse().map_err(|_| format!("`{head}` has no size"))?;
        let content = rest
            .get(end + 1..)
            .and_then(|rest| rest.get(..size))
            .ok_or("an object that is cut off")?;
        objects.push(Object {
            id: (*id).to_owned(),
            kind: (*kind).to_owned(),
            content,
        });
        rest = rest.get(end + 1 + size + 1..).unwrap_or_default();
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_whatever_they_hold() {
        let read = objects(b"aa commit 3\nx\ny\nbb blob 0\n\n").expect("two objects");
        let shown: Vec<(&str, &[u8])> = read
            .iter()
            .map(|object| (object.kind.as_str(), object.content))
            .collect();
        assert_eq!(shown, [("commit", &b"x\ny"[..]), ("blob", b"")]);
        assert!(objects(b"aa commit 9\nx\n").is_err());
        assert!(objects(b"aa missing\n").is_err());
    }

    #[test]
    fn no_group_is_too_much_for_one_answer() {
        let half = MOST_BYTES / 2;
        let sizes = format!(
            "a blob {half}\nt tree 5\nb blob {half}\nc commit 1\nd blob {}\n",
            MOST_BYTES + 1
        );
        assert_eq!(groups(&sizes), ["a\nb\n", "c\n"]);
    }
}
