use super::*;
use crate::sample;

fn journal(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    fs_err::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_whole_journal_is_read_whole() {
    let records = sample::small_run();
    let (_folder, path) = journal(&sample::bytes_of(&sample::header(), &records));
    assert_eq!(read(&path).unwrap(), sample::contents(records));
    assert_eq!(read_header(&path).unwrap(), sample::header());
}

#[test]
fn a_last_line_torn_at_any_byte_is_dropped_and_said_so() {
    let records = sample::small_run();
    let whole = sample::bytes_of(&sample::header(), &records);
    let before = sample::bytes_of(&sample::header(), &records[..records.len() - 1]);
    for cut in before.len() + 1..whole.len() {
        let (_folder, path) = journal(&whole[..cut]);
        let Contents {
            records: read,
            tail,
            ..
        } = read(&path).unwrap();
        assert_eq!(read, records[..records.len() - 1], "cut at {cut}");
        let torn = Tail::Torn {
            offset: before.len() as u64,
            bytes: (cut - before.len()) as u64,
        };
        assert_eq!(tail, torn, "cut at {cut}");
    }
}

#[test]
fn a_last_line_with_a_hole_in_it_is_torn_too() {
    let records = sample::small_run();
    let mut bytes = sample::bytes_of(&sample::header(), &records);
    let length = bytes.len();
    bytes[length - 40..length - 1].fill(0);
    let (_folder, path) = journal(&bytes);
    let Contents {
        records: read,
        tail,
        ..
    } = read(&path).unwrap();
    assert_eq!(read.len(), records.len() - 1);
    assert!(matches!(tail, Tail::Torn { .. }));
}

/// The lines of a journal, the header first.
fn lines(records: &[Record]) -> Vec<String> {
    let bytes = sample::bytes_of(&sample::header(), records);
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| line.to_owned() + "\n").collect()
}

fn read_lines(lines: &[String]) -> Contents {
    let (_folder, path) = journal(lines.concat().as_bytes());
    read(&path).unwrap()
}

#[test]
fn a_last_line_that_is_json_but_strange_is_no_torn_one() {
    let records = sample::small_run();
    let mut lines = lines(&records);
    lines.push("{\"v\":1,\"n\":99}\n".to_owned());
    let contents = read_lines(&lines);
    assert_eq!((&contents.records, contents.tail), (&records, Tail::Clean));
    let damage = contents.damage.unwrap();
    assert!(damage.is_lossy, "{damage}");
    assert_eq!(damage.line, lines.len());
}

/// What somebody else puts in between hides nothing, because the numbers go on.
#[test]
fn lines_that_were_put_in_are_passed_over_and_named() {
    let records = sample::small_run();
    for rubbish in [
        "garbage\n",
        "\n",
        "{}\n",
        "\u{0}\u{0}\n",
        "[1,2\n{\"v\":1}\n",
    ] {
        let mut lines = lines(&records);
        lines.insert(3, rubbish.to_owned());
        lines.insert(5, "more\n".to_owned());
        let contents = read_lines(&lines);
        assert_eq!(contents.records, records, "{rubbish:?}");
        let damage = contents.damage.unwrap();
        assert!(!damage.is_lossy, "{damage}");
        assert_eq!(damage.line, 4, "{damage}");
        assert_eq!(damage.offset, lines[..3].concat().len() as u64);
        let said = damage.to_string();
        assert!(
            said.contains("line 4 (byte ") && said.contains("no record is missing"),
            "{said}"
        );
    }
}

#[test]
fn a_record_that_was_overwritten_ends_what_is_read() {
    let records = sample::small_run();
    for at in 1..=records.len() {
        let mut lines = lines(&records);
        lines[at] = "garbage\n".to_owned();
        let contents = read_lines(&lines);
        assert_eq!(contents.records, records[..at - 1], "line {at}");
        if at == records.len() {
            // Nobody can tell it from a write that was cut off by a loss of power.
            assert!(matches!(contents.tail, Tail::Torn { .. }));
            continue;
        }
        let damage = contents.damage.unwrap();
        assert!(damage.is_lossy && damage.line == at + 1, "{at}: {damage}");
        assert!(
            damage.to_string().contains("records may be missing"),
            "{damage}"
        );
    }
}

#[test]
fn a_missing_record_ends_what_is_read_and_a_doubled_one_does_not() {
    let records = sample::small_run();
    let mut missing = lines(&records);
    missing.remove(2);
    let contents = read_lines(&missing);
    assert_eq!(contents.records, records[..1]);
    let damage = contents.damage.unwrap();
    assert!(damage.is_lossy && damage.line == 3, "{damage}");
    assert!(
        damage.problem.contains("record 3 stands where 2 must"),
        "{damage}"
    );
    let mut doubled = lines(&records);
    doubled.insert(3, doubled[2].clone());
    doubled.push(doubled.last().unwrap().clone());
    let contents = read_lines(&doubled);
    assert_eq!(contents.records, records);
    let damage = contents.damage.unwrap();
    assert!(!damage.is_lossy && damage.line == 4, "{damage}");
}

#[test]
fn without_a_whole_header_there_is_no_run() {
    let whole = sample::bytes_of(&sample::header(), &[]);
    for cut in 0..whole.len() {
        let (_folder, path) = journal(&whole[..cut]);
        assert!(
            matches!(read(&path), Err(JournalError::NoHeader { .. })),
            "cut at {cut}"
        );
    }
    let missing = tempfile::tempdir().unwrap();
    assert!(matches!(
        read(&missing.path().join("none")),
        Err(JournalError::Unreadable { .. })
    ));
}

#[test]
fn a_newer_format_is_refused_with_what_to_do_wherever_it_begins() {
    let text =
        String::from_utf8(sample::bytes_of(&sample::header(), &sample::small_run())).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for at in [0, 3] {
        let old = std::mem::replace(&mut lines[at], r#"{"v":3,"whatever":[]}"#.to_owned());
        let (_folder, path) = journal((lines.join("\n") + "\n").as_bytes());
        let error = read(&path).unwrap_err();
        assert!(
            matches!(error, JournalError::TooNew { found: 3, .. }),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("use the mesh that wrote it"),
            "{error}"
        );
        lines[at] = old;
    }
}

/// Opening a pipe would wait for ever, and a device may never end.
#[test]
fn what_is_no_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for (name, target) in [("device", "/dev/zero"), ("folder", "/")] {
        let path = folder.path().join(name);
        std::os::unix::fs::symlink(target, &path).unwrap();
        let error = read(&path).unwrap_err();
        assert!(
            matches!(error, JournalError::Unreadable { .. }),
            "{error:?}"
        );
    }
    crate::locks::is_held(&folder.path().join("device")).unwrap_err();
}
