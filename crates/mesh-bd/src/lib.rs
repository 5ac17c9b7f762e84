//! mesh-bd (see docs/ARCHITECTURE.md).
