//! The texts of the tree: every file that git tracks or would track.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Outcome, process};

/// A text file of the repository.
pub struct TextFile {
    /// From the repository's root, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

impl TextFile {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Folder of the file, without a slash at its end.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// All text files, sorted by path.
pub struct Tree {
    /// The files.
    pub files: Vec<TextFile>,
}

impl Tree {
    /// Reads the tree at `root`: what git tracks and what it would track. Files that are not UTF-8 are left out.
    ///
    /// # Errors
    /// When git does not answer or a file cannot be read.
    pub fn load(root: &Path) -> Outcome<Self> {
        let mut list = Command::new("git");
        list.current_dir(root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let answer =
            process::capture(&mut list, Duration::from_secs(60))?.checked("git ls-files")?;
        let mut files = Vec::new();
        for path in answer.split('\0').filter(|path| !path.is_empty()) {
            let full = root.join(path);
            // Deleted but not yet committed, or a symlink.
            if !full.symlink_metadata().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let bytes = match fs_err::read(full) {
                Ok(bytes) => bytes,
                // An editor's file that is gone again.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(TextFile::new(path, &text));
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A made-up tree.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| TextFile::new(path, text))
                .collect(),
        }
    }

    /// The file at `path`.
    pub fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// First line (from 1) of the file at `path` whose text, without blanks before it, starts with `start`; else 1.
    pub fn line_of(&self, path: &str, start: &str) -> usize {
        let line = self.file(path).and_then(|file| {
            file.text
                .lines()
                .position(|line| line.trim_start().starts_with(start))
        });
        line.map_or(1, |at| at + 1)
    }
}
