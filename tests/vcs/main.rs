//! Suite `vcs`.
