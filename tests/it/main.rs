//! One binary for every test that looks at the crate from outside.

#[cfg(feature = "cli")]
mod errors;
mod rooms;
mod support;
mod tidy;
