//! mesh-engine (see docs/ARCHITECTURE.md).
