//! `mesh audit`: what a run left in the tracker's audit, and what of it is missing. It records nothing itself but a person's label.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mesh_bd::audit::outbox::{AuditWrite, OutboxEntries};
use mesh_bd::audit::trail;
use mesh_engine::{AuditLevel, BdSetup, RunSetup, SourceSetup, audit_keys};
use serde::Serialize;
use serde_json::Value;

use crate::commands::run_lookup::RunArgs;
use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::report;
use crate::ui::shell::Shell;

/// Show, check and label what a run left in the tracker's audit.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    pub run: RunArgs,
    /// Print one JSON object.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the entries of a run.
    List,
    /// Show an entry in full, with its labels.
    Show {
        /// The entry's id in the tracker.
        #[arg(value_name = "ENTRY")]
        entry: String,
    },
    /// Put a label on an entry: `gold` for an answer to be used again, `needs_review`, or another word.
    Label {
        /// The entry's id in the tracker.
        #[arg(value_name = "ENTRY")]
        entry: String,
        /// The label.
        #[arg(value_name = "LABEL")]
        label: String,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Check that every attempt of the run has its entries.
    Check,
}

/// One entry of a run.
#[derive(Debug, Serialize)]
struct EntryFacts {
    /// The tracker's id; nothing when it is not recorded.
    id: Option<String>,
    /// What it is of the run: `t-1#2 prompt`.
    of: String,
    kind: &'static str,
    issue: String,
    labels: Vec<String>,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let audit = RunTrail::read(args, folder)?;
    match &args.command {
        Command::List => audit.list(args.json, shell),
        Command::Show { entry } => audit.show(entry, args.json, shell),
        Command::Label {
            entry,
            label,
            reason,
        } => audit.label(entry, label, reason, args.json, shell),
        Command::Check => audit.check(args, folder, shell),
    }
}

/// The audit of a run, as its outbox and the tracker's trail have it.
struct RunTrail {
    run: String,
    setup: RunSetup,
    beads_dir: PathBuf,
    outbox: OutboxEntries,
    /// The lines of the trail, by their ids.
    lines: BTreeMap<String, Value>,
    /// Labels by the entry they are on.
    labels: BTreeMap<String, Vec<String>>,
}

impl RunTrail {
    fn read(args: &Args, folder: &Path) -> Result<RunTrail, CommandError> {
        let (_, run, run_dir) = args.run.find(folder)?;
        let header = mesh_journal::read_header(&run_dir.journal())
            .map_err(|error| CommandError::new(Kind::Environment, error.to_string()))?;
        let setup = mesh_engine::read_setup(&header)?;
        let SourceSetup::Bd(BdSetup { beads_dir, .. }) = &setup.source else {
            return Err(CommandError::usage(format!(
                "run {run} has no tracker, so it has no audit"
            )));
        };
        let beads_dir = beads_dir.clone();
        let outbox = OutboxEntries::read(&run_dir.audit_outbox())?;
        let text = match fs_err::read(trail(&beads_dir)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            text => text?,
        };
        let mut lines = BTreeMap::new();
        let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.split(|byte| *byte == b'\n') {
            // A line that is being written, or that nobody can read, is no entry.
            let Ok(line) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            if let (Some(parent), Some(label)) =
                (line["parent_id"].as_str(), line["label"].as_str())
            {
                let of_entry = labels.entry(parent.to_owned()).or_default();
                of_entry.push(label.to_owned());
            }
            if let Some(id) = line["id"].as_str() {
                lines.insert(id.to_owned(), line.clone());
            }
        }
        Ok(RunTrail {
            run: run.to_string(),
            setup,
            beads_dir,
            outbox,
            lines,
            labels,
        })
    }

    fn entries(&self) -> Vec<EntryFacts> {
        let facts = |(wanted, id): (&mesh_bd::audit::outbox::Wanted, Option<&str>)| {
            let AuditWrite::Entry(entry) = &wanted.write else {
                return None;
            };
            // What the trail does not hold any more is not recorded, whatever was noted.
            let id = id
                .filter(|id| self.lines.contains_key(*id))
                .map(str::to_owned);
            let labels = id.as_ref().and_then(|id| self.labels.get(id));
            Some(EntryFacts {
                of: wanted.key.clone(),
                kind: entry.kind(),
                issue: entry.issue().to_string(),
                labels: labels.cloned().unwrap_or_default(),
                id,
            })
        };
        self.outbox.iter().filter_map(facts).collect()
    }

    fn list(&self, json: bool, shell: &mut Shell) -> Result<u8, CommandError> {
        let entries = self.entries();
        if json {
            shell.object(&serde_json::json!({
                "schema": 1, "run": self.run, "trail": trail(&self.beads_dir), "entries": entries,
            }))?;
            return Ok(exit_code::OK);
        }
        for entry in &entries {
            let id = entry.id.as_deref().unwrap_or("(not recorded)");
            let labels = match entry.labels.is_empty() {
                true => String::new(),
                false => format!("  [{}]", entry.labels.join(", ")),
            };
            shell.line(format!("{id}  {}  {}{labels}", entry.kind, entry.of));
        }
        if entries.is_empty() {
            shell.line(format!("run {} has no entries in the audit", self.run));
        }
        Ok(exit_code::OK)
    }

    fn entry(&self, id: &str) -> Result<&Value, CommandError> {
        self.lines.get(id).ok_or_else(|| {
            let trail = trail(&self.beads_dir);
            CommandError::usage(format!("there is no entry {id} in {}", trail.display()))
                .hint("`mesh audit list` shows the entries of a run")
        })
    }

    fn show(&self, id: &str, json: bool, shell: &mut Shell) -> Result<u8, CommandError> {
        let entry = self.entry(id)?;
        let labels = self.labels.get(id).cloned().unwrap_or_default();
        if json {
            let object = serde_json::json!({ "schema": 1, "entry": entry, "labels": labels });
            shell.object(&object)?;
            return Ok(exit_code::OK);
        }
        let fields = entry.as_object().into_iter().flatten();
        for (name, value) in fields {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            shell.line(format!("{name}: {text}"));
        }
        if !labels.is_empty() {
            shell.line(format!("labels: {}", labels.join(", ")));
        }
        Ok(exit_code::OK)
    }

    fn label(
        &self,
        id: &str,
        label: &str,
        reason: &str,
        json: bool,
        shell: &mut Shell,
    ) -> Result<u8, CommandError> {
        self.entry(id)?;
        let Some(program) = &self.setup.programs.bd else {
            return Err(CommandError::new(Kind::ToolMissing, "bd was not found"));
        };
        let ours = std::env::vars_os().collect();
        let mut setup = mesh_bd::Setup::new(program, &self.setup.repository, ours);
        setup.beads_dir = Some(self.beads_dir.clone());
        setup.allow_untested = true;
        setup.limits = self.setup.tracker_limits.of_calls();
        let written = mesh_bd::open(&setup)?.audit_label(id, label, reason, "mesh")?;
        if json {
            let object = serde_json::json!({
                "schema": 1, "id": written, "entry": id, "label": label,
            });
            shell.object(&object)?;
        } else {
            shell.line(format!("{id} is labelled {label}"));
        }
        Ok(exit_code::OK)
    }

    /// Every attempt of the journal has what the run's level asks for, and the trail holds it.
    fn check(&self, args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
        let (mesh_dir, run, _) = args.run.find(folder)?;
        let summary = report::summary(&mesh_dir, &run)?;
        let entries = self.entries();
        let recorded: BTreeSet<&str> = entries
            .iter()
            .filter(|entry| entry.id.is_some())
            .map(|entry| entry.of.as_str())
            .collect();
        let mut missing: Vec<String> = entries
            .iter()
            .filter(|entry| entry.id.is_none())
            .map(|entry| entry.of.clone())
            .collect();
        for task in &summary.tasks {
            for attempt in &task.attempts {
                let executed = attempt.agent_started_at.is_some();
                let has_ended = attempt.outcome.is_some();
                let failed = !matches!(
                    attempt.outcome.as_deref(),
                    None | Some("verified" | "question" | "interrupted" | "skipped")
                );
                let wanted: &[&str] = match self.setup.audit {
                    AuditLevel::None => &[],
                    AuditLevel::Minimal if failed => &[audit_keys::TOOL_CALL],
                    AuditLevel::Minimal => &[],
                    AuditLevel::Full if has_ended && executed => {
                        &[audit_keys::PROMPT, audit_keys::TOOL_CALL]
                    }
                    AuditLevel::Full if has_ended => &[audit_keys::TOOL_CALL],
                    AuditLevel::Full if executed => &[audit_keys::PROMPT],
                    AuditLevel::Full => &[],
                };
                for what in wanted {
                    let of = format!("{}#{}", task.id, attempt.number);
                    let key = audit_keys::key_of(of, what);
                    if !recorded.contains(key.as_str()) && !missing.contains(&key) {
                        missing.push(key);
                    }
                }
            }
        }
        let ok = missing.is_empty();
        if args.json {
            shell.object(&serde_json::json!({
                "schema": 1, "run": self.run, "ok": ok, "recorded": recorded.len(), "missing": missing,
            }))?;
        } else if ok {
            shell.line(format!(
                "run {}: all {} entries are in {}",
                self.run,
                recorded.len(),
                trail(&self.beads_dir).display()
            ));
        } else {
            for key in &missing {
                shell.line(format!("missing: {key}"));
            }
            shell.line("`mesh resume` records what it can");
        }
        Ok(match ok {
            true => exit_code::OK,
            false => exit_code::SOME_FAILED,
        })
    }
}
