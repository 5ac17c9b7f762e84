use super::*;
use crate::sample::{START, id};

fn retry() -> Request {
    Request::Retry {
        task: id("../a b"),
        with_dependents: true,
    }
}

#[test]
fn requests_come_back_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let asked = [
        (START.after(9), Request::Stop { now: true }),
        (START, retry()),
        (START, Request::Skip { task: id("t") }),
    ];
    for (at, request) in &asked {
        let path = write_request(folder.path(), *at, request).unwrap();
        assert_eq!(path.parent(), Some(folder.path()));
    }
    let found: Vec<Request> = read_requests(folder.path())
        .unwrap()
        .into_iter()
        .map(|(_, request)| request.unwrap())
        .collect();
    assert_eq!(
        found,
        [
            retry(),
            Request::Skip { task: id("t") },
            Request::Stop { now: true }
        ]
    );
}

#[test]
fn what_is_no_request_is_said_so_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &[u8]| fs_err::write(folder.path().join(name), text).unwrap();
    put("0-garbage.json", b"\xff\xfe");
    put("1-newer.json", br#"{"v":9}"#);
    put("2-id.json", br#"{"v":1,"asked_at":"2026-03-01T08:15:30.250Z","request":{"is":"skip","task":"a\u0007"}}"#);
    put("3-large.json", &vec![b' '; 70_000]);
    fs_err::create_dir(folder.path().join("4-folder.json")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("5-link.json")).unwrap();
    put(".tmp-1-1", b"half");
    put("notes.txt", b"a person's");
    write_request(folder.path(), START, &retry()).unwrap();
    let found = read_requests(folder.path()).unwrap();
    assert_eq!(found.len(), 7);
    let good: Vec<&Request> = found
        .iter()
        .filter_map(|(_, request)| request.as_ref().ok())
        .collect();
    assert_eq!(good, [&retry()]);
    for (path, request) in &found {
        if let Err(error) = request {
            assert!(
                error.to_string().contains(&path.display().to_string()),
                "{error}"
            );
        }
    }
}

#[test]
fn many_who_ask_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let control = folder.path();
            scope.spawn(move || {
                for number in 0..8 {
                    let request = Request::Skip {
                        task: id(&format!("t-{thread}-{number}")),
                    };
                    write_request(control, START, &request).unwrap();
                }
            });
        }
    });
    let found = read_requests(folder.path()).unwrap();
    assert_eq!(found.len(), 32);
    assert!(found.iter().all(|(_, request)| request.is_ok()));
}
