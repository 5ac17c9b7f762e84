//! The only reader of the system clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mesh_core::time::Millis;

/// Time of a run: milliseconds since it started, over all its coordinators, never going back.
#[derive(Debug)]
pub struct Clock {
    started_unix_ms: u64,
    latest: AtomicU64,
}

impl Clock {
    /// A clock for a run that started at `started_unix_ms` and has records up to `latest`.
    #[must_use]
    pub fn new(started_unix_ms: u64, latest: Millis) -> Clock {
        Clock {
            started_unix_ms,
            latest: AtomicU64::new(latest.0),
        }
    }

    /// Now.
    pub fn now(&self) -> Millis {
        let reading = unix_ms().saturating_sub(self.started_unix_ms);
        Millis(
            self.latest
                .fetch_max(reading, Ordering::Relaxed)
                .max(reading),
        )
    }

    /// A moment of the run from milliseconds since 1970.
    pub fn at_unix_ms(&self, unix_ms: u64) -> Millis {
        Millis(unix_ms.saturating_sub(self.started_unix_ms))
    }

    /// Milliseconds since 1970 of a moment of the run.
    pub fn to_unix_ms(&self, moment: Millis) -> u64 {
        self.started_unix_ms.saturating_add(moment.0)
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
