use super::*;
use mesh_core::evidence::{ChangedClaim, FinalBlock};

const BLOCK: &str = "PR: none\nVerify: make test\nChanged: a.txt\nBlockers: none\n";

struct Output {
    folder: tempfile::TempDir,
}

impl Output {
    fn new(bytes: &[u8]) -> Output {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("stdout"), bytes).unwrap();
        Output { folder }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("stdout")
    }
}

fn is_block(bytes: &[u8]) -> bool {
    let wanted = FinalBlock {
        pr: None,
        verify: Some("make test".to_owned()),
        changed: ChangedClaim::Paths(vec!["a.txt".to_owned()]),
        blockers: None,
        learning: None,
    };
    match read_block(&Output::new(bytes).path()).unwrap() {
        BlockReading::Read(block) => {
            assert_eq!(block, wanted);
            true
        }
        BlockReading::Missing(_) => false,
    }
}

#[test]
fn only_the_end_is_read_and_it_is_enough() {
    assert!(is_block(BLOCK.as_bytes()));
    let mut large = b"a line of a log\n".repeat(1_000_000);
    large.extend_from_slice(BLOCK.as_bytes());
    assert!(is_block(&large));
    let mut one_line = vec![b'x'; 1 << 20];
    one_line.extend_from_slice(format!("\n{BLOCK}").as_bytes());
    assert!(is_block(&one_line));
    let mut not_text = vec![0xff; 1000];
    not_text.extend_from_slice(format!("\n{BLOCK}").as_bytes());
    assert!(is_block(&not_text));
    assert!(!is_block(b""));
    assert!(!is_block(&vec![b'x'; 1 << 20]));
}

fn with_paths(count: usize) -> Vec<u8> {
    let paths = vec!["src/components/a.txt"; count].join(", ");
    format!("PR: none\nVerify: make test\nChanged: {paths}\nBlockers: none\n").into_bytes()
}

#[test]
fn many_paths_are_read() {
    match read_block(&Output::new(&with_paths(50_000)).path()).unwrap() {
        BlockReading::Read(FinalBlock {
            changed: ChangedClaim::Paths(paths),
            ..
        }) => assert_eq!(paths.len(), 50_000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_that_the_window_cuts_is_none_and_the_reason_says_so() {
    match read_block(&Output::new(&with_paths(150_000)).path()).unwrap() {
        BlockReading::Missing(why) => assert!(
            why.ends_with("only the last 2097152 bytes of the output are read"),
            "{why}"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let problem = read_block(&folder.path().join("nowhere")).unwrap_err();
    assert!(problem.to_string().contains("nowhere"), "{problem}");
}

#[test]
fn the_last_message_says_what_it_leaves_out() {
    let output = Output::new(b"one\ntwo\n\x1b[1mthree\x1b[0m\n");
    let message = last_message(&output.path(), 1000).unwrap();
    assert_eq!(
        (message.text.as_str(), message.left_out_bytes),
        ("one\ntwo\nthree\n", 0)
    );
    let message = last_message(&output.path(), 16).unwrap();
    assert_eq!(
        (message.text.as_str(), message.left_out_bytes),
        ("three\n", 8)
    );
    let message = last_message(&output.path(), 0).unwrap();
    assert_eq!((message.text.as_str(), message.left_out_bytes), ("", 22));
}

#[test]
fn a_tail_has_two_bounds() {
    let output = Output::new(b"1\n2\n3\n4\n\n");
    let check = |lines, bytes, wanted: &str| {
        assert_eq!(tail(&output.path(), lines, bytes).unwrap(), wanted)
    };
    check(2, 1000, "3\n4");
    check(100, 1000, "1\n2\n3\n4");
    check(100, 4, "4");
    check(0, 1000, "");
    assert_eq!(
        tail(&output.folder.path().join("nowhere"), 5, 100).unwrap(),
        ""
    );
    assert!(tail(output.folder.path(), 5, 100).is_err());
}
