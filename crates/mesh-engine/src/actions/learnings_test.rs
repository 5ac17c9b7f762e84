use super::*;

const CAPTURE: Capture<'static> = Capture {
    at: "2026-02-10T08:15:30Z",
    branch: Some("main"),
    run: "r-1",
};

fn lesson(learning: &str) -> Lesson {
    Lesson {
        status: "do_more",
        learning: learning.to_owned(),
        evidence: vec!["t#1: seen".to_owned()],
        application: "do it".to_owned(),
        paths: vec!["a.txt".to_owned()],
        task: Some("t".to_owned()),
        tags: Vec::new(),
    }
}

#[test]
fn many_writers_lose_no_record_and_write_none_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(learnings::OWN_FILE);
    // A line that somebody has begun and not ended.
    fs_err::write(&path, "{\"id\":\"torn").expect("the file");
    assert_eq!(file(folder.path()), path, "it is the user's own file");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..10 {
                    let lessons = [lesson(&format!("own {writer} {number}")), lesson("common")];
                    let ids = append(path, &lessons, CAPTURE).expect("it is written");
                    assert_eq!(ids.len(), 2);
                }
            });
        }
    });
    let (records, problems) = learnings::read(&fs_err::read(&path).expect("the file"));
    assert_eq!(records.len(), 81);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].0, 1);
}

#[test]
fn where_the_user_keeps_no_file_it_lies_in_the_folder_of_mesh() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = folder.path().join(".mesh/learnings.jsonl");
    assert_eq!(file(folder.path()), expected);
}

#[test]
fn what_is_no_file_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(learnings::OWN_FILE);
    fs_err::create_dir(&path).expect("a folder of that name");
    let error = append(&path, &[lesson("x")], CAPTURE).expect_err("it is a folder");
    assert!(
        error.to_string().contains("no file of learnings"),
        "{error}"
    );
}

#[test]
fn the_branch_is_found_in_the_main_working_copy_and_in_a_worktree() {
    let folder = tempfile::tempdir().expect("a folder");
    let (main, linked) = (folder.path().join("main"), folder.path().join("linked"));
    let own = main.join(".git/worktrees/linked");
    fs_err::create_dir_all(&own).expect("folders");
    fs_err::create_dir_all(&linked).expect("a folder");
    fs_err::write(main.join(".git/HEAD"), "ref: refs/heads/main\n").expect("a file");
    fs_err::write(own.join("HEAD"), "ref: refs/heads/side/x\n").expect("a file");
    let pointer = format!("gitdir: {}\n", own.display());
    fs_err::write(linked.join(".git"), pointer).expect("a file");
    assert_eq!(branch(&main).as_deref(), Some("main"));
    assert_eq!(branch(&linked).as_deref(), Some("side/x"));
    fs_err::write(main.join(".git/HEAD"), "0123\n").expect("a file");
    assert_eq!(branch(&main), None);
}
