use super::*;
use crate::diagnostic::Severity;
use mesh_core::task::Eligibility;

fn markdown(text: &str) -> ListDocument {
    read("tasks.md", text.as_bytes(), Format::Markdown)
}

#[track_caller]
fn only(text: &str) -> TaskList {
    let list = choose(markdown(text), Choice::default());
    list.unwrap_or_else(|problems| panic!("{problems:?}\n{text}"))
}

/// `id:status:needs` of each task.
fn shape(list: &TaskList) -> Vec<String> {
    let task = |task: &mesh_core::task::Task| {
        let needs: Vec<&str> = task.needs.iter().map(TaskId::as_str).collect();
        let status = &list.snapshot.details[&task.id].status;
        format!("{}:{status}:{}", task.id, needs.join("+"))
    };
    list.snapshot.tasks.iter().map(task).collect()
}

fn said(list: &TaskList) -> Vec<String> {
    list.snapshot
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

const EXAMPLE: &str = "\
Use $mesh to parallelize:

- T1: Update config loader
  - id: T1
  - status: todo
  - depends_on: []
  - location: src/config/**
  - description: Make config load order deterministic.
  - acceptance:
    - Deterministic precedence documented.
  - validation:
    - make test

- T2: Add regression test
  - id: T2
  - status: todo
  - depends_on: [T1]
  - location: tests/**
  - description: Add a failing test for the old behavior.
  - validation:
    - make test

Then reply:

$mesh confirm
";

#[test]
fn the_example_is_read_as_it_is_meant() {
    for text in [
        EXAMPLE.to_owned(),
        EXAMPLE.replace('\n', "\r\n"),
        format!("```text\n{EXAMPLE}```\n"),
    ] {
        let list = only(&text);
        assert_eq!(shape(&list), ["T1:todo:", "T2:todo:T1"], "{text}");
        assert_eq!(said(&list), [""; 0], "{text}");
        let details = &list.snapshot.details[&TaskId::new("T1").unwrap()];
        assert_eq!(details.title, "Update config loader");
        assert_eq!(details.description, "Make config load order deterministic.");
        assert_eq!(details.acceptance, "- Deterministic precedence documented.");
        assert_eq!(details.proof, ["make test"]);
        assert_eq!(details.scope, ["src/config/**"]);
        for (id, range) in &list.statuses {
            assert_eq!(&text[range.clone()], "todo", "{id}");
        }
    }
}

const MAPS: &str = "\
- id: T1
  status: doing
  depends_on: []
  name: Short title
  description: What to do
- id: T2
  status: done
  depends_on: [T1]
  acceptance:
    - one
    - two
  validation: make test
";

#[test]
fn tasks_name_their_agents() {
    let item = |id: &str, agent: &str| {
        format!("- {id}: x\n  - id: {id}\n  - status: todo\n  - depends_on: []\n{agent}")
    };
    let text = [
        item("A", "  - agent: claude\n"),
        item("B", "  - agent: [`claude`, codex]\n"),
        item("C", "  - agent: claude, codex\n"),
        item("D", ""),
    ];
    let list = only(&text.concat());
    let agents: Vec<String> = list
        .snapshot
        .tasks
        .iter()
        .map(|task| task.agents.join("+"))
        .collect();
    assert_eq!(
        agents,
        ["claude", "claude+codex", "claude+codex", ""],
        "{:?}",
        said(&list)
    );
    let yaml = "- id: A\n  name: x\n  status: todo\n  depends_on: []\n  agent: [codex, claude]\n";
    let list = choose(
        read("tasks.yaml", yaml.as_bytes(), Format::Yaml),
        Choice::default(),
    );
    let list = list.unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(list.snapshot.tasks[0].agents, ["codex", "claude"]);
}

#[test]
fn maps_are_read_in_a_file_in_a_block_and_in_a_document() {
    let yaml = read("plan.yaml", MAPS.as_bytes(), Format::Yaml);
    let yaml = choose(yaml, Choice::default()).unwrap();
    let lists = [
        (MAPS.to_owned(), yaml),
        (MAPS.to_owned(), only(MAPS)),
        {
            let text = format!("# Plan\n\nSome words.\n\n```yaml\n{MAPS}```\n\nMore.\n");
            (text.clone(), only(&text))
        },
        {
            let text = format!("# Plan\n\n{MAPS}\nMore words.\n");
            (text.clone(), only(&text))
        },
    ];
    for (text, list) in lists {
        assert_eq!(shape(&list), ["T1:doing:", "T2:done:T1"], "{text}");
        assert_eq!(said(&list), [""; 0], "{text}");
        let details = &list.snapshot.details[&TaskId::new("T2").unwrap()];
        assert_eq!(details.acceptance, "- one\n- two");
        assert_eq!(details.proof, ["make test"]);
        let words: Vec<&str> = list
            .statuses
            .iter()
            .map(|(_, at)| &text[at.clone()])
            .collect();
        assert_eq!(words, ["doing", "done"], "{text}");
    }
}

#[test]
fn styles_of_writing_mean_the_same() {
    let styles = [
        "1. First\n   - id: A\n   - status: todo\n   - depends_on: []\n2. Second\n   - id: B\n   - status: todo\n   - depends_on: A\n",
        "* First\n    * id: A\n    * status: todo\n    * depends_on: []\n* Second\n    * id: B\n    * status: todo\n    * depends_on:\n        * A\n",
        "+ First\n\t+ id: A\n\t+ status: todo\n\t+ depends_on: []\n+ Second\n\t+ id: B\n\t+ status: todo\n\t+ depends_on: [A]\n",
        "- **First**\n  - **id**: `A`\n  - **Status:** Todo\n  - **Depends on:** []\n- **Second**\n  - **id**: **B**\n  - **Status:** TODO\n  - **Depends on:** `A`\n",
        "- [ ] First\n  - id: A\n  - status: todo\n  - depends_on: []\n- [ ] Second\n  - id: B\n  - status: todo\n  - depends-on: [\"A\"]\n",
        "<!-- the plan -->\n\n- First\n\n  - id: A\n  - status: todo\n  - depends_on: []\n\n- Second\n\n  - id: B\n  - status: todo\n  - depends_on: [A]\n",
        "> - First\n>   - id: A\n>   - status: todo\n>   - depends_on: []\n> - Second\n>   - id: B\n>   - status: todo\n>   - depends_on: [A]\n",
        "- id: A\n  status: \"todo\"\n  depends_on: []\n- id: 'B'\n  status: todo\n  depends_on:\n    - A\n",
        "- {id: A, status: todo, depends_on: []}\n- {id: B, status: todo, depends_on: [A]}\n",
        "-   id: A\n    status: todo\n    depends_on: []\n\n-   id: B\n    status: todo\n    depends_on: [A]\n",
    ];
    for text in styles {
        let list = only(text);
        assert_eq!(shape(&list), ["A:todo:", "B:todo:A"], "{text}");
        let errors = list
            .snapshot
            .diagnostics
            .iter()
            .filter(|found| found.is_error());
        assert_eq!(errors.count(), 0, "{text}\n{:?}", said(&list));
        for (_, range) in &list.statuses {
            assert_eq!(text[range.clone()].to_lowercase(), "todo", "{text}");
        }
    }
}

#[test]
fn every_problem_is_said_at_once_with_its_place() {
    let text = "\
- One
  - id: T1
  - status: soon
  - depends_on: none
- Two
  - id: T1
  - depends_on: [T9]
- Three
  - id: has space
  - status: todo
  - depends_on: []
  - scop: src
  - just words
";
    let list = only(text);
    let expected = [
        "3:5: error: `status` is `todo`, `doing`, `done`, `blocked` or `cancelled`, not `soon`",
        "4:17: error: `none` is no id; a task that depends on nothing has `depends_on: []`",
        "5:1: error: `status` of `Two` is missing",
        "5:1: error: duplicate task T1; the first is on line 1",
        "9:5: error: `id` is one word, such as T1",
        "12:5: warning: unknown field `scop` is ignored; did you mean `scope`?",
        "13:5: warning: `just words` is no field and is ignored; `description: …` is one",
    ];
    assert_eq!(said(&list), expected);
    let problems = list
        .snapshot
        .plan(&std::collections::BTreeMap::new())
        .unwrap_err();
    let is_known = problems
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .count();
    assert!(is_known >= 5);
}

#[test]
fn the_last_of_several_lists_is_the_first_to_be_picked() {
    let second = EXAMPLE.replace("T1", "U1").replace("T2", "U2");
    let text = format!("{EXAMPLE}\n\n{second}");
    let ids = |list: Result<TaskList, Vec<Diagnostic>>| -> Vec<String> {
        match list {
            Ok(list) => shape(&list),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    };
    let said = ids(choose(markdown(&text), Choice::default()));
    assert!(said[0].contains("holds 2 task lists"), "{said:?}");
    assert!(
        said[1].ends_with("1: U1, U2") && said[2].ends_with("2: T1, T2"),
        "{said:?}"
    );
    let pick = |pick| {
        choose(
            markdown(&text),
            Choice {
                pick: Some(pick),
                ids: &[],
            },
        )
    };
    assert_eq!(ids(pick(1)), ["U1:todo:", "U2:todo:U1"]);
    assert_eq!(ids(pick(2)), ["T1:todo:", "T2:todo:T1"]);
    assert!(ids(pick(3))[0].contains("no task list 3"));
    let named = [TaskId::new("T2").unwrap()];
    let choice = Choice {
        pick: None,
        ids: &named,
    };
    assert_eq!(
        ids(choose(markdown(&text), choice)),
        ["T1:todo:", "T2:todo:T1"]
    );
    let strange = [TaskId::new("T2").unwrap(), TaskId::new("U1").unwrap()];
    let choice = Choice {
        pick: None,
        ids: &strange,
    };
    assert!(ids(choose(markdown(&text), choice))[0].contains("no task list has all of T2, U1"));
}

#[test]
fn a_plain_checklist_is_refused_and_drafted() {
    let text = "# Today\n\n- [ ] Fix the loader\n- [x] Write a test\n  - for the old behaviour\n";
    let problems = choose(markdown(text), Choice::default()).unwrap_err();
    let first = problems[0].to_string();
    assert!(
        first.starts_with("3:1: error: this list of 2 items is no task list"),
        "{first}"
    );
    assert!(first.contains("mesh draft"), "{first}");
    let draft = draft(text).expect("a draft");
    let list = only(&draft);
    assert_eq!(shape(&list), ["T1:todo:", "T2:done:"]);
    assert_eq!(said(&list), [""; 0]);
    let second = &list.snapshot.details[&TaskId::new("T2").unwrap()];
    assert_eq!(
        (second.title.as_str(), second.description.as_str()),
        ("Write a test", "for the old behaviour")
    );
    assert!(draft.trim_end().ends_with("(no copy/paste)."), "{draft}");
    for empty in ["", "just words\n", "# only\n\nwords: here\n"] {
        let problems = choose(markdown(empty), Choice::default()).unwrap_err();
        assert!(
            problems[0].message.starts_with("there is no task list"),
            "{problems:?}"
        );
    }
}

#[test]
fn statuses_say_what_is_to_be_done() {
    let text = "\
- id: A
  status: todo
  depends_on: []
- id: B
  status: doing
  depends_on: []
- id: C
  status: done
  depends_on: []
- id: D
  status: blocked
  depends_on: []
- id: E
  status: cancelled
  depends_on: []
";
    let list = only(text);
    let open: Vec<bool> = list
        .snapshot
        .tasks
        .iter()
        .map(|task| task.eligibility == Eligibility::Open)
        .collect();
    assert_eq!(open, [true, true, false, false, false]);
}

#[test]
fn broken_yaml_is_named_with_its_line() {
    let document = read("plan.yaml", b"- id: T1\n  status: [\n", Format::Yaml);
    let problems = choose(document, Choice::default()).unwrap_err();
    assert!(
        problems[0]
            .message
            .starts_with("this is no list of tasks in YAML"),
        "{problems:?}"
    );
    assert!(problems[0].line.is_some());
    let document = read("plan.yaml", b"id: T1\n", Format::Yaml);
    assert!(choose(document, Choice::default()).is_err());
    let document = read("plan.md", b"- id: \xff\n", Format::Markdown);
    let problems = choose(document, Choice::default()).unwrap_err();
    assert_eq!(problems[0].to_string(), "1:7: error: this is not UTF-8");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC*(\n[-*1. \t]{0,4}(id|status|depends_on)?:? ?\\PC{0,8}){0,12}") {
        for format in [Format::Markdown, Format::Yaml] {
            let _ = choose(read("x", text.as_bytes(), format), Choice::default());
        }
        let _ = draft(&text);
    }
}
