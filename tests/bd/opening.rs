//! What is found out when a tracker is opened, and which ones are refused.

use std::sync::Arc;

use mesh_bd::{About, BdError, Dialect, UnsupportedReason};
use mesh_testkit::tracker::Bd;

use crate::support::{FAKE, Heard, TrackerRepo, on_each_bd, open, setup};

on_each_bd!(
    opens_and_knows_what_it_has,
    says_that_there_is_no_tracker,
    passes_a_clean_environment
);

fn opens_and_knows_what_it_has(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let (tracker, _) = open(&repo);
    let about = About {
        dialect: match bd.is_classic() {
            true => Dialect::Classic,
            false => Dialect::Modern,
        },
        version: bd.version.clone(),
        beads_dir: repo.beads_dir().canonicalize().expect("the folder"),
        has_leases: bd.has_leases(),
    };
    assert_eq!(*tracker.about(), about);

    let mut named = setup(&repo);
    named.beads_dir = Some(repo.beads_dir());
    named.repo_root = repo.home();
    let tracker = mesh_bd::open(&named).expect("a tracker that is named");
    assert_eq!(*tracker.about(), about);
    assert_eq!(tracker.listing().expect("a listing").issues.len(), 0);
}

fn says_that_there_is_no_tracker(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let mut elsewhere = setup(&repo);
    elsewhere.repo_root = repo.home();
    let failure = mesh_bd::open(&elsewhere).err().expect("no tracker there");
    assert!(
        matches!(&failure, BdError::NoDatabase { .. }),
        "{failure:?}"
    );
    assert!(failure.to_string().contains("bd init"), "{failure}");
}

/// The fake shows what came; the real ones show that they work with it.
fn passes_a_clean_environment(bd: &Bd) {
    let repo = TrackerRepo::new(bd);
    let mut dirty = setup(&repo);
    dirty.environment = repo
        .env()
        .set("BD_ACTOR", "somebody")
        .set("BEADS_DIR", "/nowhere/.beads")
        .set("BD_JSON_ENVELOPE", "1")
        .set("CLAUDECODE", "1")
        .set("GIT_DIR", "/nowhere/.git");
    let tracker = mesh_bd::open(&dirty).expect("an opened tracker");
    tracker.listing().expect("a listing");
    if bd.is_real {
        return;
    }
    let calls = repo.calls();
    let last = calls.last().expect("a call");
    assert_eq!(last["stdin"], "/dev/null");
    assert_eq!(
        last["env"]["BEADS_DIR"],
        tracker.about().beads_dir.display().to_string()
    );
    assert_eq!(last["env"]["MESH_RUN"], "run-1");
    for (name, value) in [
        ("BD_DISABLE_METRICS", "1"),
        ("BD_AUDIT_ENABLED", "1"),
        ("NO_COLOR", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
    ] {
        assert_eq!(last["env"][name], value, "{name}");
    }
    for name in [
        "BD_ACTOR",
        "BD_JSON_ENVELOPE",
        "CLAUDECODE",
        "GIT_DIR",
        "FAKE_BD_VERSION",
    ] {
        assert_eq!(last["env"].get(name), None, "{name}");
    }
}

#[test]
fn refuses_what_it_does_not_work_with() {
    use UnsupportedReason as R;
    let cases = [
        ("0.46.0", R::TooOld),
        ("0.48.0", R::Untested),
        ("1.0.4", R::ImportsStaleData),
        ("0.60.0", R::NeedsServer),
        ("1.0.2", R::Untested),
    ];
    for (version, reason) in cases {
        let repo = TrackerRepo::new(&Bd::fake(FAKE, version));
        let heard = Heard::default();
        let mut setup = setup(&repo);
        setup.runner = Arc::new(heard.clone());
        let failure = mesh_bd::open(&setup)
            .err()
            .unwrap_or_else(|| panic!("{version} was opened"));
        match &failure {
            BdError::Unsupported(unsupported) => {
                assert_eq!(unsupported.reason, reason, "{version}")
            }
            other => panic!("{version}: {other:?}"),
        }
        assert!(failure.to_string().contains("use bd"), "{failure}");
        assert_eq!(
            heard.lines(),
            ["version --json"],
            "nothing else is asked of {version}"
        );
        setup.allow_untested = true;
        assert_eq!(
            mesh_bd::open(&setup).is_ok(),
            reason.can_be_allowed(),
            "{version} with --allow-untested-bd"
        );
    }
}

#[test]
fn a_missing_program_is_named() {
    let repo = TrackerRepo::new(&Bd::fake(FAKE, "1.3.0"));
    let mut setup = setup(&repo);
    setup.program = repo.home().join("no-such-bd");
    let failure = mesh_bd::open(&setup).err().expect("no program");
    assert!(
        matches!(failure, BdError::CouldNotStart { .. }),
        "{failure:?}"
    );
    assert!(failure.to_string().contains("no-such-bd"), "{failure}");
}
