//! runc.
