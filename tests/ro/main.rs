//! Suite `ro`.
