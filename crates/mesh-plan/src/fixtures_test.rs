//! Every file under `fixtures/` that is a plan or is meant to be none, with what is expected of it in a file beside it.
//!
//! `MESH_UPDATE_EXPECTED=1` writes the expected files anew, to be read by a person.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mesh_core::id::TaskId;
use mesh_core::task::Task;

use crate::csv;
use crate::diagnostic::Diagnostic;
use crate::list::{self, Choice, Format};
use crate::source_snapshot::SourceSnapshot;
use crate::st;

/// The files of a folder of fixtures with one of these ends.
pub(crate) fn files(folder: &str, ends: &[&str]) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(folder);
    let mut found: Vec<PathBuf> = fs_err::read_dir(folder)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let end = path.extension().and_then(|end| end.to_str());
            end.is_some_and(|end| ends.contains(&end))
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "no fixtures");
    found
}

fn load(path: &Path) -> Result<SourceSnapshot, Vec<Diagnostic>> {
    let bytes = fs_err::read(path).expect("the fixture can be read");
    let format = match path.extension().and_then(|end| end.to_str()) {
        Some("jsonl") => return Ok(st::load("", &bytes)),
        Some("csv") => {
            let input = csv::Input {
                name: "",
                bytes: &bytes,
                instruction: None,
                dependencies: None,
            };
            return Ok(csv::load(input).snapshot);
        }
        Some("yaml") => Format::Yaml,
        _ => Format::Markdown,
    };
    let document = list::read("", &bytes, format);
    list::choose(document, Choice::default()).map(|list| list.snapshot)
}

/// What the expected file holds: the diagnostics, and the tasks if it is a plan.
fn shown(name: &str, loaded: &Result<SourceSnapshot, Vec<Diagnostic>>) -> String {
    let mut text = String::new();
    let diagnostics = match loaded {
        Err(problems) => problems.clone(),
        Ok(loaded) => match loaded.plan(&Default::default()) {
            Ok(plan) => {
                for task in plan.tasks() {
                    text.push_str(&task_line(task, loaded));
                }
                loaded.diagnostics.clone()
            }
            Err(all) => all,
        },
    };
    let said: String = diagnostics
        .iter()
        .map(|found| found.in_input(name) + "\n")
        .collect();
    said + &text
}

fn task_line(task: &Task, loaded: &SourceSnapshot) -> String {
    let details = &loaded.details[&task.id];
    let ids = |ids: &[TaskId]| {
        ids.iter()
            .map(|id| format!("{:?}", id.as_str()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let locks: Vec<String> = task.locks.texts().collect();
    let mut line = format!(
        "task {:?} tie {} {:?}",
        task.id.as_str(),
        task.tie,
        task.eligibility
    );
    if !task.needs.is_empty() {
        let _ = write!(line, " needs [{}]", ids(&task.needs));
    }
    let _ = write!(
        line,
        " locks {locks:?} priority {} estimate {:?}",
        task.priority, task.estimate_minutes
    );
    if task.checkpoint {
        line.push_str(" checkpoint");
    }
    if !task.limits.is_none() {
        let _ = write!(line, " {:?}", task.limits);
    }
    let _ = writeln!(
        line,
        "\n  title {:?} description {:?} notes {:?}",
        details.title, details.description, details.notes
    );
    let _ = writeln!(
        line,
        "  proof {:?} ({}) scope {:?} acceptance {:?} without {}",
        details.proof_command(),
        details.proof_from.as_str(),
        details.scope,
        details.acceptance,
        details.allow_no_validation
    );
    line
}

/// Compares with the file beside it. The second is whether it is a plan, and the third what is said of it.
fn check(path: &Path) -> (bool, Vec<Diagnostic>) {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .expect("a plain name");
    let loaded = load(path);
    let is = shown(name, &loaded);
    let beside = path.with_file_name(format!("{name}.expected"));
    if std::env::var_os("MESH_UPDATE_EXPECTED").is_some() {
        fs_err::write(&beside, &is).expect("the expected file can be written");
    }
    let expected = fs_err::read_to_string(&beside).unwrap_or_default();
    assert_eq!(is, expected, "{name}");
    match loaded.and_then(|loaded| loaded.plan(&Default::default()).map(|_| loaded)) {
        Ok(loaded) => (true, loaded.diagnostics),
        Err(problems) => (false, problems),
    }
}

#[test]
fn every_valid_plan_is_read_as_expected() {
    for path in files("plans/valid", &["jsonl"]) {
        assert!(check(&path).0, "{}", path.display());
    }
}

/// As people write them: read as they are meant, or refused with a line.
#[test]
fn every_list_is_read_as_expected() {
    let lists = files("lists", &["md", "yaml"]);
    assert!(lists.len() >= 30);
    for path in lists {
        let (is_plan, said) = check(&path);
        let has_line = said
            .iter()
            .any(|found| found.is_error() && found.line.is_some());
        assert!(is_plan || has_line, "{}", path.display());
    }
}

#[test]
fn every_invalid_input_gets_all_its_problems() {
    let lists = files("invalid/list", &["md", "yaml"]);
    let plans = files("invalid/st", &["jsonl"]);
    let waves = files("invalid/csv", &["csv"]);
    assert!(lists.len() + plans.len() + waves.len() >= 80);
    for path in lists.into_iter().chain(plans).chain(waves) {
        let (is_plan, said) = check(&path);
        assert!(
            !is_plan && said.iter().any(Diagnostic::is_error),
            "{}",
            path.display()
        );
    }
}

fn seed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/seeds");
    fs_err::read_to_string(path.join(name)).expect("the example is there")
}

/// Part 003, lines 67 to 71 and 77 to 80: the two formats that are accepted.
#[test]
fn both_formats_of_part_003_are_one_task_each() {
    let only = |format, text: &str| {
        let document = list::read("", text.as_bytes(), format);
        let list = list::choose(document, Choice::default()).expect("a list");
        assert_eq!(list.snapshot.diagnostics, []);
        let task = list.snapshot.tasks.first().expect("a task").clone();
        (task.id.to_string(), task.title)
    };
    let maps = seed("003-maps.yaml");
    for format in [Format::Yaml, Format::Markdown] {
        assert_eq!(
            only(format, &maps),
            ("T1".to_owned(), "Short title".to_owned())
        );
    }
    assert!(list::is_yaml(maps.as_bytes()));
    let bullet = seed("003-bullet.md");
    assert_eq!(
        only(Format::Markdown, &bullet),
        ("T1".to_owned(), "Task title".to_owned())
    );
    assert!(!list::is_yaml(bullet.as_bytes()));
}

/// Part 003, lines 341 to 373: the whole message, with the words around the list.
#[test]
fn the_message_of_part_003_holds_its_two_tasks() {
    let text = seed("003-example.md");
    let document = list::read("", text.as_bytes(), Format::Markdown);
    let ids = [
        TaskId::new("T1").expect("an id"),
        TaskId::new("T2").expect("an id"),
    ];
    let choice = Choice {
        pick: None,
        ids: &ids,
    };
    let list = list::choose(document, choice).expect("the list");
    let plan = list.snapshot.plan(&Default::default()).expect("a plan");
    assert_eq!(list.snapshot.diagnostics, []);
    let shown: String = plan
        .tasks()
        .iter()
        .map(|task| task_line(task, &list.snapshot))
        .collect();
    assert_eq!(
        shown,
        "task \"T1\" tie 0 Open locks [\"src-config\"] priority 2 estimate None\n  \
         title \"Update config loader\" description \"Make config load order deterministic.\" notes \"\"\n  \
         proof Some(\"make test\") (`validation` in the plan) scope [\"src/config/**\"] acceptance \"- Deterministic precedence documented.\" without false\n\
         task \"T2\" tie 1 Open needs [\"T1\"] locks [\"tests\"] priority 2 estimate None\n  \
         title \"Add regression test\" description \"Add a failing test for the old behavior.\" notes \"\"\n  \
         proof Some(\"make test\") (`validation` in the plan) scope [\"tests/**\"] acceptance \"\" without false\n"
    );
}

/// Part 004, lines 132 to 141: the block of metadata in the notes of an item.
#[test]
fn the_block_of_part_004_is_read_whole() {
    let mut item = st::StItem::pending(TaskId::new("st-003").expect("an id"), "Mend foo");
    item.notes = seed("004-notes.md");
    let snapshot = st::load("", &st::new_plan("2026-03-01T10:00:00Z", &[item]));
    assert_eq!(snapshot.diagnostics, []);
    let details = snapshot.details.values().next().expect("the item");
    assert_eq!(details.scope, ["src/foo.py", "tests/test_foo.py"]);
    assert_eq!(details.acceptance, "- foo() rejects invalid input");
    assert_eq!(details.proof, ["uv run pytest -q"]);
    assert!(!details.allow_no_validation);
    assert_eq!(details.notes, "");
}
