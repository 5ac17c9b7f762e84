//! Names of runs: they sort by time, and a name that could lead out of the folder of runs is none.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::timestamp::Timestamp;

/// A run's name, `YYYYMMDD-HHMMSS-xxxx`: start in UTC, and four hexadecimal digits of which ten bits are the milliseconds and six are
/// chance, so that also two runs of one second sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RunId(String);

impl TryFrom<String> for RunId {
    type Error = BadRunId;

    fn try_from(text: String) -> Result<RunId, BadRunId> {
        RunId::parse(&text)
    }
}

/// A word that names no run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{shown}` is no run id, which looks like 20260301-081530-4f2a; `mesh status` lists the runs"
)]
pub struct BadRunId {
    shown: String,
}

impl RunId {
    /// A new name for a run that starts at `started`. Two in one millisecond differ by chance only: whoever creates the folder
    /// finds a clash and asks again.
    #[must_use]
    pub fn generate(started: Timestamp) -> RunId {
        // A new `RandomState` is seeded by the system; its hash of a constant is a random number without another package.
        let chance = RandomState::new().hash_one(started.0) & 0x3f;
        let last = (started.0 % 1000) << 6 | chance;
        RunId(format!("{}-{last:04x}", started.compact()))
    }

    /// Checks that `text` has exactly the form of a run id.
    ///
    /// # Errors
    /// When it has not; so `../../x` never becomes a path.
    pub fn parse(text: &str) -> Result<RunId, BadRunId> {
        let digits = |part: &str, count: usize| {
            part.len() == count && part.bytes().all(|b| b.is_ascii_digit())
        };
        let hex = |part: &str| {
            part.len() == 4
                && part
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let parts: Vec<&str> = text.split('-').collect();
        match parts.as_slice() {
            [date, time, chance] if digits(date, 8) && digits(time, 6) && hex(chance) => {
                Ok(RunId(text.to_owned()))
            }
            _ => Err(BadRunId {
                shown: text
                    .chars()
                    .take(60)
                    .flat_map(char::escape_default)
                    .collect(),
            }),
        }
    }

    /// The id as text; safe as a file name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_id_is_a_valid_one_and_sorts_by_time() {
        let early = RunId::generate(Timestamp(1_772_352_930_250));
        let late = RunId::generate(Timestamp(1_772_352_930_251));
        assert!(early.as_str().starts_with("20260301-081530-"), "{early}");
        assert!(early < late);
        assert_eq!(RunId::parse(early.as_str()), Ok(early));
    }

    #[test]
    fn chance_tells_ids_of_one_millisecond_apart() {
        let ids: std::collections::BTreeSet<RunId> =
            (0..64).map(|_| RunId::generate(Timestamp(0))).collect();
        assert!(ids.len() > 16, "only {} different ids of 64", ids.len());
    }

    #[test]
    fn what_is_no_run_id_is_refused() {
        for text in [
            "",
            "../../x",
            "20260301-081530-4f2a/..",
            "20260301-081530-4F2A",
            "20260301-081530",
            "20260301-081530-4f2a-1",
            "2026030１-081530-4f2a",
            " 20260301-081530-4f2a",
            "20260301-081530-4f2a\n",
            "latest",
        ] {
            let error = RunId::parse(text).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}
