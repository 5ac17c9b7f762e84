//! Data for tests: names, tasks and findings; `kinds` has one of each kind of event and decision, `run` has runs that the core
//! itself decided.

use mesh_core::evidence::{BlockReading, Evidence, ProofChoice};
use mesh_core::id::{AttemptId, LockGroup, TaskId};
use mesh_core::task::{Commit, Task};

use crate::{Header, Record, RunId, Timestamp};

mod kinds;
mod run;

pub(crate) use kinds::{decision_kind, event_kind, every_decision, every_event};
pub(crate) use run::{Script, small_run};

pub(crate) const START: Timestamp = Timestamp(1_772_352_930_250);

pub(crate) fn header() -> Header {
    Header {
        run: RunId::parse("20260301-081530-4f2a").unwrap(),
        started_unix_ms: START.0,
        mesh_version: "0.1.0".to_owned(),
        setup: serde_json::json!({
            "source": {"kind": "bd", "id": "bd-e1", "title": "An epic"},
            "tracker": {"dialect": "modern", "version": "1.3.0"},
        }),
    }
}

/// What is read of a sound journal of these records.
pub(crate) fn contents(records: Vec<Record>) -> crate::Contents {
    crate::Contents {
        header: header(),
        records,
        tail: crate::Tail::Clean,
        damage: None,
    }
}

pub(crate) fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

pub(crate) fn attempt(task: &str, number: u32) -> AttemptId {
    AttemptId {
        task: id(task),
        number,
    }
}

pub(crate) fn task(name: &str, needs: &[&str], locks: &[&str]) -> Task {
    Task {
        needs: needs.iter().map(|need| id(need)).collect(),
        locks: locks
            .iter()
            .map(|group| LockGroup::new(*group).unwrap())
            .collect(),
        estimate_minutes: Some(10),
        ..Task::open(id(name))
    }
}

pub(crate) fn commit(text: &str) -> Commit {
    Commit(text.to_owned())
}

pub(crate) fn evidence(result: &str, paths: &[&str], proof: ProofChoice) -> Evidence {
    let paths = paths.iter().map(ToString::to_string).collect();
    let mut evidence = Evidence::clean(commit(result), paths, proof);
    if let BlockReading::Read(block) = &mut evidence.block {
        block.verify = Some("make test".to_owned());
    }
    evidence
}

/// The whole journal as bytes.
pub(crate) fn bytes_of(header: &Header, records: &[Record]) -> Vec<u8> {
    let mut text = crate::encode_header(header) + "\n";
    for record in records {
        text += &crate::encode_record(
            record.number,
            record.at,
            record.wall,
            &record.event,
            &record.decisions,
        );
        text.push('\n');
    }
    text.into_bytes()
}
