//! Hooks of git that call `bd`: nothing is done, and nothing stands in the way of a commit.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use mesh_bd_ro::table::GIT_HOOKS;

use crate::support::{Lab, install, run, stderr};

#[test]
fn a_hook_as_git_calls_it_does_nothing_and_succeeds() {
    let lab = Lab::new();
    let odd = OsString::from_vec(b"/a b'\n\xff/.git/COMMIT_EDITMSG".to_vec());
    for hook in GIT_HOOKS {
        for more in [
            vec![],
            vec!["origin".into(), "https://x/y?a=b&c".into()],
            vec![odd.clone(), "message".into()],
        ] {
            let mut command = lab.wrapper(&format!("hooks run {hook}"));
            command.args(&more).env("MESH_BD_RO_LOG", lab.path("log"));
            let output = run(command);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{hook} {more:?}: {}",
                stderr(&output)
            );
            assert!(
                output.stdout.is_empty() && output.stderr.is_empty(),
                "{output:?}"
            );
        }
    }
    assert!(lab.calls().is_empty(), "no bd is started");
    let log = fs_err::read_to_string(lab.path("log")).expect("it is kept");
    assert_eq!(
        log.lines()
            .filter(|line| line.contains("\tskipped\t\"hooks\" \"run\""))
            .count(),
        15
    );
}

#[test]
fn a_commit_passes_the_hooks_that_bd_init_installs() {
    let lab = Lab::new();
    let wrapper = crate::support::WRAPPER;
    install(wrapper.as_ref(), &lab.path("agent/bd"));
    let repo = lab.path("repo");
    let git = |line: &str| {
        let mut command = lab.command("git");
        let path = format!(
            "{}:/usr/local/bin:/usr/bin:/bin",
            lab.path("agent").display()
        );
        command.args(["-c", "user.name=T", "-c", "user.email=t@example.invalid"]);
        command
            .args(line.split(' '))
            .env("PATH", path)
            .current_dir(&repo);
        let output = run(command);
        assert!(output.status.success(), "git {line}: {}", stderr(&output));
    };
    fs_err::create_dir(&repo).expect("folder");
    git("init --quiet --initial-branch main");
    for hook in GIT_HOOKS {
        // The part of the installed script that calls, for both spellings of the versions.
        let text = format!(
            "#!/bin/sh\nexport BD_GIT_HOOK=1\ntimeout -- 300 bd hooks run {hook} \"$@\" || exit $?\ntimeout 300 bd hooks run {hook} \"$@\" || exit $?\necho {hook} >>\"$HOME/ran\"\n"
        );
        let draft = lab.path("draft");
        fs_err::write(&draft, text).expect("own file");
        install(&draft, &repo.join(".git/hooks").join(hook));
    }
    fs_err::write(repo.join("a.txt"), "x").expect("own file");
    git("add a.txt");
    git("commit --quiet --message one");
    git("checkout --quiet -b other");
    git("commit --quiet --allow-empty --message two");
    git("checkout --quiet main");
    git("merge --quiet --no-ff --no-edit other");
    git("init --quiet --bare ../bare.git");
    git("push --quiet ../bare.git main");
    let ran = fs_err::read_to_string(lab.home().join("ran")).expect("the hooks ran");
    for hook in GIT_HOOKS {
        assert!(
            ran.lines().any(|line| line == hook),
            "{hook} did not run: {ran}"
        );
    }
}
