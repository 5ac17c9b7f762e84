//! How decisions are stored.

use mesh_core::decision::{Decision, SkipReason, StopCause};
use mesh_core::event::Delivery;
use mesh_core::evidence::Failure;
use mesh_core::id::{AttemptId, SlotId, TaskId};
use mesh_core::policy::Budget;
use mesh_core::task::Commit;
use mesh_core::time::Millis;
use serde::{Deserialize, Serialize};

use super::{is_false, tagged};

tagged! {
    Decision = "Decision" {
        Start {
            attempt: AttemptId,
            slot: SlotId,
        },
        Assign {
            task: TaskId,
            agent: u16,
        },
        Hold {
            #[serde(default, skip_serializing_if = "String::is_empty")]
            account: String,
            #[serde(rename = "until_ms")]
            until: Millis,
        },
        Spend {
            reached: String,
        },
        SetBudget {
            budget: Budget,
        },
        Reserve {
            task: TaskId,
        },
        KeepSlot {
            task: TaskId,
            #[serde(rename = "until_ms")]
            until: Millis,
        },
        AnnounceWave {
            wave: u32,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            tasks: Vec<TaskId>,
        },
        ConfirmWave {
            wave: u32,
            tasks: Vec<TaskId>,
        },
        EndWave {
            wave: u32,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            next: Vec<TaskId>,
        },
        #[serde(rename = "look")]
        Probe {
            attempt: AttemptId,
        },
        #[serde(rename = "slow")]
        SoftLimitExceeded {
            attempt: AttemptId,
        },
        Stop {
            attempt: AttemptId,
            cause: StopCause,
        },
        Kill {
            attempt: AttemptId,
        },
        #[serde(rename = "examine")]
        Inspect {
            attempt: AttemptId,
        },
        Prove {
            attempt: AttemptId,
            command: String,
            #[serde(default, skip_serializing_if = "is_false")]
            self_checked: bool,
            commit: Commit,
        },
        Accept {
            attempt: AttemptId,
            commit: Commit,
            #[serde(default, skip_serializing_if = "is_false")]
            self_checked: bool,
        },
        Land {
            attempt: AttemptId,
        },
        ProveLanding {
            attempt: AttemptId,
        },
        Publish {
            attempt: AttemptId,
        },
        StopLanding {
            attempt: AttemptId,
        },
        EndLanding {
            attempt: AttemptId,
            delivery: Delivery,
        },
        GiveBack {
            attempt: AttemptId,
            failure: Failure,
        },
        QueueLandings {
            attempts: Vec<AttemptId>,
            onto: String,
        },
        RecordingFailed {
            attempt: AttemptId,
            failure: Failure,
            #[serde(default, skip_serializing_if = "is_false")]
            again: bool,
        },
        Retry {
            attempt: AttemptId,
            failure: Failure,
            #[serde(rename = "excused", default = "counts::always", with = "counts", skip_serializing_if = "Clone::clone")]
            counts: bool,
        },
        Fail {
            attempt: AttemptId,
            failure: Failure,
        },
        Question {
            attempt: AttemptId,
            text: String,
        },
        Interrupt {
            attempt: AttemptId,
        },
        Skip {
            task: TaskId,
            reason: SkipReason,
        },
        #[serde(rename = "redo")]
        Reset {
            task: TaskId,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            dependents: Vec<TaskId>,
        },
        Answer {
            task: TaskId,
            text: String,
        },
        AwaitAnswers {
            #[serde(rename = "until_ms")]
            until: Millis,
        },
        Refuse {
            reason: String,
        },
        #[serde(rename = "width")]
        SetConcurrency {
            to: u16,
        },
        Pause {
            cause: String,
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            excused: Vec<AttemptId>,
        },
        TrustOutside {},
        Drain {},
        Refresh {},
        Conclude {},
        #[serde(rename = "go_on")]
        Continue {},
    }
}

/// Whether a retry counts is stored the other way round, and only where it does not: all did once.
mod counts {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn always() -> bool {
        true
    }

    pub(super) fn serialize<S: Serializer>(counts: &bool, to: S) -> Result<S::Ok, S::Error> {
        (!counts).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
        bool::deserialize(from).map(|excused| !excused)
    }
}
