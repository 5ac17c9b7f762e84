//! mesh-sim (see docs/ARCHITECTURE.md).
