//! mesh (see docs/ARCHITECTURE.md).
