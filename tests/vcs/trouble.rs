//! The adapter against a program that misbehaves.
