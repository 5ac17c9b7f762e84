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

/// Units of one lock group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hold {
    /// Place of the group in the plan.
    pub group: u32,
    /// How many of its units, at least one.
    pub units: u32,
}

/// What a task takes when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim<'a> {
    /// Units of these groups; none means that it overlaps with anything.
    Groups(&'a [Hold]),
    /// Everything: it runs alone.
    Alone,
}

/// Who holds what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockTable {
    groups: Vec<Group>,
    alone: Option<Ix>,
    alone_reserved: Option<Ix>,
    active: u32,
}

/// One lock group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    /// How many units may be held at once.
    capacity: u32,
    /// How many are held.
    held: u32,
    /// Who holds how many.
    holders: Vec<(Ix, u32)>,
    /// For whom how many are reserved.
    reserved: Option<(Ix, u32)>,
}

impl Group {
    /// Whether `task` may take `units`. What is left beside a reservation may be taken by others: so the reservation can be granted
    /// as soon as enough of its units are free.
    fn is_free(&self, task: Ix, units: u32) -> bool {
        let reserved = match self.reserved {
            Some((by, reserved)) if by != task => reserved,
            _ => 0,
        };
        self.held.saturating_add(units).saturating_add(reserved) <= self.capacity
    }
}

impl LockTable {
    /// A free table for groups of these capacities.
    #[must_use]
    pub fn new(capacities: &[u32]) -> LockTable {
        let group = |&capacity: &u32| Group {
            capacity,
            held: 0,
            holders: Vec::new(),
            reserved: None,
        };
        LockTable {
            groups: capacities.iter().map(group).collect(),
            ..LockTable::default()
        }
    }

    /// Who holds units of a group, in the order in which they took them.
    pub fn holders(&self, group: u32) -> impl Iterator<Item = Ix> {
        self.groups[group as usize]
            .holders
            .iter()
            .map(|(at, _)| *at)
    }

    /// How many tasks hold their claims.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active
    }

    /// Whether nothing keeps `task` from `claim`: as [`LockTable::block`], for those who ask about thousands of tasks.
    #[must_use]
    pub fn is_free(&self, task: Ix, claim: Claim<'_>) -> bool {
        let by_itself = self.alone.or(self.alone_reserved).filter(|&by| by != task);
        by_itself.is_none()
            && match claim {
                Claim::Alone => self.active == 0,
                Claim::Groups(holds) => holds
                    .iter()
                    .all(|hold| self.groups[hold.group as usize].is_free(task, hold.units)),
            }
    }

    /// What keeps `task` from `claim`, or nothing.
    #[must_use]
    pub fn block(&self, task: Ix, claim: Claim<'_>) -> Option<LockBlock> {
        if let Some(by) = self.alone.or(self.alone_reserved).filter(|&by| by != task) {
            return Some(LockBlock::Alone { by });
        }
        match claim {
            Claim::Alone => (self.active > 0).then_some(LockBlock::NotAlone),
            Claim::Groups(holds) => holds.iter().find_map(|&hold| self.group_block(task, hold)),
        }
    }

    fn group_block(&self, task: Ix, hold: Hold) -> Option<LockBlock> {
        let group = &self.groups[hold.group as usize];
        if group.is_free(task, hold.units) {
            return None;
        }
        match group.reserved {
            Some((by, _))
                if by != task && group.held.saturating_add(hold.units) <= group.capacity =>
            {
                Some(LockBlock::Reserved {
                    group: hold.group,
                    by,
                })
            }
            // A plan has no task that takes more than there is, so somebody holds some of it.
            _ => Some(LockBlock::Held {
                group: hold.group,
                by: group.holders.first().map_or(task, |(at, _)| *at),
            }),
        }
    }

    /// Takes all of `claim` for `task`. The caller has made sure that [`LockTable::block`] says nothing; a journal that somebody
    /// changed may say otherwise, and is no reason to panic.
    pub fn take(&mut self, task: Ix, claim: Claim<'_>) {
        self.unreserve(task);
        self.active += 1;
        match claim {
            Claim::Alone => self.alone = Some(task),
            Claim::Groups(holds) => {
                for hold in holds {
                    let group = &mut self.groups[hold.group as usize];
                    group.held = group.held.saturating_add(hold.units);
                    group.holders.push((task, hold.units));
                }
            }
        }
    }

    /// Gives back all that `task` took.
    pub fn release(&mut self, task: Ix, claim: Claim<'_>) {
        self.active = self.active.saturating_sub(1);
        match claim {
            Claim::Alone => self.alone = None,
            Claim::Groups(holds) => {
                for hold in holds {
                    let group = &mut self.groups[hold.group as usize];
                    group.holders.retain(|(at, _)| *at != task);
                    group.held = group.holders.iter().map(|(_, units)| units).sum();
                }
            }
        }
    }

    /// Whether all of `claim` could be reserved for `task`: nobody else has a reservation on any part of it. Reservations are
    /// all or none too, else two tasks could each keep half of what both need.
    #[must_use]
    pub fn can_reserve(&self, task: Ix, claim: Claim<'_>) -> bool {
        self.alone_reserved.is_none()
            && match claim {
                Claim::Alone => self.groups.iter().all(|group| group.reserved.is_none()),
                Claim::Groups(holds) => {
                    let is_free = |hold: &Hold| self.groups[hold.group as usize].reserved.is_none();
                    !holds.is_empty() && holds.iter().all(is_free) && !self.has_reservation(task)
                }
            }
    }

    /// Reserves all of `claim` for `task`.
    pub fn reserve(&mut self, task: Ix, claim: Claim<'_>) {
        match claim {
            Claim::Alone => self.alone_reserved = Some(task),
            Claim::Groups(holds) => {
                for hold in holds {
                    self.groups[hold.group as usize].reserved = Some((task, hold.units));
                }
            }
        }
    }

    /// Whether anything is reserved for `task`.
    #[must_use]
    pub fn has_reservation(&self, task: Ix) -> bool {
        let mut of_groups = self.groups.iter().filter_map(|group| group.reserved);
        self.alone_reserved == Some(task) || of_groups.any(|(by, _)| by == task)
    }

    /// For whom something is reserved, each once, ascending.
    #[must_use]
    pub fn reservations(&self) -> Vec<Ix> {
        let of_groups = self.groups.iter().filter_map(|group| group.reserved);
        let mut tasks: Vec<Ix> = of_groups.map(|(at, _)| at).collect();
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
        for group in &mut self.groups {
            if group.reserved.is_some_and(|(by, _)| by == task) {
                group.reserved = None;
            }
        }
    }
}

#[cfg(test)]
#[path = "lock_test.rs"]
mod tests;
