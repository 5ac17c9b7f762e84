//! Suite `proc`.
