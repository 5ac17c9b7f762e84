//! Learnings: what a task has shown that later work on the same files should know. One JSON line each, in the form of the
//! `learnings` skill, so that its tools and mesh read the same file.
//!
//! Pure: the bytes of the file come in, records and lines go out. What becomes a learning is said in [`lesson`].

pub mod lesson;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::overlap::first_overlap;
use lesson::Lesson;

/// Name of the user's own file, at the root of the repository.
pub const OWN_FILE: &str = ".learnings.jsonl";

/// Who writes them, where that is mesh.
const SOURCE: &str = "mesh";

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learning {
    /// `lrn-<UTC, compact>-<first 8 of the fingerprint>`.
    pub id: String,
    /// When, in UTC, to the second.
    pub captured_at: String,
    /// What is to be made of it, in snake case: `do_more`, `do_less`, `codify_now`, `review_later`, `investigate_more`.
    pub status: String,
    /// One rule: when what is the case, what to do, and why.
    pub learning: String,
    /// What it stands on.
    pub evidence: Vec<String>,
    /// What to do next time.
    pub application: String,
    /// Who wrote it.
    pub source: String,
    /// [`fingerprint`] of status and learning.
    pub fingerprint: String,
    /// Where it was learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Ids of others that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related_ids: Vec<String>,
    /// The id of one that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes_id: Option<String>,
}

/// Where something was learned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The branch on which the user stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The files that it is about, relative to the repository.
    #[serde(default)]
    pub paths: Vec<String>,
    /// The run of mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The task of that run; nothing when it is about the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// Tells two learnings apart: the first 16 hexadecimal digits of the SHA-1 of `status|learning`, the learning in lower case.
#[must_use]
pub fn fingerprint(status: &str, learning: &str) -> String {
    let digest = Sha1::digest(format!("{status}|{}", learning.to_lowercase()));
    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
    hex.take(8).collect()
}

/// The records of a file, in its order, and the numbers of lines that hold none, with what is wrong.
#[must_use]
pub fn read(bytes: &[u8]) -> (Vec<Learning>, Vec<(usize, String)>) {
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            Err(problem) => problems.push((number, problem.to_string())),
        }
    }
    (records, problems)
}

/// When and where lessons are written down.
#[derive(Debug, Clone, Copy)]
pub struct Capture<'a> {
    /// `2026-02-10T08:15:30Z`.
    pub at: &'a str,
    /// The branch on which the user stands.
    pub branch: Option<&'a str>,
    /// The run.
    pub run: &'a str,
}

/// The bytes that add `lessons` to a file of these `bytes`, and the id of each lesson's record. One that is there already is not added
/// again: its id is that of the first. A last line without an end gets one first.
#[must_use]
pub fn added(bytes: &[u8], lessons: &[Lesson], capture: Capture<'_>) -> (Vec<u8>, Vec<String>) {
    let (mut known, _) = read(bytes);
    let mut text = Vec::new();
    let mut ids = Vec::new();
    for lesson in lessons {
        let record = record(lesson, capture);
        let same = known
            .iter()
            .find(|known| known.fingerprint == record.fingerprint);
        if let Some(same) = same {
            ids.push(same.id.clone());
            continue;
        }
        // A record of texts can always be written.
        let Ok(line) = serde_json::to_vec(&record) else {
            continue;
        };
        if text.is_empty() && bytes.last().is_some_and(|last| *last != b'\n') {
            text.push(b'\n');
        }
        text.extend(line);
        text.push(b'\n');
        ids.push(record.id.clone());
        known.push(record);
    }
    (text, ids)
}

fn record(lesson: &Lesson, capture: Capture<'_>) -> Learning {
    let fingerprint = fingerprint(lesson.status, &lesson.learning);
    let compact: String = capture
        .at
        .chars()
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    Learning {
        id: format!("lrn-{compact}-{}", &fingerprint[..8]),
        captured_at: capture.at.to_owned(),
        status: lesson.status.to_owned(),
        learning: lesson.learning.clone(),
        evidence: lesson.evidence.clone(),
        application: lesson.application.clone(),
        source: SOURCE.to_owned(),
        fingerprint,
        context: Some(Context {
            repo: None,
            branch: capture.branch.map(str::to_owned),
            paths: lesson.paths.clone(),
            run: Some(capture.run.to_owned()),
            task: lesson.task.clone(),
        }),
        tags: lesson.tags.clone(),
        related_ids: Vec::new(),
        supersedes_id: None,
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Words of the texts, of which one must be there; the more, the better. Paths are not looked at: they would find everything.
    pub words: Vec<String>,
    /// Paths or globs of which one must overlap a path of the record.
    pub paths: Vec<String>,
    /// A tag or a status.
    pub tag: Option<String>,
}

/// The records that `query` finds: those with most of its words first, then the newest. One that another replaces is not found.
#[must_use]
pub fn search<'a>(records: &'a [Learning], query: &Query) -> Vec<&'a Learning> {
    let replaced: BTreeSet<&str> = records
        .iter()
        .filter_map(|record| record.supersedes_id.as_deref())
        .collect();
    let words: BTreeSet<String> = query.words.iter().flat_map(|word| words(word)).collect();
    let mut found: Vec<(usize, usize, &Learning)> = records
        .iter()
        .enumerate()
        .filter(|(_, record)| !replaced.contains(record.id.as_str()))
        .filter(|(_, record)| query.paths.is_empty() || touches(record, &query.paths))
        .filter(|(_, record)| {
            let is_it = |tag: &String| record.tags.contains(tag) || record.status == *tag;
            query.tag.as_ref().is_none_or(is_it)
        })
        .map(|(at, record)| (hits(record, &words), at, record))
        .filter(|(hits, _, _)| words.is_empty() || *hits > 0)
        .collect();
    // Of two of one second the later in the file is the newer.
    found.sort_by(|(hits, at, one), (other_hits, other_at, other)| {
        let newest = (&other.captured_at, other_at).cmp(&(&one.captured_at, at));
        other_hits.cmp(hits).then(newest)
    });
    found.into_iter().map(|(_, _, record)| record).collect()
}

fn touches(record: &Learning, paths: &[String]) -> bool {
    let context = record.context.as_ref();
    context.is_some_and(|context| first_overlap(&context.paths, paths).is_some())
}

fn hits(record: &Learning, wanted: &BTreeSet<String>) -> usize {
    let texts = [&record.id, &record.learning, &record.application];
    let texts = texts
        .into_iter()
        .chain(&record.evidence)
        .chain(&record.tags);
    let there: BTreeSet<String> = texts.flat_map(|text| words(text)).collect();
    wanted.intersection(&there).count()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
#[path = "learnings_test.rs"]
mod tests;
