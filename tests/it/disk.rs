//! A disk that is full when the journal is to be written.

use mesh_testkit::env::Said;

use crate::epic::assert_done;
use crate::script;
use crate::stage::{Job, MESH, Stage, job, on_each_vcs};

on_each_vcs!(a_full_disk_stops_the_run_and_a_resume_goes_on);

/// A limit on the size of files stands in for the disk: writes beyond it fail. The journal is the largest file of such a run.
fn a_full_disk_stops_the_run_and_a_resume_goes_on(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let jobs: Vec<Job> = (0..12)
        .map(|number| job(&format!("t{number}"), &[]))
        .collect();
    let work = scene.plan("Twelve", &jobs);
    scene.script(&work, |job| script::usual(&scene, job, &[]));
    let args = scene.run_args(&work, 2, &[]);
    // In blocks of 512 bytes; the signal that comes with the limit is ignored, as a full disk sends none.
    let limited = "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"";
    let mut command = scene.env.command("sh", &scene.repo);
    command.args(["-c", limited, MESH]).args(&args);
    let output = command.output().expect("sh starts");
    let said = Said::new(output.status, &output.stdout, &output.stderr).exits(14);
    assert!(
        said.stderr.contains("error: ") && said.stderr.contains("journal.jsonl"),
        "{}",
        said.stderr
    );
    let done = scene
        .tasks(&work)
        .values()
        .filter(|(status, _)| status == "closed")
        .count();
    assert!(
        done < jobs.len(),
        "the limit came too late to show anything"
    );

    let resumed = scene.mesh(&["resume", "--json"]).exits(0);
    // What version control could not write either was an attempt that failed, and its workspace is kept.
    scene.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(&scene, &work, &resumed.object());
    let mut started = scene.log.attempts("start");
    started.sort();
    started.dedup();
    assert!(started.len() >= jobs.len());
}
