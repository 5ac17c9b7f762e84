//! The tasks of a story, and what a report says about them.

use std::collections::BTreeMap;

use serde_json::Value;

/// A task of a story.
#[derive(Debug, Clone, Default)]
pub struct Job {
    /// Its name in the story; also its id in a plan file.
    pub key: String,
    pub needs: Vec<String>,
    pub lock: Option<String>,
    /// Its proof; nothing when nobody but the agent names one.
    pub proof: Option<String>,
    /// The agents that it names; only in plan files.
    pub agent: Option<String>,
}

/// A job whose proof is that its file is there.
pub fn job(key: &str, needs: &[&str]) -> Job {
    Job {
        key: key.to_owned(),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        lock: None,
        agent: None,
        proof: Some(format!("test -f {key}.txt")),
    }
}

impl Job {
    pub fn agent(mut self, names: &str) -> Job {
        self.agent = Some(names.to_owned());
        self
    }

    pub fn lock(mut self, group: &str) -> Job {
        self.lock = Some(group.to_owned());
        self
    }

    pub fn proof(mut self, command: &str) -> Job {
        self.proof = Some(command.to_owned());
        self
    }

    pub fn unproved(mut self) -> Job {
        self.proof = None;
        self
    }

    /// Tasks whose files must be there when it starts.
    pub fn sees(&self) -> &[String] {
        &self.needs
    }
}

/// A source that was made, with the ids of its jobs.
#[derive(Debug, Clone)]
pub struct Work {
    /// What `mesh run` takes.
    pub source: String,
    pub jobs: Vec<Job>,
    pub ids: BTreeMap<String, String>,
}

impl Work {
    pub fn id(&self, key: &str) -> &str {
        &self.ids[key]
    }

    /// The story's name of a task.
    pub fn key(&self, id: &str) -> &str {
        let found = self.ids.iter().find(|(_, known)| *known == id);
        found.unwrap_or_else(|| panic!("no {id} in {self:?}")).0
    }

    pub fn job(&self, id: &str) -> &Job {
        let key = self.key(id);
        self.jobs
            .iter()
            .find(|job| job.key == key)
            .expect("each id has a job")
    }

    /// An attempt as the agents and mesh name it.
    pub fn attempt(&self, key: &str, number: u32) -> String {
        format!("{}#{number}", self.id(key))
    }
}

/// The part of a report that tells about a task.
#[track_caller]
pub fn task<'a>(report: &'a Value, id: &str) -> &'a Value {
    let tasks = report["tasks"].as_array().expect("tasks");
    let found = tasks.iter().find(|task| task["id"] == id);
    found.unwrap_or_else(|| panic!("no {id} in {report:#}"))
}
