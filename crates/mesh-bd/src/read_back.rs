//! Writes whose end says nothing: the tracker is asked whether they happened. Nothing here repeats a write.

use crate::client::Client;
use crate::error::{BdError, Refusal};
use crate::exec::{Call, CallOutput};

/// What a look at the tracker showed about a write.
pub(crate) enum ReadBack<T> {
    /// It is there.
    Applied(T),
    /// It is not there, and nothing speaks against asking again.
    NotApplied,
    /// It is not there, and cannot be.
    Refused(Refusal),
}

impl Client {
    /// Makes the write and reads its answer; if the answer leaves that in doubt, looks.
    pub(crate) fn write_call<T>(
        &self,
        call: &Call,
        read: impl Fn(&CallOutput) -> Result<T, BdError>,
        look: impl FnOnce() -> Result<ReadBack<T>, BdError>,
    ) -> Result<T, BdError> {
        let failure = match self.call_once(call).and_then(|output| read(&output)) {
            Err(failure) if failure.leaves_write_in_doubt() => failure,
            clear => return clear,
        };
        match look() {
            Ok(ReadBack::Applied(answer)) => Ok(answer),
            Ok(ReadBack::NotApplied) => Err(failure),
            Ok(ReadBack::Refused(refusal)) => Err(refusal.into()),
            Err(BdError::NotFound { ids }) => Err(BdError::NotFound { ids }),
            Err(blind) => Err(BdError::InDoubt {
                first: failure.to_string(),
                look: blind.to_string(),
            }),
        }
    }
}
