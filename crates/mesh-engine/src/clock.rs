//! The only reader of the system clock.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mesh_core::time::Millis;

/// The time in UTC to the second, `2026-02-10T08:15:30Z`; empty for one that no calendar has.
pub(crate) fn utc_seconds(unix_ms: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(i64::MAX));
    time.map_or_else(
        |_| String::new(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

/// Time of a run: milliseconds since it started, over all its coordinators, never going back.
pub struct Clock {
    unix_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    started_unix_ms: u64,
    latest: AtomicU64,
}

impl Clock {
    /// A clock for a run that started at `started_unix_ms` and has records up to `latest`.
    #[must_use]
    pub fn new(started_unix_ms: u64, latest: Millis) -> Clock {
        Clock::reading(unix_ms, started_unix_ms, latest)
    }

    /// As [`Clock::new`], with the time of `unix_ms` instead of the system's.
    #[must_use]
    pub fn reading(
        unix_ms: impl Fn() -> u64 + Send + Sync + 'static,
        started_unix_ms: u64,
        latest: Millis,
    ) -> Clock {
        Clock {
            unix_ms: Box::new(unix_ms),
            started_unix_ms,
            latest: AtomicU64::new(latest.0),
        }
    }

    /// Milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        (self.unix_ms)()
    }

    /// Now.
    pub fn now(&self) -> Millis {
        let reading = self.unix_ms().saturating_sub(self.started_unix_ms);
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

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

/// Milliseconds since 1970, by the system's clock.
#[must_use]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
