//! A unified diff, read strictly: file headers, hunk ranges that match their lines, and paths that stay inside the repository.
//!
//! `git apply` says whether it fits the files; this says whether it is a diff at all, and in words that help the one who made it.

use mesh_core::text::{is_control, shortened};
use mesh_plan::list::covers;

/// A diff that may be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Patch {
    /// The diff, with `a/` and `b/` in front of its paths, ending in a line end.
    pub(crate) text: String,
    /// What it touches, sorted.
    pub(crate) paths: Vec<String>,
}

/// How many problems of one diff are named.
const SHOWN_PROBLEMS: usize = 10;

impl Patch {
    /// Reads a diff and checks it against the paths and globs that the task may change.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn read(diff: &str, scope: &[String]) -> Result<Patch, PatchProblem> {
        let mut reader = Reader {
            lines: lines_of(diff),
            at: 0,
            text: String::new(),
            paths: Vec::new(),
            problems: Vec::new(),
        };
        reader.read();
        let mut paths = reader.paths;
        paths.sort();
        paths.dedup();
        let mut problems = reader.problems;
        if paths.is_empty() && problems.is_empty() {
            problems.push("there is no file header (`--- a/…`, `+++ b/…`)".to_owned());
        }
        problems.extend(paths.iter().filter_map(|path| path_problem(path)));
        if !problems.is_empty() {
            problems.truncate(SHOWN_PROBLEMS);
            return Err(PatchProblem::Malformed(problems));
        }
        let outside = out_of_scope(&paths, scope);
        if !outside.is_empty() {
            return Err(PatchProblem::OutOfScope(outside));
        }
        let text = reader.text;
        Ok(Patch { text, paths })
    }
}

/// What is wrong with a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PatchProblem {
    /// It cannot be applied by anybody.
    Malformed(Vec<String>),
    /// These paths are not the task's to change.
    OutOfScope(Vec<String>),
}

impl PatchProblem {
    /// In words, for the one who made it.
    pub(crate) fn describe(&self) -> String {
        match self {
            PatchProblem::Malformed(problems) => {
                format!(
                    "the patch is no valid unified diff: {}",
                    problems.join("; ")
                )
            }
            PatchProblem::OutOfScope(paths) => format!(
                "the patch changes what is outside the task's scope: {}",
                paths.join(", ")
            ),
        }
    }
}

/// The lines of a text. Where all end in `\r\n` that is how the text came; otherwise a `\r` belongs to a file's line.
pub(crate) fn lines_of(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    if lines.iter().all(|line| line.ends_with('\r')) {
        lines
            .iter_mut()
            .for_each(|line| *line = &line[..line.len() - 1]);
    }
    lines
}

/// The paths that no pattern of the scope covers.
fn out_of_scope(paths: &[String], scope: &[String]) -> Vec<String> {
    let is_outside = |path: &&String| !scope.iter().any(|pattern| covers(pattern, path));
    let outside = paths
        .iter()
        .filter(|path| !scope.is_empty() && is_outside(path));
    outside.cloned().collect()
}

fn path_problem(path: &str) -> Option<String> {
    let shown = shortened(path, 100);
    let names: Vec<&str> = path.split('/').collect();
    if path.chars().any(is_control) {
        Some(format!(
            "`{}` has a control character in it",
            shown.escape_debug()
        ))
    } else if names.iter().any(|name| matches!(*name, "" | "." | "..")) {
        Some(format!("`{shown}` is no path inside the repository"))
    } else if names.iter().any(|name| name.eq_ignore_ascii_case(".git"))
        || [".jj", ".mesh"]
            .iter()
            .any(|own| names[0].eq_ignore_ascii_case(own))
    {
        Some(format!("`{shown}` is not the task's to change"))
    } else {
        None
    }
}

/// Lines of a file's header that stay as they are.
const EXTENDED: [&str; 7] = [
    "index ",
    "old mode ",
    "new mode ",
    "new file mode ",
    "deleted file mode ",
    "similarity index ",
    "dissimilarity index ",
];

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
    text: String,
    paths: Vec<String>,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    fn line(&self) -> Option<&'a str> {
        self.lines.get(self.at).copied()
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// What stands before the first header is no part of the diff.
    fn read(&mut self) {
        while self.line().is_some_and(|line| !self.is_header(line)) {
            self.at += 1;
        }
        while let Some(line) = self.line() {
            if self.is_header(line) {
                self.file();
            } else {
                if !line.trim().is_empty() {
                    let number = self.at + 1;
                    let line = shortened(line, 60);
                    self.problems
                        .push(format!("line {number} belongs to no hunk: `{line}`"));
                }
                self.at += 1;
            }
        }
    }

    fn is_header(&self, line: &str) -> bool {
        let next = self.lines.get(self.at + 1);
        line.starts_with("diff --git ")
            || line.starts_with("--- ") && next.is_some_and(|next| next.starts_with("+++ "))
    }

    /// One file: its header and its hunks.
    fn file(&mut self) {
        let first = self.at;
        let mut header: Vec<&str> = Vec::new();
        let mut git = None;
        let mut renamed = Vec::new();
        if let Some(rest) = self
            .line()
            .and_then(|line| line.strip_prefix("diff --git "))
        {
            git = Some(rest);
            self.at += 1;
            while let Some(line) = self.line() {
                if let Some(path) = ["rename from ", "rename to ", "copy from ", "copy to "]
                    .iter()
                    .find_map(|word| line.strip_prefix(word))
                {
                    renamed.push(path.trim_end().to_owned());
                } else if line.starts_with("GIT binary patch") || line.starts_with("Binary files ")
                {
                    self.problems.push(format!(
                        "line {}: a binary patch; only text can be patched",
                        self.at + 1
                    ));
                } else if !EXTENDED.iter().any(|word| line.starts_with(word)) {
                    break;
                }
                header.push(line);
                self.at += 1;
            }
        }
        let names = self.names();
        let hunks = self.at;
        let paths = match (&names, git) {
            (Some((old, new)), _) => paths_of(old, new),
            (None, _) if !renamed.is_empty() => Some((renamed, true)),
            (None, Some(rest)) => same_path(rest).map(|path| (vec![path], true)),
            (None, None) => None,
        };
        let Some((paths, prefixed)) = paths else {
            self.problems.push(format!(
                "line {}: the file's name cannot be read; write `--- a/PATH` and `+++ b/PATH` without quotes",
                first + 1
            ));
            self.at = hunks.max(first + 1);
            self.skip_hunks();
            return;
        };
        let name = paths.last().cloned().unwrap_or_default();
        self.write_header(git.is_some(), &header, names.as_ref(), &paths, prefixed);
        self.paths.extend(paths);
        let mut count = 0;
        loop {
            self.skip_blank();
            if !self.line().is_some_and(|line| line.starts_with("@@")) {
                break;
            }
            count += 1;
            self.hunk(&name, count);
        }
        if count == 0 && (names.is_some() || header.is_empty()) {
            self.problems
                .push(format!("{name}: no hunk follows its header"));
        } else if count > 0 && names.is_none() {
            self.problems.push(format!(
                "{name}: no lines `--- a/…` and `+++ b/…` before its hunks"
            ));
        }
    }

    /// The two lines `---` and `+++`, if they come next: the names behind them.
    fn names(&mut self) -> Option<(String, String)> {
        let old = self.line()?.strip_prefix("--- ")?;
        let new = self.lines.get(self.at + 1)?.strip_prefix("+++ ")?;
        self.at += 2;
        // A time may follow, after a tab.
        let name = |text: &str| {
            text.split('\t')
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned()
        };
        Some((name(old), name(new)))
    }

    fn write_header(
        &mut self,
        git: bool,
        extended: &[&str],
        names: Option<&(String, String)>,
        paths: &[String],
        prefixed: bool,
    ) {
        if git {
            let (old, new) = (&paths[0], &paths[paths.len() - 1]);
            let line = format!("diff --git a/{old} b/{new}");
            self.push(&line);
            for line in extended {
                self.push(line);
            }
        }
        if let Some((old, new)) = names {
            let with = |side: &str, name: &str| match name {
                "/dev/null" => name.to_owned(),
                name if prefixed => name.to_owned(),
                name => format!("{side}/{name}"),
            };
            let (old, new) = (with("a", old), with("b", new));
            self.push(&format!("--- {old}"));
            self.push(&format!("+++ {new}"));
        }
    }

    fn skip_blank(&mut self) {
        while self.line().is_some_and(str::is_empty) {
            self.at += 1;
        }
    }

    /// Whether only blank lines stand between here and what belongs to no hunk.
    fn next_is_no_body(&self) -> bool {
        let mut rest = self.lines[self.at..].iter();
        rest.find(|line| !line.is_empty())
            .is_none_or(|line| !is_body(line))
    }

    fn skip_hunks(&mut self) {
        while self.line().is_some_and(|line| !self.is_header(line)) {
            self.at += 1;
        }
    }

    /// One hunk. Its ranges say how many lines it has.
    fn hunk(&mut self, name: &str, count: usize) {
        let line = self.line().unwrap_or_default();
        self.push(line);
        self.at += 1;
        let Some((old, new)) = ranges(line) else {
            let line = shortened(line, 60);
            self.problems.push(format!(
                "{name}, hunk {count}: `{line}` has no ranges such as `@@ -12,7 +12,9 @@`"
            ));
            while self.line().is_some_and(is_body)
                && !self.line().is_some_and(|line| self.is_header(line))
            {
                self.at += 1;
            }
            return;
        };
        let (mut has_old, mut has_new, mut changes) = (0_u64, 0_u64, 0_u64);
        while let Some(line) = self.line() {
            let is_complete = has_old >= old && has_new >= new;
            let is_over = is_complete && (self.next_is_no_body() || self.is_header(line));
            if !is_body(line) || is_over {
                break;
            }
            match line.as_bytes().first() {
                Some(b'+') => (has_new, changes) = (has_new + 1, changes + 1),
                Some(b'-') => (has_old, changes) = (has_old + 1, changes + 1),
                Some(b'\\') => {}
                // A context line, or an empty one whose blank was lost.
                _ => (has_old, has_new) = (has_old + 1, has_new + 1),
            }
            self.push(line);
            self.at += 1;
        }
        if (has_old, has_new) != (old, new) {
            self.problems.push(format!(
                "{name}, hunk {count}: its range says {old} old and {new} new lines, it has {has_old} and {has_new}"
            ));
        } else if changes == 0 {
            self.problems
                .push(format!("{name}, hunk {count}: it changes nothing"));
        }
    }
}

fn is_body(line: &str) -> bool {
    matches!(
        line.as_bytes().first(),
        None | Some(b' ' | b'+' | b'-' | b'\\')
    )
}

/// The numbers of old and new lines of `@@ -12,7 +12,9 @@`.
fn ranges(line: &str) -> Option<(u64, u64)> {
    let (ranges, _) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let lines = |range: &str| {
        let (start, count) = range.split_once(',').unwrap_or((range, "1"));
        start.parse::<u64>().ok()?;
        count.parse::<u64>().ok()
    };
    Some((lines(old)?, lines(new)?))
}

/// The paths behind `---` and `+++`, old one first, and whether they had `a/` and `b/` in front.
fn paths_of(old: &str, new: &str) -> Option<(Vec<String>, bool)> {
    const NONE: &str = "/dev/null";
    if [old, new]
        .iter()
        .any(|name| name.is_empty() || name.starts_with('"'))
        || (old, new) == (NONE, NONE)
    {
        return None;
    }
    let prefixed = (old == NONE || old.starts_with("a/")) && (new == NONE || new.starts_with("b/"));
    let mut paths: Vec<String> = [old, new]
        .into_iter()
        .filter(|name| *name != NONE)
        .map(|name| if prefixed { &name[2..] } else { name }.to_owned())
        .collect();
    paths.dedup();
    Some((paths, prefixed))
}

/// The path of `a/PATH b/PATH`, where both are the same.
fn same_path(rest: &str) -> Option<String> {
    let rest = rest.trim_end().strip_prefix("a/")?;
    let half = rest.len().checked_sub(" b/".len())? / 2;
    let path = rest.get(..half)?;
    let same = !path.is_empty() && *rest == format!("{path} b/{path}");
    same.then(|| path.to_owned())
}

#[cfg(test)]
#[path = "patch_test.rs"]
mod tests;
