//! mesh-journal (see docs/ARCHITECTURE.md).
