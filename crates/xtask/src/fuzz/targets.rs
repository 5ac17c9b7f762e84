//! The parsers that strange input is tried on, and where plain input for each lies.
//!
//! Calls of `mesh-bd-ro` have a fuzzer of their own (`fuzz ro`). Formulas are not here: mesh writes them, and `bd` reads them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mesh_agent::profile::{Protocol, Template};
use mesh_agent::protocol::Sources;
use mesh_core::id::TaskId;
use mesh_core::time::Millis;
use mesh_plan::csv;
use mesh_plan::learnings;
use mesh_plan::list::{self, Choice, Format};
use mesh_plan::st;
use mesh_plan::units;
use mesh_proc::env::Env;
use mesh_proc::run::{Command, Output, RunError, Runner, Status};
use serde_json::Value;

use super::roles;
use crate::{Outcome, repository};

/// A parser, or several of the same kind of file.
pub(super) struct Target {
    pub name: &'static str,
    /// Folders of the fixtures and ends of names.
    corpus: &'static [(&'static str, &'static str)],
    /// The inputs that a file of the corpus holds.
    inputs: fn(Vec<u8>) -> Vec<Vec<u8>>,
    /// Inputs that no file holds.
    plain: &'static [&'static str],
    /// Reads the bytes; those that are read from files are put into the folder first.
    pub read: fn(&Path, &[u8]) -> io::Result<()>,
}

const NONE: Target = Target {
    name: "",
    corpus: &[],
    inputs: |file| vec![file],
    plain: &[],
    read: |_, _| Ok(()),
};

pub(super) const TARGETS: [Target; 10] = [
    Target {
        name: "list",
        corpus: &[("lists", "md"), ("lists", "yaml"), ("invalid/list", "md")],
        read: read_list,
        ..NONE
    },
    Target {
        name: "yaml",
        corpus: &[("lists", "yaml"), ("invalid/list", "yaml")],
        read: read_yaml,
        ..NONE
    },
    Target {
        name: "st",
        corpus: &[("plans/valid", "jsonl"), ("invalid/st", "jsonl")],
        read: read_st,
        ..NONE
    },
    Target {
        name: "csv",
        corpus: &[("invalid/csv", "csv")],
        read: read_csv,
        ..NONE
    },
    Target {
        name: "units",
        plain: &[
            r#"{"explanation":"why","plan":[{"step":"a","status":"in_progress"},{"step":"b","id":"u-2","depends_on":["unit-001"]}]}"#,
            r#"{"steps":[{"title":"a","unit_scope":"src/**; tests","proof_command":"true"}]}"#,
            r#"{"units":[{"id":"unit-001","objective":"a","unit_scope":"src"},{"id":"unit-002","objective":"b","unit_scope":"src/b","depends_on":["unit-001"]}]}"#,
        ],
        read: read_units,
        ..NONE
    },
    Target {
        name: "config",
        corpus: &[("configs/valid", "toml"), ("configs/invalid", "toml")],
        plain: &["agent --flag 'a b' {prompt} {{literal}} {workspace}/x"],
        read: read_config,
        ..NONE
    },
    Target {
        name: "agents",
        corpus: &[("agents", "jsonl")],
        plain: &[
            "{\"mesh\":\"turn\",\"turn\":\"vote.1.skeptic.1\",\"state\":\"started\"}\n",
            "Done.\n\n```mesh\nresult: verified\nchanged: a.txt\n```\n",
        ],
        read: read_agents,
        ..NONE
    },
    Target {
        name: "journal",
        corpus: &[("journals/v1", "jsonl"), ("journals/v2", "jsonl")],
        plain: &[
            "{\"id\":\"lrn-1\",\"status\":\"review_later\",\"learning\":\"When a, do b because c.\",\"evidence\":[\"d\"]}\n",
        ],
        read: read_journal,
        ..NONE
    },
    Target {
        name: "bd",
        corpus: &[("bd", "jsonl")],
        inputs: recorded_answers,
        read: read_bd,
        ..NONE
    },
    Target {
        name: "strategies",
        plain: &roles::ANSWERS,
        read: roles::read,
        ..NONE
    },
];

impl Target {
    /// All plain inputs.
    pub(super) fn corpus(&self) -> Outcome<Vec<Vec<u8>>> {
        let mut files = Vec::new();
        for (folder, end) in self.corpus {
            let folder = repository().join("fixtures").join(folder);
            for entry in fs_err::read_dir(folder)? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == *end) {
                    files.push(path);
                }
            }
        }
        files.sort();
        let mut corpus: Vec<Vec<u8>> = self
            .plain
            .iter()
            .map(|text| text.as_bytes().into())
            .collect();
        for file in files {
            corpus.extend((self.inputs)(fs_err::read(file)?));
        }
        Ok(corpus)
    }
}

/// What the program of a recording wrote to stdout, call by call.
fn recorded_answers(recording: Vec<u8>) -> Vec<Vec<u8>> {
    let calls = recording.split(|byte| *byte == b'\n');
    let calls = calls.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    calls
        .filter_map(|call| Some(call["stdout"].as_str()?.as_bytes().to_vec()))
        .collect()
}

fn read_list(_: &Path, bytes: &[u8]) -> io::Result<()> {
    let document = list::read("tasks.md", bytes, Format::Markdown);
    if let Ok(list) = list::choose(document, Choice::default()) {
        // What it makes of the document is a document that says the same.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let _ = list.with_statuses(text, &Default::default());
        let _ = list.snapshot.plan(&Default::default());
    }
    let _ = list::draft(&String::from_utf8_lossy(bytes));
    Ok(())
}

fn read_yaml(_: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = list::is_yaml(bytes);
    let document = list::read("tasks.yaml", bytes, Format::Yaml);
    if let Ok(list) = list::choose(document, Choice::default()) {
        let _ = list.snapshot.plan(&Default::default());
    }
    Ok(())
}

fn read_st(_: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = st::load("plan.jsonl", bytes).plan(&Default::default());
    let _ = st::mesh_block(&String::from_utf8_lossy(bytes));
    Ok(())
}

fn read_csv(_: &Path, bytes: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    // The table of dependencies and the instruction are of the same person's hand.
    let input = csv::Input {
        name: "wave.csv",
        bytes,
        instruction: Some(&text),
        dependencies: Some(("deps.csv", bytes)),
    };
    let document = csv::load(input);
    let _ = document.skeleton();
    let _ = csv::is_skeleton(bytes);
    let _ = document.snapshot.plan(&Default::default());
    Ok(())
}

fn read_units(_: &Path, bytes: &[u8]) -> io::Result<()> {
    let _ = units::summary(bytes);
    let _ = units::slice(bytes, Some(3));
    let _ = units::wave(bytes, 3);
    Ok(())
}

fn read_config(_: &Path, bytes: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    let _ = mesh::config::is_valid(&text);
    if let Ok(template) = Template::parse(&text) {
        let _ = template.shown_args();
    }
    // A pattern is a line; a whole document as one takes seconds to compile.
    let line: String = text.chars().take(200).collect();
    let _ = mesh_agent::protocol::check_limit_pattern(&line);
    Ok(())
}

/// The session that [`read_agents`] has in its folder of sessions, as of the first day that can be written.
const SESSION: &str = "00000000-0000-7000-8000-000000000000";

fn read_agents(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    fs_err::write(&stdout, bytes)?;
    fs_err::write(&stderr, bytes)?;
    let patterns = ["limit".to_owned()];
    let sources = Sources {
        stdout: &stdout,
        stderr: &stderr,
        home: None,
        limit_patterns: &patterns,
        now_unix_ms: 0,
        moment: &Millis,
    };
    for protocol in [
        Protocol::Plain,
        Protocol::Codex,
        Protocol::Claude,
        Protocol::Strategy,
    ] {
        let _ = protocol.read_block(&stdout);
        let _ = protocol.explanation(&stdout);
        let _ = protocol.metered(&sources);
        let _ = protocol.session(&stdout);
        let _ = protocol.last_message(&stdout, 1000);
        let _ = protocol.answer(&stdout, 1000);
        let _ = protocol.activity(&stdout);
    }
    let _ = mesh_agent::protocol::strategy::turns(&stdout);
    // The file of a session is read where the stream names it.
    let day = folder.join("sessions/1970/01/01");
    fs_err::create_dir_all(&day)?;
    fs_err::write(day.join(format!("rollout-1-{SESSION}.jsonl")), bytes)?;
    let started = format!("{{\"type\":\"thread.started\",\"thread_id\":\"{SESSION}\"}}\n");
    fs_err::write(&stdout, started)?;
    let with_session = Sources {
        home: Some(folder),
        ..sources
    };
    let _ = Protocol::Codex.metered(&with_session);
    Ok(())
}

fn read_journal(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join("journal.jsonl");
    fs_err::write(&path, bytes)?;
    let _ = mesh_journal::read_header(&path);
    if let Ok(contents) = mesh_journal::read(&path) {
        let _ = mesh_journal::replay(&contents.records);
    }
    let _ = mesh_journal::results::read(&path);
    let _ = mesh_journal::call_log::count(&path, "git");
    let (records, _) = learnings::read(bytes);
    let _ = learnings::search(&records, &Default::default());
    let control = folder.join("control");
    fs_err::create_dir_all(&control)?;
    fs_err::write(control.join("1.json"), bytes)?;
    let _ = mesh_journal::control::read_requests(&control);
    Ok(())
}

/// Opens as a bd of a version does, and gives the bytes for everything else.
struct Answering {
    version: &'static str,
    bytes: Vec<u8>,
}

impl Runner for Answering {
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let has = |word: &str| command.args.iter().any(|arg| arg == word);
        let stdout = if has("version") {
            format!("{{\"version\":\"{}\"}}", self.version).into()
        } else if has("--help") {
            b"--claim --set-metadata --if-assignee bd heartbeat <id>".to_vec()
        } else if has("where") {
            b"{\"path\":\".\"}".to_vec()
        } else {
            self.bytes.clone()
        };
        Ok(Output {
            status: Status::Exited(0),
            stdout,
            stderr: Vec::new(),
            elapsed: Duration::ZERO,
        })
    }
}

fn read_bd(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    for version in ["1.3.0", "0.47.1"] {
        let mut setup = mesh_bd::Setup::new("bd", folder, Env::empty());
        setup.runner = Arc::new(Answering {
            version,
            bytes: bytes.to_vec(),
        });
        let tracker = mesh_bd::open(&setup).map_err(io::Error::other)?;
        let id = TaskId::new("t-1").map_err(io::Error::other)?;
        let _ = tracker.listing();
        let _ = tracker.show(&id);
        let _ = tracker.comments(&id);
        let _ = tracker.claim(&id, "mesh-1", &[]);
        let _ = tracker.renew(&id, "mesh-1");
        let _ = tracker.comment(&id, "mesh-1", "text");
        let _ = tracker.swarm_create(&id, "mesh-1");
        let _ = tracker.swarm_validate(&id);
        let _ = tracker.swarm_status(&id);
    }
    Ok(())
}
