//! Suite `it`.
