//! What people do to a world: they ask, edit the source, take tasks, break and mend what is around it.

use mesh_core::event::{Event, PlanChange, Request};
use mesh_core::id::TaskId;
use mesh_core::task::{Eligibility, Locks, Task};

use super::{Next, World};

/// What a person does.
#[derive(Debug, Clone)]
pub enum Person {
    /// Changes the source.
    Edits(Edit),
    /// Asks the run.
    Asks(Request),
    /// The tracker hands a task to somebody else.
    Reaps(TaskId),
    /// The machine can (or cannot) start agents.
    Machine(bool),
    /// The provider serves (or refuses) all agents.
    Provider(bool),
    /// The provider refuses all agents of the account with this number, for so many milliseconds.
    Limits(usize, u64),
    /// Kills the coordinator.
    KillsCoordinator,
}

/// A change of the source.
#[derive(Debug, Clone)]
pub enum Edit {
    /// A new or changed task.
    Put(Task),
    /// A need more.
    Need(TaskId, TaskId),
    /// All needs of a task gone.
    Free(TaskId),
    /// Other locks.
    Locks(TaskId, Locks),
    /// A task is gone.
    Remove(TaskId),
    /// Somebody takes a task.
    Take(TaskId),
    /// Somebody gives it back.
    GiveBack(TaskId),
    /// Somebody closes it.
    Close(TaskId),
    /// Its text changes, nothing that the scheduler sees.
    Rewrite(TaskId),
    /// Blockers outside are closed.
    CloseOutside,
}

impl World {
    pub(super) fn person(&mut self, person: Person) -> Next {
        match person {
            Person::Edits(edit) => self.edit(edit),
            Person::Asks(request) if self.up => {
                return Next::Tell(Box::new(Event::Requested { request }));
            }
            Person::Asks(request) => self.requests.push(request),
            Person::Machine(works) => self.machine_works = works,
            Person::Provider(serves) => self.provider_serves = serves,
            Person::Limits(account, span) => {
                let names = &self.accounts.names;
                let name = names.get(account).cloned().unwrap_or_default();
                self.accounts.refuses_until.insert(name, self.now + span);
            }
            Person::KillsCoordinator if self.up => return Next::Die,
            Person::KillsCoordinator => {}
            Person::Reaps(task) => {
                let tracked = self.tracker.entry(task.clone()).or_default();
                if tracked.ours {
                    tracked.ours = false;
                    tracked.theirs = Some("bob".to_owned());
                    if self.up {
                        self.report(
                            10,
                            Event::ClaimLost {
                                task,
                                holder: "bob".to_owned(),
                            },
                        );
                    }
                }
            }
        }
        Next::Nothing
    }

    fn edit(&mut self, edit: Edit) {
        let mut sign = |id: &TaskId, what: &str| {
            self.taken.insert(id.clone(), what.to_owned());
        };
        match edit {
            Edit::Put(task) => {
                self.source.entry(task.id.clone()).or_insert(task);
            }
            Edit::Need(id, need) => {
                if let Some(task) = self.source.get_mut(&id) {
                    task.needs.push(need);
                }
            }
            Edit::Free(id) => {
                if let Some(task) = self.source.get_mut(&id) {
                    task.needs.clear();
                }
            }
            Edit::Locks(id, locks) => {
                if let Some(task) = self.source.get_mut(&id) {
                    task.locks = locks;
                }
            }
            Edit::Remove(id) => {
                self.source.remove(&id);
            }
            Edit::Take(id) => {
                if let Some(task) = self
                    .source
                    .get_mut(&id)
                    .filter(|task| task.eligibility == Eligibility::Open)
                {
                    task.eligibility = Eligibility::NotOurs {
                        reason: "held by ada".to_owned(),
                    };
                    sign(&id, "it was given to ada");
                    let tracked = self.tracker.entry(id).or_default();
                    (tracked.ours, tracked.theirs) = (false, Some("ada".to_owned()));
                }
            }
            Edit::GiveBack(id) => {
                let task = self.source.get_mut(&id);
                if let Some(task) =
                    task.filter(|task| matches!(task.eligibility, Eligibility::NotOurs { .. }))
                {
                    task.eligibility = Eligibility::Open;
                    self.tracker.entry(id).or_default().theirs = None;
                }
            }
            Edit::Close(id) => {
                if let Some(task) = self
                    .source
                    .get_mut(&id)
                    .filter(|task| task.eligibility == Eligibility::Open)
                {
                    task.eligibility = Eligibility::Satisfied { commit: None };
                    self.closed
                        .insert(id.clone(), "its status became closed".to_owned());
                    self.tracker.entry(id).or_default().ours = false;
                }
            }
            Edit::Rewrite(id) => sign(&id, "its description was changed"),
            Edit::CloseOutside => self
                .source
                .values_mut()
                .for_each(|task| task.outside.clear()),
        }
    }

    /// What is different since the core was last told.
    pub fn listing(&mut self) -> PlanChange {
        let tasks = self
            .source
            .values()
            .filter(|task| self.seen.get(&task.id) != Some(task))
            .cloned()
            .collect();
        let removed = self
            .seen
            .keys()
            .filter(|id| !self.source.contains_key(*id))
            .cloned()
            .collect();
        let taken = std::mem::take(&mut self.taken)
            .into_iter()
            .filter(|(id, _)| self.source.contains_key(id) && self.seen.contains_key(id))
            .collect();
        let closed = std::mem::take(&mut self.closed)
            .into_iter()
            .filter(|(id, _)| self.source.contains_key(id) && self.seen.contains_key(id))
            .collect();
        self.seen = self.source.clone();
        PlanChange {
            tasks,
            removed,
            taken,
            closed,
        }
    }
}
