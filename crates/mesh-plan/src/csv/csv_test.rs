use proptest::prelude::*;

use super::*;

const HEADER: &str = "id,objective,unit_scope,constraints,invariants,proof_command,delivery_mode,attempt,variant,budget_tier";

fn read<'a>(bytes: &'a [u8], instruction: Option<&'a str>, deps: Option<&'a str>) -> CsvDocument {
    load(Input {
        name: "wave.csv",
        bytes,
        instruction,
        dependencies: deps.map(|text| ("deps.csv", text.as_bytes())),
    })
}

/// A file with these rows under the header.
fn rows(rows: &[&str]) -> String {
    format!("{HEADER}\n{}\n", rows.join("\n"))
}

#[track_caller]
fn check(bytes: &str, instruction: Option<&str>, deps: Option<&str>, expected: &[&str]) {
    let document = read(bytes.as_bytes(), instruction, deps);
    let problems = match document.snapshot.plan(&BTreeMap::new()) {
        Ok(_) => document.snapshot.diagnostics,
        Err(problems) => problems,
    };
    let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{bytes}");
}

#[test]
fn a_full_row_becomes_a_task() {
    let text = format!(
        "{HEADER},lane\r\n\
         u-001,\"Fix the \"\"parser\"\":\nno trailing commas\",\"src/parser.py; tests/test_parser.py\",\"Keep the API; no push\",Reject early,\"uv run pytest\",\"commit_first\",1,\"wave\",\"aware\",coder\r\n\
         \r\n\
         u-002,More,unknown,,,,,,,,\r\n"
    );
    let document = read(text.as_bytes(), None, None);
    assert_eq!(document.snapshot.diagnostics, []);
    assert_eq!(document.items, ["u-001", "u-002"]);
    let first = &document.snapshot.details[&TaskId::new("u-001").unwrap()];
    assert_eq!(first.title, "Fix the \"parser\": no trailing commas");
    assert_eq!(first.description, "Fix the \"parser\":\nno trailing commas");
    assert_eq!(
        first.design,
        "Constraints:\n- Keep the API\n- no push\n\nInvariants:\n- Reject early"
    );
    assert_eq!(first.notes, "lane: coder");
    assert_eq!(first.scope, ["src/parser.py", "tests/test_parser.py"]);
    assert_eq!(first.proof_command().as_deref(), Some("uv run pytest"));
    assert_eq!(first.proof_from, ProofFrom::ProofCommand);
    let second = &document.snapshot.details[&TaskId::new("u-002").unwrap()];
    assert!(second.scope.is_empty() && second.proof.is_empty());
    assert_eq!(second.proof_from, ProofFrom::None);
    let place = document.snapshot.spans[&TaskId::new("u-002").unwrap()];
    assert_eq!((place.line, place.column), (5, Some(1)));
    let plan = document.snapshot.plan(&BTreeMap::new()).unwrap();
    assert_eq!(plan.tasks().len(), 2);
    assert!(plan.tasks()[1].locks.is_empty());
}

#[test]
fn scopes_that_overlap_share_lock_groups() {
    let text = rows(&[
        "a,A,src/,,,,,,,",
        "b,B,\"src/x.rs, docs\",,,,,,,",
        "c,C,tests,,,,,,,",
    ]);
    let document = read(text.as_bytes(), None, None);
    let groups: Vec<BTreeSet<_>> = document
        .snapshot
        .tasks
        .iter()
        .map(|task| task.locks.groups())
        .collect();
    assert!(!groups[0].is_disjoint(&groups[1]));
    assert!(groups[2].is_disjoint(&groups[0]) && groups[2].is_disjoint(&groups[1]));
}

#[test]
fn an_instruction_names_columns() {
    let text = format!("{HEADER},my lane\na,Do it,,,,,,,,,coder\n");
    let instruction = "As {my lane}: {objective}. Answer {{\"id\": \"{id}\"}}, not {{id}}.";
    let document = read(text.as_bytes(), Some(instruction), None);
    let details = &document.snapshot.details[&TaskId::new("a").unwrap()];
    assert_eq!(
        details.description,
        "As coder: Do it. Answer {\"id\": \"a\"}, not {id}."
    );
    // What stands in a cell is text, even if it looks like a placeholder.
    let text = rows(&["a,{id} {{x}},,,,,,,,"]);
    let document = read(text.as_bytes(), Some("{objective}"), None);
    let details = &document.snapshot.details[&TaskId::new("a").unwrap()];
    assert_eq!(details.description, "{id} {{x}}");
}

#[test]
fn equal_ids_get_numbers() {
    let text = rows(&["a,A,,,,,,,,", "a-2,B,,,,,,,,", "a,C,,,,,,,,", "a,D,,,,,,,,"]);
    check(
        &text,
        None,
        None,
        &[
            "4:1: warning: a row before this one has the id a too: this is a-3",
            "5:1: warning: a row before this one has the id a too: this is a-4",
        ],
    );
    assert_eq!(
        read(text.as_bytes(), None, None).items,
        ["a", "a-2", "a-3", "a-4"]
    );
}

#[test]
fn what_is_wrong_is_said_at_once_and_where() {
    check("", None, None, &["1:1: error: the file is empty"]);
    check(
        &format!("{HEADER}\n"),
        None,
        None,
        &["error: the file has no rows"],
    );
    check(
        "id,objectiv,unit_scope,constraints,invariants,delivery_mode,attempt,variant,budget_tier\na,A,,,,,,,\n",
        None,
        None,
        &[
            "1:1: error: the column `objective` is missing; is `objectiv` meant to be it?",
            "1:1: error: the column `proof_command` is missing",
        ],
    );
    check(
        &rows(&[
            ",A,,,,,,,,",
            "b,  ,,,,,commit_frist,0,,",
            "c,C,,,,,,one,,",
            "d,D,,,,,,,,,",
            "e,E",
        ]),
        None,
        None,
        &[
            "2:1: error: `` is no id: it is empty",
            "3:3: error: `objective` is empty: nothing is to be done",
            "3:10: error: `delivery_mode` is `commit_first` or `patch_first`, not `commit_frist`; did you mean `commit_first`?",
            "3:23: error: `attempt` is a whole number from 1 on, not `0`",
            "4:10: error: `attempt` is a whole number from 1 on, not `one`",
            "5:1: error: this row has 11 cells, and there are 10 columns; a cell with a comma in it stands in quotes",
            "6:1: error: this row has 2 cells, and there are 10 columns; a cell with a comma in it stands in quotes",
        ],
    );
    check(
        &format!("{HEADER},status,lane,lane,\na,A,,,,,,,,,,,,\n"),
        None,
        None,
        &[
            "1:116: error: a second column `lane`; the first begins at 111",
            "1:121: error: column 14 has no name",
        ],
    );
    check(
        &format!("{HEADER},status\na,A,,,,,,,,,x\n"),
        None,
        None,
        &["1:104: warning: the output has a column `status` of its own, and leaves this one out"],
    );
}

#[test]
fn the_form_is_that_of_the_standard() {
    check(
        &rows(&[
            "a, \"A, b\",,,,,,,",
            "b,say \"hi\",,,,,,,,",
            "c,\"C\"x,,,,,,,,",
            "d,\"D,,,,,,,,",
        ]),
        None,
        None,
        &[
            "2:3: error: there is a space before the quote that opens this cell",
            "2:7: error: there is a quote in this cell, which does not begin with one: put the cell in quotes, and write each quote in it twice",
            "3:3: error: there is a quote in this cell, which does not begin with one: put the cell in quotes, and write each quote in it twice",
            "4:3: error: something follows the quote that closes this cell; a quote in a cell is written twice",
            "5:1: error: this row has 2 cells, and there are 10 columns; a cell with a comma in it stands in quotes",
            "5:3: error: the quote that opens this cell is never closed",
        ],
    );
}

#[test]
fn an_instruction_is_checked() {
    let text = rows(&["a,A,,,,,,,,"]);
    check(
        &text,
        Some("Do {objectiv}\nand {lane} as {\"x\": 1} } and {never"),
        None,
        &[
            "error: instruction:1:4: there is no column `objectiv`; did you mean `objective`?; `{{objectiv}}` is the word in braces itself",
            "error: instruction:2:5: there is no column `lane`; `{{lane}}` is the word in braces itself",
            "error: instruction:2:15: there is no column `\\\"x\\\": 1`; `{{\\\"x\\\": 1}}` is the word in braces itself",
            "error: instruction:2:24: this `}` closes nothing; `}}` is a brace in the text",
            "error: instruction:2:30: this `{` is never closed; `{{` is a brace in the text",
        ],
    );
    check(
        &text,
        Some(" "),
        None,
        &["error: instruction:1:1: it is empty"],
    );
}

#[test]
fn a_second_table_says_what_waits_for_what() {
    let text = rows(&["a,A,,,,,,,,", "b,B,,,,,,,,", "c,C,,,,,,,,"]);
    let deps = "id,depends_on,interactive_lead\na,,true\nb,a,\nc,\"a; b\",no\n";
    let document = read(text.as_bytes(), None, Some(deps));
    let plan = document.snapshot.plan(&BTreeMap::new()).unwrap();
    let needs: Vec<Vec<&str>> = plan
        .tasks()
        .iter()
        .map(|task| task.needs.iter().map(TaskId::as_str).collect())
        .collect();
    assert_eq!(needs, [vec![], vec!["a"], vec!["a", "b"]]);
    check(
        &text,
        None,
        Some("id,depends_on,interactive_lead,when\na,\"b, x\",yes\n"),
        &[
            "error: deps.csv:2:1: this row has 3 cells, and there are 4 columns; a cell with a comma in it stands in quotes",
            "error: deps.csv:2:3: `x` is no row of the CSV",
            "error: deps.csv:2:3: `a` is the interactive lead, which waits for nothing",
            "warning: deps.csv:1:32: the column `when` is ignored",
        ],
    );
    check(
        &text,
        None,
        Some("id,depends_on,interactive_lead\na,a,\nb,c,maybe\nc,b,\nd,a,\n"),
        &[
            "3:1: error: dependency cycle: b -> c -> b",
            "error: deps.csv:2:3: a depends on itself",
            "error: deps.csv:3:5: `interactive_lead` is `true` or `false`, not `maybe`",
            "error: deps.csv:5:1: `d` is no row of the CSV",
        ],
    );
    check(
        &text,
        None,
        Some("id\na\n"),
        &["error: deps.csv:1:1: the column `depends_on` is missing"],
    );
}

#[test]
fn the_output_has_the_columns_that_were_given_and_what_came_of_each_row() {
    let text =
        format!("{HEADER},note,status\na,\"A, or\nB\",,,,,,,,,\"x\"\"y\",old\na,C,,,,,,,,,,\n");
    let document = read(text.as_bytes(), None, None);
    let output = document.output("job-1", |row| RowResult {
        status: if row == 0 {
            RowStatus::Completed
        } else {
            RowStatus::Failed
        },
        attempt_count: 2,
        last_error: if row == 0 { "" } else { "a, b" }.to_owned(),
        result_json: r#"{"id": "a"}"#.to_owned(),
    });
    let expected = format!(
        "{HEADER},note,job_id,item_id,status,attempt_count,last_error,result_json\n\
         a,\"A, or\nB\",,,,,,,,,\"x\"\"y\",job-1,a,completed,2,,\"{{\"\"id\"\": \"\"a\"\"}}\"\n\
         a,C,,,,,,,,,,job-1,a-2,failed,2,\"a, b\",\"{{\"\"id\"\": \"\"a\"\"}}\"\n"
    );
    assert_eq!(String::from_utf8(output).unwrap(), expected);
}

#[test]
fn an_output_to_begin_with_is_known_again_until_something_is_in_it() {
    let text = rows(&["a,A,,,,,,,,", "b,B,,,,,,,,"]);
    let skeleton = read(text.as_bytes(), None, None).skeleton();
    let words = String::from_utf8(skeleton.clone()).unwrap();
    assert_eq!(
        words,
        "id,decision,proof_status,failure_code,notes\na,queued,pending,,\nb,queued,pending,,\n"
    );
    assert!(is_skeleton(&skeleton));
    for changed in [
        words.replacen("queued", "accept", 1),
        words.replacen(",,", ",,x", 1),
        words.replacen("notes", "note", 1),
        text,
    ] {
        assert!(!is_skeleton(changed.as_bytes()), "{changed}");
    }
}

proptest! {
    /// Whatever the bytes are, they are read, and each problem of the form has a place in them.
    #[test]
    fn no_input_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..400), with_header: bool) {
        let mut all = if with_header { format!("{HEADER}\n").into_bytes() } else { Vec::new() };
        all.extend(&bytes);
        let document = read(&all, Some("{id}"), None);
        prop_assert_eq!(document.items.len(), document.table.rows.len());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let deps = read(format!("{HEADER}\na,A,,,,,,,,\n").as_bytes(), Some(&text), Some(&text));
        prop_assert_eq!(deps.items.len(), 1);
    }

    /// What is written is read as it was.
    #[test]
    fn what_is_written_is_read(cells in proptest::collection::vec("[a-z,\"\r\n ;{}é]{0,8}", 10)) {
        let mut row = cells;
        row[0].insert(0, 'x');
        let written = write([REQUIRED.map(str::to_owned).to_vec(), row.clone()]);
        let (table, problems) = Table::read(&written);
        prop_assert_eq!(problems, vec![]);
        let read: Vec<String> = table.rows[0].iter().map(|cell| cell.text.clone()).collect();
        prop_assert_eq!(read, row);
    }
}
