//! What is told of an agent whose process has ended.

use std::sync::Arc;

use mesh_core::event::Event;
use mesh_core::evidence::Ending;
use mesh_core::id::AttemptId;
use mesh_core::process::Role;

use crate::actions::output;
use crate::context::RunContext;
use crate::workers;

/// Tells how the agent ended, from a worker: what is left of its tree may have to be ended first.
pub(crate) fn tell_end(context: &Arc<RunContext>, attempt: &AttemptId) {
    let (id, same) = (attempt.clone(), attempt.clone());
    workers::tell_end(
        context,
        attempt,
        &Role::ALL,
        move |context| {
            for event in ended(context, &id) {
                context.report(event);
            }
        },
        |_| Event::Ended {
            attempt: same,
            ending: Ending::NoReport,
            tail: String::new(),
        },
    );
}

/// The facts that the agent's tree has ended, once it lives no more, and before that what it says that it used.
pub(crate) fn ended(context: &RunContext, attempt: &AttemptId) -> Vec<Event> {
    let ending = context.executor.ending(&attempt.process(Role::Agent));
    let tail = match ending {
        Ending::Exited(0) | Ending::CouldNotStart(_) => String::new(),
        _ => {
            context.note_withheld();
            output::of_agent(context, attempt)
        }
    };
    let ended = Event::Ended {
        attempt: attempt.clone(),
        ending,
        tail,
    };
    let metered = output::metered(context, attempt).map(|metered| Event::Metered {
        attempt: attempt.clone(),
        metered,
    });
    metered.into_iter().chain([ended]).collect()
}
