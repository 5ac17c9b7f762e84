//! Lock groups at run time: taken all or none, reserved for a task that was passed over too often.
//!
//! A task that runs alone excludes everything. The table holds task places only; who starts is decided elsewhere.

use crate::graph::Ix;

/// What keeps a task from its locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockBlock {
    /// A group is held by a running task.
    Held {
        /// Place of the group in the plan.
        group: u32,
        /// Who holds it.
        by: Ix,
    },
    /// A group is reserved for a task that waited longer.
    Reserved {
        /// Place of the group in the plan.
        group: u32,
        /// For whom.
        by: Ix,
    },
    /// A task that runs alone is running, or everything is reserved for one.
    Alone {
        /// That task.
        by: Ix,
    },
    /// This task runs alone and others are running.
    NotAlone,
}

/// What a task takes when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim<'a> {
    /// These groups, as places in the plan; none means that it overlaps with anything.
    Groups(&'a [u32]),
    /// Everything: it runs alone.
    Alone,
}

/// Who holds what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockTable {
    holders: Vec<Option<Ix>>,
    reserved: Vec<Option<Ix>>,
    alone: Option<Ix>,
    alone_reserved: Option<Ix>,
    active: u32,
}

impl LockTable {
    /// A free table for `groups` groups.
    #[must_use]
    pub fn new(groups: usize) -> LockTable {
        LockTable {
            holders: vec![None; groups],
            reserved: vec![None; groups],
            ..LockTable::default()
        }
    }

    /// Who holds a group.
    #[must_use]
    pub fn holder(&self, group: u32) -> Option<Ix> {
        self.holders[group as usize]
    }

    /// How many tasks hold what they took, nothing at all included.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active
    }

    /// What keeps `task` from `claim`, or nothing.
    #[must_use]
    pub fn block(&self, task: Ix, claim: Claim<'_>) -> Option<LockBlock> {
        if let Some(by) = self.alone.or(self.alone_reserved).filter(|&by| by != task) {
            return Some(LockBlock::Alone { by });
        }
        match claim {
            Claim::Alone => (self.active > 0).then_some(LockBlock::NotAlone),
            Claim::Groups(groups) => groups
                .iter()
                .find_map(|&group| self.group_block(task, group)),
        }
    }

    fn group_block(&self, task: Ix, group: u32) -> Option<LockBlock> {
        if let Some(by) = self.holders[group as usize] {
            return Some(LockBlock::Held { group, by });
        }
        let by = self.reserved[group as usize].filter(|&by| by != task)?;
        Some(LockBlock::Reserved { group, by })
    }

    /// Takes all of `claim` for `task`. The caller has made sure that [`LockTable::block`] says nothing.
    pub fn take(&mut self, task: Ix, claim: Claim<'_>) {
        debug_assert_eq!(self.block(task, claim), None, "locks are taken all or none");
        self.unreserve(task);
        self.active += 1;
        match claim {
            Claim::Alone => self.alone = Some(task),
            Claim::Groups(groups) => {
                for &group in groups {
                    self.holders[group as usize] = Some(task);
                }
            }
        }
    }

    /// Gives back all that `task` took.
    pub fn release(&mut self, task: Ix, claim: Claim<'_>) {
        self.active = self.active.saturating_sub(1);
        match claim {
            Claim::Alone => self.alone = None,
            Claim::Groups(groups) => {
                for &group in groups {
                    if self.holders[group as usize] == Some(task) {
                        self.holders[group as usize] = None;
                    }
                }
            }
        }
    }

    /// Whether all of `claim` could be reserved for `task`: nobody else has a reservation on any part of it. Reservations are
    /// all or none too, else two tasks could each keep half of what both need.
    #[must_use]
    pub fn can_reserve(&self, task: Ix, claim: Claim<'_>) -> bool {
        match claim {
            Claim::Alone => {
                self.alone_reserved.is_none() && self.reserved.iter().all(Option::is_none)
            }
            Claim::Groups(groups) => {
                self.alone_reserved.is_none()
                    && groups
                        .iter()
                        .all(|&group| self.reserved[group as usize].is_none())
                    && !groups.is_empty()
                    && !self.has_reservation(task)
            }
        }
    }

    /// Reserves all of `claim` for `task`.
    pub fn reserve(&mut self, task: Ix, claim: Claim<'_>) {
        match claim {
            Claim::Alone => self.alone_reserved = Some(task),
            Claim::Groups(groups) => {
                for &group in groups {
                    self.reserved[group as usize] = Some(task);
                }
            }
        }
    }

    /// Whether anything is reserved for `task`.
    #[must_use]
    pub fn has_reservation(&self, task: Ix) -> bool {
        self.alone_reserved == Some(task) || self.reserved.contains(&Some(task))
    }

    /// For whom something is reserved, each once, ascending.
    #[must_use]
    pub fn reservations(&self) -> Vec<Ix> {
        let mut tasks: Vec<Ix> = self.reserved.iter().copied().flatten().collect();
        tasks.extend(self.alone_reserved);
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }

    /// Gives up what is reserved for `task`.
    pub fn unreserve(&mut self, task: Ix) {
        if self.alone_reserved == Some(task) {
            self.alone_reserved = None;
        }
        for entry in &mut self.reserved {
            if *entry == Some(task) {
                *entry = None;
            }
        }
    }
}

#[cfg(test)]
#[path = "lock_test.rs"]
mod tests;
