//! Items to tasks, and everything that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use mesh_core::duration::parse_span;
use mesh_core::id::TaskId;
use mesh_core::task::{Eligibility, Task, TaskLimits};
use mesh_core::time::Span;

use super::Lines;
use super::field::{
    AGENT, Field, Item, KEYS, REQUIRED, TIMEOUTS, VALIDATION, Value, bracketed, link, unmarked,
};
use crate::details::{ProofFrom, TaskDetails, agent_names, behind_quoted, quoted};
use crate::diagnostic::{self, Diagnostic, Place};
use crate::nearest;
use crate::overlap;
use crate::source_snapshot::{SourceInfo, SourceKind, SourceSnapshot};

/// The words for where a task stands.
const STATUSES: [&str; 5] = ["todo", "doing", "done", "blocked", "cancelled"];
/// The keys of `timeouts`.
const LIMITS: [&str; 3] = ["pending_init", "soft", "hard"];
/// As the tracker has it; a list has no priorities.
const PRIORITY: i32 = 2;

/// Reads the items. The second is where the status of each task stands.
pub(super) fn load(
    name: &str,
    items: &[Item],
    lines: &Lines,
    place: Place,
) -> (SourceSnapshot, Vec<(TaskId, Range<usize>)>) {
    let mut reader = Reader {
        lines,
        diagnostics: Vec::new(),
    };
    let read: Vec<Entry> = items.iter().filter_map(|item| reader.entry(item)).collect();
    reader.duplicates(&read);
    let mut diagnostics = reader.diagnostics;
    let locks = overlap::locks(read.iter().map(|entry| entry.details.scope.as_slice()));
    let mut snapshot = SourceSnapshot {
        tasks: Vec::new(),
        details: BTreeMap::new(),
        source: SourceInfo {
            kind: SourceKind::List,
            id: name.to_owned(),
            title: name.to_owned(),
        },
        diagnostics: Vec::new(),
        spans: BTreeMap::new(),
    };
    let mut statuses = Vec::new();
    for (at, (entry, locks)) in read.into_iter().zip(locks).enumerate() {
        let id = entry.details.id.clone();
        if snapshot.details.contains_key(&id) {
            continue;
        }
        let mut task = Task::open(id.clone());
        task.title.clone_from(&entry.details.title);
        task.eligibility = entry.eligibility;
        task.needs = entry.needs;
        task.locks = locks;
        task.limits = entry.limits;
        task.agents = entry.agents;
        task.priority = PRIORITY;
        let words = task.title.to_lowercase();
        task.checkpoint = words.contains("checkpoint") || words.contains("integration");
        task.tie = u32::try_from(at).unwrap_or(u32::MAX);
        snapshot.tasks.push(task);
        statuses.push((id.clone(), entry.status));
        snapshot.spans.insert(id.clone(), entry.place);
        snapshot.details.insert(id, entry.details);
    }
    if snapshot.tasks.is_empty() && !diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.push(Diagnostic::error("the list has no tasks").at(Some(place)));
    }
    diagnostic::sort(&mut diagnostics);
    snapshot.diagnostics = diagnostics;
    (snapshot, statuses)
}

/// A task that could be read.
struct Entry {
    place: Place,
    needs: Vec<TaskId>,
    eligibility: Eligibility,
    details: TaskDetails,
    limits: TaskLimits,
    agents: Vec<String>,
    status: Range<usize>,
}

struct Reader<'a> {
    lines: &'a Lines,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn error(&mut self, at: usize, message: impl Into<String>) {
        let place = self.lines.place(at);
        self.diagnostics
            .push(Diagnostic::error(message).at(Some(place)));
    }

    fn warn(&mut self, at: usize, message: impl Into<String>) {
        let place = self.lines.place(at);
        self.diagnostics
            .push(Diagnostic::warning(message).at(Some(place)));
    }

    fn entry(&mut self, item: &Item) -> Option<Entry> {
        let mut seen: BTreeMap<&str, &Field> = BTreeMap::new();
        for field in &item.fields {
            let key = field.key.as_str();
            if !KEYS.contains(&key) {
                let hint = nearest::hint(key, KEYS);
                let shown = key.escape_debug();
                self.warn(
                    field.at,
                    format!("unknown field `{shown}` is ignored{hint}"),
                );
            } else if seen.insert(key, field).is_some() {
                self.error(field.at, format!("a second `{key}` of the same task"));
            }
        }
        for (at, text) in &item.others {
            let shown = mesh_core::text::shortened(text, 40);
            self.warn(
                *at,
                format!("`{shown}` is no field and is ignored; `description: …` is one"),
            );
        }
        for (at, text) in &item.inner {
            let shown = mesh_core::text::shortened(text, 40);
            self.error(
                *at,
                format!(
                    "`{shown}` is a task inside of a task; put it beside the others, and what it waits for into `depends_on`"
                ),
            );
        }
        let called = item.title.as_deref().filter(|title| !title.is_empty());
        for key in REQUIRED {
            if !seen.contains_key(key) {
                let of = called.map_or_else(String::new, |title| {
                    format!(" of `{}`", mesh_core::text::shortened(title, 40))
                });
                self.error(item.at, format!("`{key}`{of} is missing"));
            }
        }
        let id = seen.get("id").and_then(|field| self.id(field));
        let status = seen.get("status").and_then(|field| self.status(field));
        let needs = seen.get("depends_on").map(|field| self.needs(field));
        let texts = |reader: &mut Self, key: &str| {
            seen.get(key)
                .map_or_else(Vec::new, |field| reader.texts(field))
        };
        let name = seen.get("name").and_then(|field| self.text(field));
        let description = seen.get("description").and_then(|field| self.text(field));
        let acceptance = texts(self, "acceptance");
        let validation = texts(self, "validation");
        let agents = texts(self, AGENT);
        let agents: Vec<String> = agents
            .iter()
            .flat_map(|names| agent_names(unmarked(names)))
            .collect();
        let mut scope = texts(self, "location");
        scope.extend(texts(self, "scope"));
        let scope: Vec<String> = scope.iter().flat_map(|entry| paths(entry)).collect();
        for problem in scope.iter().filter_map(|path| overlap::outside(path)) {
            let at = seen
                .get("scope")
                .or(seen.get("location"))
                .map_or(item.at, |field| field.at);
            self.error(at, problem);
        }
        let limits = seen
            .get(TIMEOUTS)
            .map_or_else(TaskLimits::default, |field| self.timeouts(field));
        // One with errors elsewhere is listed all the same, so that what needs it is not called unknown too.
        let (id, needs) = (id?, needs.unwrap_or_default());
        let (status, range) = status.unwrap_or(("todo", item.at..item.at));
        let bullets: Vec<String> = acceptance.iter().map(|line| format!("- {line}")).collect();
        let title = name
            .or_else(|| called.map(|title| without_id(title, &id)))
            .unwrap_or_else(|| id.to_string());
        let mut details = TaskDetails {
            id,
            title,
            description: description
                .into_iter()
                .chain(item.text.iter().cloned())
                .collect::<Vec<_>>()
                .join("\n\n"),
            acceptance: bullets.join("\n"),
            design: String::new(),
            notes: String::new(),
            priority: PRIORITY,
            labels: Vec::new(),
            proof_from: if validation.is_empty() {
                ProofFrom::None
            } else {
                ProofFrom::PlanValidation
            },
            proof: validation,
            scope,
            allow_no_validation: false,
            consensus: crate::details::ConsensusLayer::default(),
            text_fingerprint: String::new(),
            status: status.to_owned(),
            assignee: None,
            parents: BTreeSet::new(),
            member: true,
        };
        details.text_fingerprint = details.compute_fingerprint();
        Some(Entry {
            place: self.lines.place(item.at),
            needs,
            eligibility: eligibility(status),
            details,
            limits,
            agents,
            status: range,
        })
    }

    fn duplicates(&mut self, entries: &[Entry]) {
        let mut first: BTreeMap<&TaskId, Place> = BTreeMap::new();
        for entry in entries {
            let id = &entry.details.id;
            if let Some(place) = first.get(id) {
                let message = format!("duplicate task {id}; the first is on line {}", place.line);
                let found = Diagnostic::error(message).about(id);
                self.diagnostics.push(found.at(Some(entry.place)));
            } else {
                first.insert(id, entry.place);
            }
        }
    }

    /// An id without what Markdown puts around it: marks, a link, back slashes.
    fn one_id(&self, text: &str) -> String {
        let word = unmarked(text);
        let word = link(word).map_or(word, |(text, _)| unmarked(text));
        ["[", "]", "_", "*"]
            .iter()
            .fold(word.to_owned(), |word, mark| {
                word.replace(&format!("\\{mark}"), mark)
            })
    }

    fn id(&mut self, field: &Field) -> Option<TaskId> {
        let Value::Text(text, _) = &field.value else {
            self.error(field.at, "`id` is one word, such as T1");
            return None;
        };
        let word = self.one_id(text);
        if word.is_empty() || word.contains(char::is_whitespace) {
            self.error(field.at, "`id` is one word, such as T1");
            return None;
        }
        match TaskId::new(word.as_str()) {
            Ok(id) => Some(id),
            Err(problem) => {
                let shown = mesh_core::text::shortened(&word, 40)
                    .escape_debug()
                    .to_string();
                self.error(field.at, format!("`{shown}` is no id: {problem}"));
                None
            }
        }
    }

    fn status(&mut self, field: &Field) -> Option<(&'static str, Range<usize>)> {
        let Value::Text(text, range) = &field.value else {
            self.error(field.at, format!("`status` is {}", alternatives()));
            return None;
        };
        let word = unmarked(text).to_lowercase();
        let known = STATUSES.into_iter().find(|status| *status == word);
        if known.is_none() {
            let said = if word.is_empty() {
                "it is empty".to_owned()
            } else {
                format!("not `{}`", word.escape_debug())
            };
            let hint = nearest::hint(&word, STATUSES);
            self.error(
                field.at,
                format!("`status` is {}, {said}{hint}", alternatives()),
            );
        }
        // The word without the marks around it.
        let skip = text.find(unmarked(text)).unwrap_or(0);
        let start = range.start + skip;
        known.map(|status| (status, start..start + status.len()))
    }

    fn needs(&mut self, field: &Field) -> Vec<TaskId> {
        let words: Vec<(String, usize)> = match &field.value {
            Value::Text(text, range) => {
                let inner = unmarked(text);
                let begin = range.start + text.find(inner).unwrap_or(0);
                let plain = inner.replace('\\', "");
                let is_list = |text: &str| text.starts_with('[') && link(text).is_none();
                if is_list(&plain) && !plain.ends_with(']') {
                    self.error(begin, "`depends_on` has a `[` without its `]`");
                    return Vec::new();
                }
                let members = bracketed(inner).or_else(|| bracketed(&plain));
                // Without brackets, and perhaps below each other.
                let members = members.unwrap_or_else(|| {
                    let parts = inner.split([',', '\n']);
                    let at = |part: &str| part.as_ptr() as usize - inner.as_ptr() as usize;
                    let lead = |part: &str| part.len() - part.trim_start().len();
                    parts
                        .map(|part| (at(part) + lead(part), part.trim()))
                        .filter(|(_, part)| !part.is_empty())
                        .collect()
                });
                let place = |(at, word): (usize, &str)| (word.to_owned(), begin + at);
                members.into_iter().map(place).collect()
            }
            Value::Many(many) => many.clone(),
            Value::Pairs(_) | Value::Other => {
                self.error(
                    field.at,
                    "`depends_on` is a list of ids, such as [T1, T2], or []",
                );
                Vec::new()
            }
        };
        let mut needs: Vec<TaskId> = Vec::new();
        for (word, at) in words {
            let word = word.strip_prefix("- ").unwrap_or(&word);
            let word = self.one_id(word.trim_matches(['"', '\'']));
            let word = word.as_str();
            if ["none", "nothing", "n/a", "-"].contains(&word.to_lowercase().as_str()) {
                self.error(
                    at,
                    format!(
                        "`{word}` is no id; a task that depends on nothing has `depends_on: []`"
                    ),
                );
            } else if word.contains(char::is_whitespace) {
                let shown = mesh_core::text::shortened(word, 40)
                    .escape_debug()
                    .to_string();
                self.error(
                    at,
                    format!("`{shown}` is no id; ids are separated by commas"),
                );
            } else {
                match TaskId::new(word) {
                    Ok(id) if needs.contains(&id) => {}
                    Ok(id) => needs.push(id),
                    Err(problem) => {
                        let shown = mesh_core::text::shortened(word, 40)
                            .escape_debug()
                            .to_string();
                        self.error(at, format!("`{shown}` is no id: {problem}"));
                    }
                }
            }
        }
        needs
    }

    fn text(&mut self, field: &Field) -> Option<String> {
        match &field.value {
            Value::Text(text, _) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Many(many) => {
                let lines: Vec<String> = many.iter().map(|(line, _)| format!("- {line}")).collect();
                Some(lines.join("\n"))
            }
            Value::Pairs(_) | Value::Other => {
                self.error(field.at, format!("`{}` is a text", field.key));
                None
            }
        }
    }

    /// A text alone is a list of one, `[a, b]` one of two. `a, b` is not taken apart, since commands have commas.
    fn texts(&mut self, field: &Field) -> Vec<String> {
        let is_command = field.key == VALIDATION;
        let texts: Vec<String> = match &field.value {
            Value::Text(text, _) => match bracketed(unmarked(text)).filter(|_| !is_test(text)) {
                Some(members) => members
                    .into_iter()
                    .map(|(_, member)| member.to_owned())
                    .collect(),
                None => lines(text, is_command),
            },
            Value::Many(many) if is_command => many
                .iter()
                .flat_map(|(text, _)| lines(text, true))
                .collect(),
            Value::Many(many) => many.iter().map(|(text, _)| text.clone()).collect(),
            Value::Pairs(_) | Value::Other => {
                self.error(field.at, format!("`{}` is a list of texts", field.key));
                Vec::new()
            }
        };
        let has_several =
            |text: &String| behind_quoted(text.trim()).is_some_and(|behind| behind.contains('`'));
        if is_command && texts.iter().any(has_several) {
            self.error(
                field.at,
                "there are several commands in one line of `validation`: write each as an item of its own below it",
            );
        }
        let plain = |text: &String| {
            let text = text.trim();
            let command = quoted(text).filter(|_| is_command);
            command.unwrap_or_else(|| unmarked(text)).to_owned()
        };
        let texts = texts.iter().map(plain);
        texts.filter(|text| !text.is_empty()).collect()
    }

    fn timeouts(&mut self, field: &Field) -> TaskLimits {
        let mut limits = TaskLimits::default();
        let Value::Pairs(pairs) = &field.value else {
            self.error(
                field.at,
                "`timeouts` holds keys with times, such as `hard: 30m`; the keys are pending_init, soft and hard",
            );
            return limits;
        };
        for (key, text, at) in pairs {
            let limit = match key.as_str() {
                "pending_init" => &mut limits.start,
                "soft" => &mut limits.soft,
                "hard" => &mut limits.hard,
                _ => {
                    let hint = nearest::hint(key, LIMITS);
                    let shown = key.escape_debug();
                    self.warn(*at, format!("unknown timeout `{shown}` is ignored{hint}"));
                    continue;
                }
            };
            match parse_span(unmarked(text).trim_start_matches('~')) {
                Ok(Span(0)) => self.error(*at, format!("`{key}` is longer than nothing")),
                Ok(span) => *limit = Some(span),
                Err(problem) => self.error(
                    *at,
                    format!("`{key}` is a time, such as 90s, 15m or 1h30m: {problem}"),
                ),
            }
        }
        if let (Some(soft), Some(hard)) = (limits.soft, limits.hard)
            && soft > hard
        {
            self.error(
                field.at,
                format!("`soft` is {soft} and `hard` is {hard}: the soft limit comes first"),
            );
        }
        limits
    }
}

/// `[ -f x ]` is a command.
fn is_test(text: &str) -> bool {
    unmarked(text).starts_with("[ ") && !text.contains(',')
}

/// The lines of a text, without the marks of a list. Of commands those that end in a back slash go on, and remarks are none.
fn lines(text: &str, are_commands: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("- ").unwrap_or(line);
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => {
                last.push('\n');
                last.push_str(line);
            }
            None if are_commands && line.starts_with('#') => {}
            None => lines.push(line.to_owned()),
        }
        goes_on = are_commands && line.ends_with('\\');
    }
    lines
}

fn alternatives() -> String {
    let words: Vec<String> = STATUSES.iter().map(|word| format!("`{word}`")).collect();
    let (last, first) = words
        .split_last()
        .map_or(("", &[][..]), |(last, first)| (last.as_str(), first));
    format!("{} or {last}", first.join(", "))
}

fn eligibility(status: &str) -> Eligibility {
    let aside = |reason: &str| Eligibility::NotOurs {
        reason: reason.to_owned(),
    };
    match status {
        "done" => Eligibility::Satisfied { commit: None },
        "blocked" => aside("marked as blocked"),
        "cancelled" => aside("cancelled"),
        _ => Eligibility::Open,
    }
}

/// `T1: Update config loader` of the task T1 is called `Update config loader`.
fn without_id(title: &str, id: &TaskId) -> String {
    let rest = title.strip_prefix(id.as_str());
    let rest = rest.and_then(|rest| rest.trim_start().strip_prefix([':', '-', '–', '—', '.']));
    let rest = rest.map(str::trim).filter(|rest| !rest.is_empty());
    rest.unwrap_or(title).to_owned()
}

/// `src/a.rs, src/b.rs` are two paths, and `[the loader](src/loader.rs)` is one.
fn paths(entry: &str) -> Vec<String> {
    let words = entry
        .split([',', '\n'])
        .map(|word| unmarked(word.trim().trim_start_matches("- ")));
    let path = |word: &str| match link(word) {
        Some((_, target)) if !target.contains("://") && !target.starts_with('#') => {
            target.to_owned()
        }
        Some((text, _)) => unmarked(text).to_owned(),
        None => word
            .trim_matches(['"', '\''])
            .replace("\\*", "*")
            .replace("\\_", "_"),
    };
    words.filter(|word| !word.is_empty()).map(path).collect()
}
