//! Everything that descends from this process, and its end.
//!
//! A child can leave its group and its session, but not its descent: as the subreaper of the tree we inherit whoever loses its
//! parent. So the tree is found by parent numbers alone.

use super::main::say;
use super::report::{ExitReport, Killed};
use crate::tree::{self, Identity, ProcessStat, Sent};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Sweep {
    child: u32,
    seen: BTreeSet<Identity>,
    killed: Vec<Killed>,
    killed_more: u64,
}

impl Sweep {
    /// Between two looks, when the kernel does not tell us of an end before.
    pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(5);
    /// What cannot be killed (another user's, or held by the kernel) is waited for; the attempt is not over before.
    pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

    pub(super) fn new(child: u32) -> Self {
        Self {
            child,
            seen: BTreeSet::new(),
            killed: Vec::new(),
            killed_more: 0,
        }
    }

    /// All our descendants that have not ended.
    pub(super) fn living_tree(&self) -> Vec<ProcessStat> {
        let processes = tree::all();
        let own = BTreeSet::from([std::process::id()]);
        tree::descendants(&own, &processes)
            .into_iter()
            .filter(|process| !process.is_zombie())
            .cloned()
            .collect()
    }

    /// Kills them. Says whether there was one that had not been killed before.
    pub(super) fn kill_all(&mut self) -> bool {
        let mut any_new = false;
        for process in self.living_tree() {
            let identity = process.identity();
            let is_new = !self.seen.contains(&identity);
            let command = if is_new {
                tree::command_line(&process)
            } else {
                String::new()
            };
            match tree::signal_same(identity, Signal::KILL) {
                Sent::Gone => {}
                Sent::Refused if is_new => {
                    say(&format!("not ours to end, waiting for it: {command}"))
                }
                Sent::Yes if is_new => {
                    any_new = true;
                    self.note(identity, command);
                }
                Sent::Yes | Sent::Refused => {}
            }
            self.seen.insert(identity);
        }
        any_new
    }

    fn note(&mut self, identity: Identity, command: String) {
        if identity.pid == self.child {
            return;
        }
        if self.killed.len() < ExitReport::LONGEST_LIST {
            self.killed.push(Killed {
                pid: identity.pid,
                command,
            });
        } else {
            self.killed_more = self.killed_more.saturating_add(1);
        }
    }

    pub(super) fn take_killed(&mut self) -> (Vec<Killed>, u64) {
        (std::mem::take(&mut self.killed), self.killed_more)
    }
}
