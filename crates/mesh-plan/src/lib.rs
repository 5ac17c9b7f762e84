//! mesh-plan (see docs/ARCHITECTURE.md).
