//! Ends are written down in the order of needs, although each has a thread of its own: a tracker closes nothing whose needs are
//! open, and a result lands on those that it stands on.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use mesh_core::id::TaskId;

/// Ends that are being written down.
#[derive(Default)]
pub(crate) struct CompletionOrder {
    open: Vec<(TaskId, Arc<Done>)>,
}

impl CompletionOrder {
    /// A turn for the end of an attempt of `task`: after those that were given out before to the task itself and to what it needs.
    pub fn take(&mut self, task: &TaskId, needs: impl Fn(&TaskId) -> bool) -> Turn {
        self.open.retain(|(_, done)| !done.is_set());
        let after = self
            .open
            .iter()
            .filter(|(other, _)| other == task || needs(other))
            .map(|(_, done)| Arc::clone(done))
            .collect();
        let own = Arc::new(Done::default());
        self.open.push((task.clone(), Arc::clone(&own)));
        Turn { after, own }
    }
}

/// A turn; it is over when this is dropped. It waits only for turns that were given out before it, so no two wait for each other.
pub(crate) struct Turn {
    after: Vec<Arc<Done>>,
    own: Arc<Done>,
}

impl Turn {
    /// Waits until it is this one's turn.
    pub fn wait(&self) {
        self.after.iter().for_each(|done| done.wait());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.own.set();
    }
}

#[derive(Default)]
struct Done {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Done {
    fn is_set(&self) -> bool {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self) {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        // A poisoned flag is still a flag; nobody panics while holding it.
        drop(self.changed.wait_while(is_set, |is_set| !*is_set));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn id(name: &str) -> TaskId {
        TaskId::new(name).unwrap()
    }

    #[test]
    fn a_turn_comes_after_those_of_its_needs_and_of_nobody_else() {
        let mut completion_order = CompletionOrder::default();
        let need = completion_order.take(&id("need"), |_| false);
        let other = completion_order.take(&id("other"), |_| false);
        let (sender, receiver) = channel();
        let mut threads = Vec::new();
        for name in ["task", "task"] {
            let turn = completion_order.take(&id(name), |other| other.as_str() == "need");
            let sender = sender.clone();
            let number = threads.len();
            threads.push(std::thread::spawn(move || {
                turn.wait();
                sender.send(number).unwrap();
            }));
        }
        other.wait();
        assert!(receiver.try_recv().is_err(), "the need is open");
        drop(need);
        assert_eq!(receiver.recv().unwrap(), 0);
        assert_eq!(receiver.recv().unwrap(), 1);
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(
            completion_order.take(&id("last"), |_| true).after.len() == 1,
            "other's"
        );
        drop(other);
    }

    #[test]
    fn a_turn_that_ends_badly_is_over() {
        let mut completion_order = CompletionOrder::default();
        let first = completion_order.take(&id("a"), |_| false);
        let second = completion_order.take(&id("a"), |_| false);
        let broken = std::thread::spawn(move || {
            let _first = first;
            panic!("on purpose");
        });
        assert!(broken.join().is_err());
        second.wait();
    }
}
