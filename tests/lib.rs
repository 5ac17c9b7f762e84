//! End-to-end tests and adapter suites of the workspace; the library is empty on purpose.
