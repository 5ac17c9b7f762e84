//! mesh-agent (see docs/ARCHITECTURE.md).
