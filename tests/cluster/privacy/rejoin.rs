//! Placeholder for the compile.
