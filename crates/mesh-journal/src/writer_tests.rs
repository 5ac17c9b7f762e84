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
    let entries: Vec<Entry<'_>> = records[1..]
        .iter()
        .map(|record| Entry {
            at: record.at,
            wall: record.wall,
            event: &record.event,
            decisions: &record.decisions,
        })
        .collect();
    journal.append_all(&entries).unwrap();
    journal.append_all(&[]).unwrap();
    assert_eq!(journal.next_number(), records.len() as u64 + 1);
    assert_eq!(
        crate::read(&path).unwrap(),
        (sample::header(), records, Tail::Clean)
    );
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
        let (mut journal, contents) = Journal::open_to_append(&path).unwrap();
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
        next: 1,
        broken: false,
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
    let error = Journal::open_to_append(&path).unwrap_err();
    assert!(
        matches!(&error, JournalError::Lock(locks::LockError::Held { holder, .. }) if holder.pid == Some(std::process::id())),
        "{error:?}"
    );
    assert_eq!(fs_err::read(&path).unwrap(), torn);
    let lock = journal.lock();
    drop(journal);
    Journal::open_to_append(&path).unwrap_err();
    drop(lock);
    Journal::open_to_append(&path).unwrap();
}

#[test]
fn a_journal_that_cannot_be_begun_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    fs_err::write(folder.path().join("journal.new"), "in the way").unwrap();
    Journal::create(&path, &sample::header()).unwrap_err();
    assert!(!path.exists());
}
