//! The fenced `mesh` block in an item's notes: YAML with the keys of the skill's task metadata contract, and `locks`, `priority`,
//! `estimate_minutes`, `agent`.

use mesh_core::task::Locks;
use serde_json::Value;

use crate::details::ConsensusLayer;
use crate::details::agent_names;
use crate::diagnostic::{Diagnostic, Severity};
use crate::nearest;
use crate::overlap;
use crate::yaml::{Entries, cause, options};

const KEYS: [&str; 10] = [
    "scope",
    "acceptance",
    "validation",
    "risk",
    "swarm",
    "allow_no_validation",
    "locks",
    "priority",
    "estimate_minutes",
    "agent",
];
const RISKS: [&str; 3] = ["low", "medium", "high"];

/// What a block says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Meta {
    pub(super) scope: Vec<String>,
    pub(super) acceptance: Vec<String>,
    pub(super) validation: Vec<String>,
    pub(super) allow_no_validation: bool,
    pub(super) consensus: ConsensusLayer,
    pub(super) locks: Locks,
    pub(super) priority: Option<i32>,
    pub(super) estimate_minutes: Option<u32>,
    pub(super) agents: Vec<String>,
}

/// Notes, read.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    pub(super) meta: Meta,
    /// The notes without the block.
    pub(super) prose: String,
    pub(super) problems: Vec<Diagnostic>,
}

/// A problem in the notes: severity, message, line of the notes from 0, byte column in it from 0.
pub(super) struct Found {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The block of some notes.
struct Block {
    /// Line of the notes at which its text begins, from 0.
    line: usize,
    text: String,
}

/// The `mesh` block of a text that an agent wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeshBlock {
    /// Paths or globs.
    pub scope: Vec<String>,
    /// What can be checked.
    pub acceptance: Vec<String>,
    /// Commands that prove the work.
    pub validation: Vec<String>,
    /// What stands between the fences.
    pub text: String,
}

/// Reads the one fenced `mesh` block of `text`.
///
/// # Errors
/// When there is none, or several, or it cannot be read: all that is wrong, a line each.
pub fn mesh_block(text: &str) -> Result<MeshBlock, Vec<String>> {
    let mut found = Vec::new();
    let (block, _) = split(text, &mut found);
    let Some(block) = block else {
        return Err(vec!["there is no fenced `mesh` block".to_owned()]);
    };
    let meta = parse(&block, &mut found);
    let errors = found
        .into_iter()
        .filter(|found| found.severity == Severity::Error);
    let problems: Vec<String> = errors
        .map(|found| format!("line {}: {}", found.line + 1, found.message))
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(MeshBlock {
        scope: meta.scope,
        acceptance: meta.acceptance,
        validation: meta.validation,
        text: block.text,
    })
}

/// The notes with those of `scope`, `acceptance` and `validation` that their block does not say, taken from the text of another block.
/// None when there is nothing to add, or nothing that could be read again.
pub(super) fn completed(notes: &str, block: &str) -> Option<String> {
    let (own, _, _) = read(notes);
    let made = mesh_block(&format!("```mesh\n{block}\n```")).ok()?;
    let mut added = String::new();
    for (key, own, made) in [
        ("scope", &own.scope, &made.scope),
        ("acceptance", &own.acceptance, &made.acceptance),
        ("validation", &own.validation, &made.validation),
    ] {
        if own.is_empty() && !made.is_empty() {
            added.push_str(&format!("{key}:\n"));
            for value in made {
                // A JSON text is a YAML text.
                added.push_str(&format!("  - {}\n", Value::from(value.as_str())));
            }
        }
    }
    if added.is_empty() {
        return None;
    }
    let (there, _) = split(notes, &mut Vec::new());
    let completed = match there {
        Some(block) => {
            let end = block.line + block.text.lines().count();
            let lines: Vec<&str> = notes.lines().collect();
            let (before, after) = lines.split_at_checked(end)?;
            let before: String = before.iter().map(|line| format!("{line}\n")).collect();
            format!("{before}{added}{}", after.join("\n"))
        }
        None if notes.trim().is_empty() => format!("```mesh\n{added}```"),
        None => format!("{}\n\n```mesh\n{added}```", notes.trim_end()),
    };
    let (whole, _, problems) = read(&completed);
    let is_sound = problems
        .iter()
        .all(|found| found.severity != Severity::Error);
    let has_all = [
        (&whole.scope, &made.scope),
        (&whole.acceptance, &made.acceptance),
        (&whole.validation, &made.validation),
    ];
    let is_whole = has_all
        .iter()
        .all(|(whole, made)| made.is_empty() || !whole.is_empty());
    (is_sound && is_whole).then_some(completed)
}

/// Reads notes. Problems come without the item's name and place; the caller knows both.
pub(super) fn read(notes: &str) -> (Meta, String, Vec<Found>) {
    if !notes.contains("```") {
        return (Meta::default(), notes.trim().to_owned(), Vec::new());
    }
    let mut found = Vec::new();
    let (block, prose) = split(notes, &mut found);
    let meta = block.map_or_else(Meta::default, |block| parse(&block, &mut found));
    (meta, prose, found)
}

fn split(notes: &str, found: &mut Vec<Found>) -> (Option<Block>, String) {
    let mut block: Option<Block> = None;
    let mut prose = String::new();
    let mut fence: Option<(usize, bool)> = None;
    let mut opened = 0;
    for (number, line) in notes.lines().enumerate() {
        let trimmed = line.trim();
        let ticks = trimmed.len() - trimmed.trim_start_matches('`').len();
        let word = trimmed[ticks..].trim();
        let mut ours = fence.is_some_and(|(_, ours)| ours);
        match fence {
            None if ticks >= 3 => {
                ours = word == "mesh";
                fence = Some((ticks, ours));
                opened = number;
                if ours && block.is_some() {
                    found.push(error("a second `mesh` block; there may be one", number, 0));
                } else if ours {
                    block = Some(Block {
                        line: number + 1,
                        text: String::new(),
                    });
                }
            }
            Some((length, _)) if ticks >= length && word.is_empty() => fence = None,
            Some((_, true)) => {
                if let Some(block) = &mut block {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            None | Some((_, false)) => {}
        }
        if !ours {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    if let Some((_, true)) = fence {
        found.push(error(
            "the `mesh` block is not closed; end it with a line of ```",
            opened,
            0,
        ));
    }
    (block, prose.trim().to_owned())
}

fn error(message: impl Into<String>, line: usize, column: usize) -> Found {
    Found {
        severity: Severity::Error,
        message: message.into(),
        line,
        column,
    }
}

fn parse(block: &Block, found: &mut Vec<Found>) -> Meta {
    let mut meta = Meta::default();
    if block.text.trim().is_empty() {
        return meta;
    }
    let entries: Entries = match serde_saphyr::from_str_with_options(&block.text, options()) {
        Ok(entries) => entries,
        Err(problem) => {
            let at = problem.location();
            let line = at.map_or(0, |at| place(at.line()));
            let column = at.map_or(0, |at| place(at.column()));
            let message = format!(
                "the `mesh` block is not YAML that can be read: {}",
                cause(&problem)
            );
            found.push(error(message, block.line + line, column));
            return meta;
        }
    };
    for (key, value) in entries.0 {
        let at = (
            block.line + place(value.referenced.line()),
            place(value.referenced.column()),
        );
        if let Err(message) = meta.take(&key.value, value.value) {
            found.push(error(message, at.0, at.1));
        }
        let unknown = (!KEYS.contains(&key.value.as_str())).then(|| {
            format!(
                "unknown key `{}` is ignored{}",
                key.value.escape_debug(),
                nearest::hint(&key.value, KEYS)
            )
        });
        if let Some(message) = unknown {
            let line = block.line + place(key.referenced.line());
            found.push(Found {
                severity: Severity::Warning,
                message,
                line,
                column: place(key.referenced.column()),
            });
        }
    }
    meta
}

/// A place that counts from 1, counted from 0.
fn place(from_one: u64) -> usize {
    usize::try_from(from_one).unwrap_or(0).saturating_sub(1)
}

impl Meta {
    fn take(&mut self, key: &str, value: Value) -> Result<(), String> {
        match key {
            "scope" => {
                self.scope = texts(key, value)?;
                if let Some(problem) = self.scope.iter().find_map(|path| overlap::outside(path)) {
                    return Err(format!("`scope`: {problem}"));
                }
            }
            "acceptance" => self.acceptance = texts(key, value)?,
            "validation" => self.validation = texts(key, value)?,
            "locks" => {
                for name in texts(key, value)? {
                    let (group, units) = Locks::parse(&name).map_err(|problem| {
                        format!(
                            "`locks`: `{}` names no lock group, {problem}",
                            name.escape_debug()
                        )
                    })?;
                    self.locks.insert_units(group, units);
                }
            }
            "agent" => {
                let names = texts(key, value)?;
                self.agents = names.iter().flat_map(|names| agent_names(names)).collect();
            }
            "allow_no_validation" => {
                self.allow_no_validation = value
                    .as_bool()
                    .ok_or("`allow_no_validation` is `true` or `false`")?;
            }
            "priority" => {
                let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
                self.priority =
                    Some(number.ok_or("`priority` is a whole number, 0 the most urgent")?);
            }
            "estimate_minutes" => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                self.estimate_minutes =
                    Some(number.ok_or("`estimate_minutes` is a whole number of minutes")?);
            }
            "risk" if !value.as_str().is_some_and(|word| RISKS.contains(&word)) => {
                return Err("`risk` is `low`, `medium` or `high`".to_owned());
            }
            "swarm" => self.consensus = consensus(&value)?,
            _ => {}
        }
        Ok(())
    }
}

/// The overrides of the swarm. Keys that mean nothing here are those of another program.
fn consensus(value: &Value) -> Result<ConsensusLayer, String> {
    if !value.is_object() && !value.is_null() {
        return Err("`swarm` holds keys with values".to_owned());
    }
    let number = |key: &str, most: u64| match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(given) => {
            let number = given.as_u64().filter(|number| *number <= most);
            match number.and_then(|number| u32::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(format!("`swarm.{key}` is a whole number of at most {most}")),
            }
        }
    };
    let roles = match value.get("roles") {
        // By their names: three of them or all.
        Some(Value::Array(names)) => u32::try_from(names.len()).ok(),
        _ => number("roles", 5)?,
    };
    if roles.is_some_and(|roles| roles != 5 && roles != 3) {
        return Err("`swarm.roles` is 5 (all) or 3 (proposer, skeptic and synthesizer)".to_owned());
    }
    Ok(ConsensusLayer {
        roles,
        consensus_threshold: number("consensus_threshold", 5)?,
        consensus_retries: number("consensus_retries", 9)?,
    })
}

/// A list of texts; one text alone is a list of one. Numbers and the like are refused, because YAML has already changed how they
/// are written.
fn texts(key: &str, value: Value) -> Result<Vec<String>, String> {
    let members = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(members) => members,
        other => vec![other],
    };
    let mut texts = Vec::with_capacity(members.len());
    for (at, member) in members.into_iter().enumerate() {
        match member {
            Value::String(text) if text.trim().is_empty() => {
                return Err(format!("`{key}`, entry {}: it is empty", at + 1));
            }
            Value::String(text) => texts.push(text),
            _ => {
                return Err(format!(
                    "`{key}`, entry {}: it is no text; put it in quotes",
                    at + 1
                ));
            }
        }
    }
    Ok(texts)
}
