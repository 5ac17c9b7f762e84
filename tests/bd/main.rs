//! Suite `bd`.
