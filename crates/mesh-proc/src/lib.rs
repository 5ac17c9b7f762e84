//! mesh-proc (see docs/ARCHITECTURE.md).
