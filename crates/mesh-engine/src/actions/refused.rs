//! Writes that the sandbox refused, read off what a process wrote: one sentence for the person who wonders why it failed.
//!
//! The kernel tells the process "Permission denied" and nobody else anything. So the sentence is said only where the process names a
//! path that lies outside of its sandbox and that mesh itself could write to: then nothing but the sandbox was in the way.

use std::path::{Path, PathBuf};

use mesh_agent::protocol::plain;
use mesh_core::process::ProcessId;
use mesh_proc::shim::{self, ShimSpec};

use crate::context::RunContext;

/// What programs call a write that is refused, in lower case.
const REFUSALS: [&str; 4] = [
    "permission denied",
    "read-only file system",
    "eacces",
    "os error 13",
];

/// How much of each stream is looked through.
const LINES: usize = 200;
const BYTES: u64 = 64 * 1024;

/// What to say of a process that failed, if its sandbox refused what it wanted to write.
pub(crate) fn sentence(context: &RunContext, process: &ProcessId) -> Option<String> {
    let files = context
        .run_dir
        .attempt(&process.attempt)
        .process(process.role);
    let spec = shim::read_spec(&files.spec_json()).ok()??;
    let streams = [files.stderr(), files.stdout()];
    let texts = streams.map(|file| plain::tail(&file, LINES, BYTES).unwrap_or_default());
    let path = texts.iter().find_map(|text| refused(text, &spec))?;
    let shown = path.display();
    Some(if path.starts_with(&context.setup.repository) {
        format!("(the sandbox refused to write {shown}: your own checkout is not to be changed)")
    } else {
        format!(
            "(the sandbox refused to write {shown}: to allow it, name it or a folder above it in `write` under [sandbox] in .mesh/config.toml)"
        )
    })
}

/// The last path in `text` that a process in the sandbox of `spec` was refused.
fn refused(text: &str, spec: &ShimSpec) -> Option<PathBuf> {
    let writable: Vec<PathBuf> = {
        let write = &spec.sandbox.as_ref()?.write;
        write
            .iter()
            .filter_map(|path| fs_err::canonicalize(path).ok())
            .collect()
    };
    let is_refused = |path: &PathBuf| {
        let there = path.ancestors().find(|path| path.exists());
        there.is_some_and(|there| {
            let real = fs_err::canonicalize(there).unwrap_or_else(|_| there.to_path_buf());
            // What the kernel shows as files follows rules of its own.
            let is_file = !real.starts_with("/proc") && !real.starts_with("/sys");
            is_file
                && !writable.iter().any(|path| real.starts_with(path))
                && rustix::fs::access(&real, rustix::fs::Access::WRITE_OK).is_ok()
        })
    };
    let mut lines = text.lines().rev().peekable();
    while let Some(line) = lines.next() {
        let lower = line.to_ascii_lowercase();
        let Some(at) = REFUSALS.iter().filter_map(|word| lower.find(word)).min() else {
            continue;
        };
        // Node and Python name the path behind it, shells in front of it, Rust in the lines before.
        let (before, behind) = line.split_at(at);
        let above = lines.peek().copied().unwrap_or_default();
        let named = paths(behind, &spec.cwd)
            .next()
            .or_else(|| paths(before, &spec.cwd).last())
            .or_else(|| paths(above, &spec.cwd).last());
        if let Some(path) = named.filter(is_refused) {
            return Some(path);
        }
    }
    None
}

/// What looks like a path in `text`, made absolute from `folder`.
fn paths<'a>(text: &'a str, folder: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    let is_between = |c: char| c.is_whitespace() || "\"'`;|&()<>=$,\\[]{}‘’".contains(c);
    let words = text
        .split(is_between)
        .map(|word| word.trim_end_matches([':', '.']));
    words
        .filter(|word| word.contains('/') && !word.contains("://"))
        .map(|word| mesh_vcs::without_dots(&folder.join(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_proc::sandbox::Sandbox;

    #[test]
    fn the_path_that_was_refused_is_found_in_the_words_of_many_programs() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs_err::canonicalize(temp.path()).unwrap();
        for folder in ["work/in", "out"] {
            fs_err::create_dir_all(root.join(folder)).unwrap();
        }
        let mut spec = ShimSpec::new(&root, "sh", root.join("work"));
        let out = root.join("out").display().to_string();
        let texts = [
            format!("/usr/bin/sh: 1: cannot create {out}/x: Permission denied"),
            "touch: cannot touch '../out/x': Permission denied\nmake: *** [all] Error 1".to_owned(),
            format!("npm error Error: EACCES: permission denied, mkdir '{out}/x'"),
            format!("PermissionError: [Errno 13] Permission denied: '{out}/x'"),
            format!("error: failed to open: {out}/x\n  Permission denied (os error 13)"),
            format!("{{\"output\":\"sh: {out}/x: Read-only file system\\n\"}}"),
        ];
        for text in &texts {
            assert_eq!(refused(text, &spec), None, "no sandbox: {text}");
        }
        let write = vec![root.join("work")];
        spec.sandbox = Some(Sandbox { write });
        for text in &texts {
            assert_eq!(refused(text, &spec), Some(root.join("out/x")), "{text}");
        }
        for text in [
            format!(
                "mkdir: cannot create directory '{}/in/y': Permission denied",
                root.join("work").display()
            ),
            "git@example.invalid: Permission denied (publickey)".to_owned(),
            "cat: /proc/1/mem: Permission denied".to_owned(),
            format!("wrote {out}/x"),
        ] {
            assert_eq!(refused(&text, &spec), None, "{text}");
        }
    }
}
