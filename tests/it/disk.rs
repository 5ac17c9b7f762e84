//! A disk that is full when the journal is to be written.

use mesh_testkit::env::Said;

use crate::epic::assert_done;
use crate::fixture::{Job, MESH, ST_GIT, job};
use crate::script;

/// A limit on the size of files stands in for the disk: writes beyond it fail. With git the journal is the largest file of such a
/// run; jj's own files and answers would reach the limit first.
#[test]
fn a_full_disk_stops_the_run_and_a_resume_goes_on_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let jobs: Vec<Job> = (0..20)
        .map(|number| job(&format!("t{number}"), &[]))
        .collect();
    let work = fixture.plan("Twenty", &jobs);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let args = fixture.run_args(&work, 2, &[]);
    // In blocks of 512 bytes; the signal that comes with the limit is ignored, as a full disk sends none.
    let limited = "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"";
    let mut command = fixture.env.command("sh", &fixture.repo);
    command.args(["-c", limited, MESH]).args(&args);
    let output = command.output().expect("sh starts");
    let said = Said::new(output.status, &output.stdout, &output.stderr).exits(14);
    assert!(
        said.stderr.contains("error: ") && said.stderr.contains("journal.jsonl"),
        "{}",
        said.stderr
    );
    let done = fixture
        .tasks(&work)
        .values()
        .filter(|(status, _)| status == "closed")
        .count();
    assert!(
        done < jobs.len(),
        "the limit came too late to show anything"
    );

    let resumed = fixture.mesh(&["resume", "--json"]).exits(0);
    assert_done(&fixture, &work, &resumed.object());
    let mut started = fixture.log.attempts("start");
    started.sort();
    started.dedup();
    assert!(started.len() >= jobs.len());
}
