//! What the recorded streams say of usage, limits and refusals. They were recorded from the real programs and model stand-ins that
//! counted 2,500 tokens read (codex; claude 2,510), 2,200 of them from a cache, and 70 written in each of two calls of one session.

use crate::profile::Protocol;
use crate::protocol::{LIMIT_PATTERNS, Sources};
use mesh_core::metered::{Metered, RefusalClass, Usage};
use mesh_core::time::Millis;
use std::path::{Path, PathBuf};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/agents");

fn protocol(name: &str) -> Protocol {
    match name.starts_with("codex") {
        true => Protocol::Codex,
        false => Protocol::Claude,
    }
}

fn metered_at(protocol: Protocol, stdout: &Path, stderr: &Path, home: Option<&Path>) -> Metered {
    let patterns = LIMIT_PATTERNS.map(str::to_owned);
    let sources = Sources {
        stdout,
        stderr,
        home,
        limit_patterns: &patterns,
        now_unix_ms: 1_000_000_000_000,
        moment: &Millis,
    };
    protocol.metered(&sources).expect("it can be read")
}

/// A recorded stream, with the session's file where there is one.
fn recorded(name: &str) -> Metered {
    let folder = Path::new(FOLDER);
    let stdout = folder.join(format!("{name}.jsonl"));
    let rollout = folder.join(format!("{name}.rollout.jsonl"));
    let home = tempfile::tempdir().expect("a folder");
    let bare = metered_at(protocol(name), &stdout, Path::new("/dev/null"), None);
    if !rollout.exists() {
        return bare;
    }
    let day = home.path().join("sessions/2026/11/30");
    fs_err::create_dir_all(&day).expect("a folder");
    let session = bare.session.expect("a session");
    let file = day.join(format!("rollout-2026-11-30T15-43-12-{session}.jsonl"));
    fs_err::copy(rollout, file).expect("a copy");
    metered_at(
        protocol(name),
        &stdout,
        Path::new("/dev/null"),
        Some(home.path()),
    )
}

const PROGRAMS: [&str; 4] = [
    "codex-0.169.0",
    "codex-0.171.0",
    "claude-2.1.197",
    "claude-2.1.332",
];

/// Both calls of a resumed session are what the model counted, however the program adds up.
#[test]
fn a_resumed_session_costs_what_the_model_counted() {
    for program in PROGRAMS {
        let first = recorded(&format!("{program}-first"));
        let second = recorded(&format!("{program}-resumed"));
        assert_eq!(first.session, second.session, "{program}");
        let is_codex = program.starts_with("codex");
        assert_eq!(second.is_cumulative, is_codex, "{program}");
        let cost = match program {
            "claude-2.1.197" => Some(4_413),
            "claude-2.1.332" => Some(3_090),
            _ => None,
        };
        let call = Usage {
            input: if is_codex { 2500 } else { 2510 },
            cached_input: 2200,
            output: 70,
            cost_micro_usd: cost,
        };
        let usage = |metered: &Metered| metered.usage.expect("it says so");
        assert_eq!(usage(&first), call, "{program}");
        let second_call = match second.is_cumulative {
            true => usage(&second).since(&usage(&first)),
            false => usage(&second),
        };
        assert_eq!(second_call, call, "{program}");
    }
}

#[test]
fn a_spent_quota_is_told_from_other_ends() {
    use RefusalClass::{Quota, RateLimit};
    let resets = Some(1_796_056_968_000);
    let resets_of_claude = Some(1_796_057_027_000);
    let expected = [
        ("codex-0.169.0-limit", Some((Quota, resets))),
        ("codex-0.171.0-limit", Some((Quota, resets))),
        ("codex-0.171.0-429", Some((RateLimit, None))),
        ("codex-0.171.0-resumed", None),
        ("codex-api-error", Some((RefusalClass::Other, None))),
        ("codex-killed", None),
        ("claude-2.1.197-limit", Some((Quota, resets_of_claude))),
        ("claude-2.1.332-limit", Some((Quota, resets_of_claude))),
        ("claude-2.1.332-429", Some((RateLimit, None))),
        ("claude-2.1.332-429-ridden-out", None),
        ("claude-api-error", Some((RefusalClass::Other, None))),
        ("claude-killed", None),
    ];
    for (name, wanted) in expected {
        let refusal = recorded(name).refusal;
        let found = refusal.map(|one| (one.class, one.resets_at.map(|at| at.0)));
        assert_eq!(found, wanted, "{name}");
    }
}

/// Without the session's file the words are what there is.
#[test]
fn the_words_of_codex_are_enough_for_the_class() {
    let name = "codex-0.171.0-limit.jsonl";
    let stdout = Path::new(FOLDER).join(name);
    let metered = metered_at(Protocol::Codex, &stdout, Path::new("/dev/null"), None);
    let refusal = metered.refusal.expect("it was refused");
    assert_eq!(refusal.class, RefusalClass::Quota);
    assert_eq!(refusal.resets_at, None);
}

#[test]
fn what_is_used_of_an_account_is_known_by_window() {
    let windows = |name: &str| -> Vec<(String, u8)> {
        let windows = recorded(name).windows.into_iter();
        windows.map(|one| (one.name, one.used_percent)).collect()
    };
    let codex = [("primary".to_owned(), 100), ("secondary".to_owned(), 40)];
    assert_eq!(windows("codex-0.171.0-limit"), codex);
    let claude = [("five_hour".to_owned(), 100), ("seven_day".to_owned(), 40)];
    assert_eq!(windows("claude-2.1.332-limit"), claude);
    assert_eq!(windows("claude-2.1.332-first"), []);
}

struct Output {
    folder: tempfile::TempDir,
}

impl Output {
    fn new(stdout: &str, stderr: &str) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("stdout"), stdout).expect("a file");
        fs_err::write(folder.path().join("stderr"), stderr).expect("a file");
        Output { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plain(&self) -> Metered {
        let (stdout, stderr) = (self.path("stdout"), self.path("stderr"));
        metered_at(Protocol::Plain, &stdout, &stderr, None)
    }
}

#[test]
fn the_last_lines_of_a_plain_program_may_show_a_limit() {
    let check = |stdout, stderr, wanted: Option<Option<u64>>| {
        let refusal = Output::new(stdout, stderr).plain().refusal;
        let found = refusal.map(|one| one.resets_at.map(|at| at.0));
        assert_eq!(found, wanted, "{stdout} {stderr}");
    };
    check("", "Error: usage limit reached\n", Some(None));
    check(
        "You've hit your 5-hour limit · resets 4pm\n",
        "",
        Some(None),
    );
    check(
        "working\n429 Too Many Requests\nretry-after: 30\n",
        "",
        Some(Some(1_000_000_030_000)),
    );
    check(
        "",
        "Rate limit exceeded, resets_at=1796056968\n",
        Some(Some(1_796_056_968_000)),
    );
    check("wrote the rate limiter\n", "error: no such file\n", None);
    check("", "", None);
    // Far above the end it is something that the agent read.
    let far = format!("usage limit reached\n{}", "line\n".repeat(20));
    check(&far, "", None);
    let block = "usage limit reached\nPR: none\nVerify: true\nChanged: a\nBlockers: none\n";
    check(block, "", None);
}

#[test]
fn what_an_agent_does_is_one_clean_line() {
    let now = |name: &str| {
        let stdout = Path::new(FOLDER).join(format!("{name}.jsonl"));
        let activity = protocol(name).activity(&stdout).expect("it can be read");
        (activity.has_answer, activity.now.unwrap_or_default())
    };
    let (answered, said) = now("codex-0.171.0-first");
    assert!(
        answered && said.starts_with("says Done. PR: none"),
        "{said}"
    );
    let (answered, said) = now("claude-killed");
    assert!(answered && said.starts_with("runs "), "{said}");
    for refused in [
        "codex-0.171.0-limit",
        "claude-2.1.332-429",
        "claude-2.1.332-limit",
    ] {
        assert_eq!(now(refused), (false, String::new()), "{refused}");
    }
    let output = Output::new("one\ntwo \u{1b}[31mred\u{7}\n\n", "");
    let activity = Protocol::Plain.activity(&output.path("stdout"));
    let activity = activity.expect("it can be read");
    let shown = activity.now.expect("a line");
    assert!(
        shown.starts_with("two") && !shown.contains(['\u{1b}', '\u{7}']),
        "{shown}"
    );
}
