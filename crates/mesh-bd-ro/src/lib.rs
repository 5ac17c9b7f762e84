//! mesh-bd-ro (see docs/ARCHITECTURE.md).
