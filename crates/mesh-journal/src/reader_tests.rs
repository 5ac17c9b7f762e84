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
    assert_eq!(
        read(&path).unwrap(),
        (sample::header(), records, Tail::Clean)
    );
    assert_eq!(read_header(&path).unwrap(), sample::header());
}

#[test]
fn a_last_line_torn_at_any_byte_is_dropped_and_said_so() {
    let records = sample::small_run();
    let whole = sample::bytes_of(&sample::header(), &records);
    let before = sample::bytes_of(&sample::header(), &records[..records.len() - 1]);
    for cut in before.len() + 1..whole.len() {
        let (_folder, path) = journal(&whole[..cut]);
        let (_, read, tail) = read(&path).unwrap();
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
    let (_, read, tail) = read(&path).unwrap();
    assert_eq!(read.len(), records.len() - 1);
    assert!(matches!(tail, Tail::Torn { .. }));
}

#[test]
fn a_last_line_that_is_json_but_strange_is_no_torn_one() {
    let mut bytes = sample::bytes_of(&sample::header(), &sample::small_run());
    bytes.extend_from_slice(b"{\"v\":1,\"n\":99}\n");
    let (_folder, path) = journal(&bytes);
    assert!(matches!(read(&path), Err(JournalError::BadLine { .. })));
}

#[test]
fn a_broken_line_in_the_middle_is_named() {
    let records = sample::small_run();
    let mut bytes = sample::bytes_of(&sample::header(), &records);
    let ends: Vec<usize> = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at)
        .collect();
    bytes[ends[2] + 1] = b'#';
    let (_folder, path) = journal(&bytes);
    match read(&path) {
        Err(JournalError::BadLine { line: 4, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_and_a_doubled_record_are_noticed() {
    let records = sample::small_run();
    for (kept, found, expected) in [([0, 2], 3, 2), ([0, 0], 1, 2)] {
        let chosen: Vec<Record> = kept.iter().map(|&at| records[at].clone()).collect();
        let (_folder, path) = journal(&sample::bytes_of(&sample::header(), &chosen));
        match read(&path) {
            Err(JournalError::OutOfSequence {
                line: 3,
                expected: e,
                found: f,
                ..
            }) => assert_eq!((e, f), (expected, found)),
            other => panic!("{other:?}"),
        }
    }
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
        let old = std::mem::replace(&mut lines[at], r#"{"v":2,"whatever":[]}"#.to_owned());
        let (_folder, path) = journal((lines.join("\n") + "\n").as_bytes());
        let error = read(&path).unwrap_err();
        assert!(
            matches!(error, JournalError::TooNew { found: 2, .. }),
            "{error:?}"
        );
        assert!(
            error.to_string().contains("use the mesh that wrote it"),
            "{error}"
        );
        lines[at] = old;
    }
}
