//! mesh-vcs (see docs/ARCHITECTURE.md).
