//! Writes whose end says nothing: the tracker is asked whether they happened. Nothing here repeats a write.

use crate::error::{BdError, Refusal};
use crate::transport::{Call, CallOutput, Transport};

/// What a look at the tracker showed about a write.
pub(crate) enum ReadBack<T> {
    /// It is there.
    Applied(T),
    /// It is not there, and nothing speaks against asking again.
    NotApplied,
    /// It is not there, and cannot be.
    Refused(Refusal),
}

impl Transport {
    /// Makes the write and reads its answer; if the answer leaves that in doubt, looks.
    pub(crate) fn write<T>(
        &self,
        call: &Call,
        read: impl FnOnce(&CallOutput) -> Result<T, BdError>,
        look: impl FnOnce() -> Result<ReadBack<T>, BdError>,
    ) -> Result<T, BdError> {
        let failure = match self.once(call).and_then(|output| read(&output)) {
            Err(failure) if failure.leaves_write_in_doubt() => failure,
            clear => return clear,
        };
        match look() {
            Ok(ReadBack::Applied(answer)) => Ok(answer),
            Ok(ReadBack::NotApplied) => Err(failure),
            Ok(ReadBack::Refused(refusal)) => Err(refusal.into()),
            Err(missing @ BdError::NotFound { .. }) => Err(missing),
            Err(blind) => Err(BdError::InDoubt {
                first: failure.to_string(),
                look: blind.to_string(),
            }),
        }
    }
}
