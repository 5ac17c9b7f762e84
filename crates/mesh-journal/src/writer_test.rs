use super::*;
use crate::sample;

fn append_record(journal: &mut Journal, record: &crate::Record) -> Result<(), JournalError> {
    journal.append(record.at, record.wall, &record.event, &record.decisions)
}

#[test]
fn what_was_appended_is_read_and_a_second_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let records = sample::small_run();
    let mut journal = Journal::create(&path, &sample::header()).unwrap();
    append_record(&mut journal, &records[0]).unwrap();
    for record in &records[1..] {
        append_record(&mut journal, record).unwrap();
    }
    assert_eq!(journal.next_number(), records.len() as u64 + 1);
    assert_eq!(crate::read(&path).unwrap(), sample::contents(records));
    assert!(matches!(
        Journal::create(&path, &sample::header()),
        Err(JournalError::Exists { .. })
    ));
}

#[test]
fn a_journal_torn_at_any_byte_is_cut_and_goes_on() {
    let records = sample::small_run();
    let whole = sample::bytes_of(&sample::header(), &records[..3]);
    let before = sample::bytes_of(&sample::header(), &records[..2]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    for cut in before.len()..whole.len() {
        fs_err::write(&path, &whole[..cut]).unwrap();
        let (mut journal, contents) = Journal::open_to_append(&path, Mend::Complete).unwrap();
        assert_eq!(contents.records, records[..2], "cut at {cut}");
        append_record(&mut journal, &records[2]).unwrap();
        drop(journal);
        assert_eq!(fs_err::read(&path).unwrap(), whole, "cut at {cut}");
    }
}

#[test]
fn a_full_disk_stops_the_journal_and_the_message_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal {
        file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
        lock: Arc::new(locks::acquire(folder.path()).unwrap()),
        path: "/dev/full".into(),
        place: None,
        next: 1,
        broken: false,
        length: 0,
        notes: Vec::new(),
    };
    let record = &sample::small_run()[0];
    let error = append_record(&mut journal, record).unwrap_err();
    assert!(
        matches!(&error, JournalError::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("the run stopped cleanly"),
        "{error}"
    );
    assert_eq!(journal.next_number(), 1);
    assert!(matches!(
        append_record(&mut journal, record),
        Err(JournalError::Broken { .. })
    ));
}

#[test]
fn a_missing_folder_is_an_error_that_names_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("journal.jsonl");
    let error = Journal::create(&path, &sample::header()).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

/// A second one, and whoever ends a run that it takes for dead, must not so much as cut the last line of a living one.
#[test]
fn a_journal_in_use_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let mut journal = Journal::create(&path, &sample::header()).unwrap();
    append_record(&mut journal, &sample::small_run()[0]).unwrap();
    let torn = [&fs_err::read(&path).unwrap()[..], b"{\"half"].concat();
    fs_err::write(&path, &torn).unwrap();
    let error = Journal::open_to_append(&path, Mend::Complete).unwrap_err();
    assert!(
        matches!(&error, JournalError::Lock(locks::LockError::Held { holder, .. }) if holder.pid == Some(std::process::id())),
        "{error:?}"
    );
    assert_eq!(fs_err::read(&path).unwrap(), torn);
    let lock = journal.lock();
    drop(journal);
    Journal::open_to_append(&path, Mend::Complete).unwrap_err();
    drop(lock);
    Journal::open_to_append(&path, Mend::Complete).unwrap();
}

#[test]
fn a_journal_that_cannot_be_begun_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    fs_err::write(folder.path().join("journal.new"), "in the way").unwrap();
    Journal::create(&path, &sample::header()).unwrap_err();
    assert!(!path.exists());
}

fn written(path: &Path, lines: &[&[u8]]) -> Vec<u8> {
    fs_err::write(path, lines.concat()).unwrap();
    lines.concat()
}

#[test]
fn what_was_put_in_is_taken_out_and_kept_beside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let records = sample::small_run();
    let head = sample::bytes_of(&sample::header(), &records[..2]);
    let whole = sample::bytes_of(&sample::header(), &records[..3]);
    let third = &whole[head.len()..];
    let damaged = written(&path, &[&head, b"garbage\n\n", third, b"{\"torn"]);
    let (mut journal, contents) = Journal::open_to_append(&path, Mend::Complete).unwrap();
    assert_eq!(contents.records, records[..3]);
    assert!(
        journal.notes()[0].contains("damaged-1"),
        "{:?}",
        journal.notes()
    );
    let kept = folder.path().join("journal.jsonl.damaged-1");
    assert_eq!(fs_err::read(&kept).unwrap(), damaged);
    append_record(&mut journal, &records[3]).unwrap();
    assert!(
        locks::is_held(&path).unwrap(),
        "the lock went on to the new file"
    );
    drop(journal);
    assert!(!locks::is_held(&path).unwrap());
    assert_eq!(
        fs_err::read(&path).unwrap(),
        sample::bytes_of(&sample::header(), &records[..4])
    );
}

#[test]
fn records_behind_a_gap_are_cut_only_when_nothing_starts_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let records = sample::small_run();
    let head = sample::bytes_of(&sample::header(), &records[..2]);
    let rest = &sample::bytes_of(&sample::header(), &records)[head.len() + 20..];
    let damaged = written(&path, &[&head, b"x\n", rest]);
    for _ in 0..2 {
        let error = Journal::open_to_append(&path, Mend::Complete).unwrap_err();
        assert!(matches!(error, JournalError::Lossy { .. }), "{error:?}");
        let said = error.to_string();
        assert!(
            said.contains("line 4 (byte ") && said.contains("`mesh stop`"),
            "{said}"
        );
        assert_eq!(fs_err::read(&path).unwrap(), damaged);
    }
    // Whoever dies before what is left is closed leaves the damage for all to see.
    for _ in 0..2 {
        let (mut journal, contents) = Journal::open_to_append(&path, Mend::Cut).unwrap();
        assert_eq!(contents.records, records[..2]);
        assert!(locks::is_held(&path).unwrap());
        append_record(&mut journal, &records[2]).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), damaged);
    }
    let (mut journal, _) = Journal::open_to_append(&path, Mend::Cut).unwrap();
    journal.publish().unwrap();
    assert!(locks::is_held(&path).unwrap());
    drop(journal);
    assert_eq!(fs_err::read(&path).unwrap(), head);
    assert_eq!(
        fs_err::read(folder.path().join("journal.jsonl.damaged-1")).unwrap(),
        damaged
    );
}

/// A living coordinator whose journal somebody writes into, deletes or replaces goes on, and nothing of what it wrote is lost.
#[test]
fn a_journal_that_somebody_meddles_with_is_put_back() {
    type Meddle = fn(&Path);
    let meddlers: [(Meddle, bool); 5] = [
        (|path| add(path, b"garbage\n"), true),
        (|path| add(path, b"half a line"), true),
        (|path| fs_err::remove_file(path).unwrap(), false),
        (
            |path| {
                fs_err::remove_file(path).unwrap();
                fs_err::create_dir(path).unwrap();
            },
            false,
        ),
        (
            |path| {
                let text = fs_err::read_to_string(path).unwrap();
                let other = path.with_extension("edited");
                fs_err::write(&other, text.replace("\"n\":2", "\"n\":7")).unwrap();
                fs_err::rename(other, path).unwrap();
            },
            false,
        ),
    ];
    for (number, (meddle, leaves_rubbish)) in meddlers.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let records = sample::small_run();
        let mut journal = Journal::create(&path, &sample::header()).unwrap();
        append_record(&mut journal, &records[0]).unwrap();
        append_record(&mut journal, &records[1]).unwrap();
        meddle(&path);
        append_record(&mut journal, &records[2]).unwrap();
        assert!(locks::is_held(&path).unwrap(), "{number}");
        append_record(&mut journal, &records[3]).unwrap();
        assert_eq!(journal.notes().is_empty(), leaves_rubbish, "{number}");
        drop(journal);
        assert!(!locks::is_held(&path).unwrap(), "{number}");
        let contents = crate::read(&path).unwrap();
        assert_eq!(contents.records, records[..4], "{number}");
        assert_eq!(contents.damage.is_some(), leaves_rubbish, "{number}");
        assert!(
            contents.damage.is_none_or(|damage| !damage.is_lossy),
            "{number}"
        );
    }
}

fn add(path: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().append(true).open(path);
    file.unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_journal_that_somebody_cut_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let records = sample::small_run();
    let mut journal = Journal::create(&path, &sample::header()).unwrap();
    append_record(&mut journal, &records[0]).unwrap();
    fs_err::write(&path, "").unwrap();
    let error = append_record(&mut journal, &records[1]).unwrap_err();
    assert!(
        matches!(error, JournalError::Cut { found: 0, .. }),
        "{error:?}"
    );
    let error = append_record(&mut journal, &records[1]).unwrap_err();
    assert!(matches!(error, JournalError::Broken { .. }), "{error:?}");
}
