//! Writes whose end says nothing: the tracker is asked whether they happened. Nothing here repeats a write.

use crate::client::Client;
use crate::error::{BdError, Refusal};
use crate::exec::{Call, Raw};

/// What a look at the tracker showed about a write.
pub(crate) enum Look<T> {
    /// It is there.
    Happened(T),
    /// It is not there, and nothing speaks against asking again.
    DidNot,
    /// It is not there, and cannot be.
    Refused(Refusal),
}

impl Client {
    /// Makes the write and reads its answer; if the answer leaves it in doubt, looks.
    pub(crate) fn write_call<T>(
        &self,
        call: &Call,
        read: impl Fn(&Raw) -> Result<T, BdError>,
        look: impl FnOnce() -> Result<Look<T>, BdError>,
    ) -> Result<T, BdError> {
        let failure = match self.call_once(call).and_then(|raw| read(&raw)) {
            Err(failure) if failure.leaves_write_in_doubt() => failure,
            clear => return clear,
        };
        match look() {
            Ok(Look::Happened(answer)) => Ok(answer),
            Ok(Look::DidNot) => Err(failure),
            Ok(Look::Refused(refusal)) => Err(refusal.into()),
            Err(BdError::NotFound { ids }) => Err(BdError::NotFound { ids }),
            Err(blind) => Err(BdError::InDoubt {
                first: failure.to_string(),
                look: blind.to_string(),
            }),
        }
    }
}
