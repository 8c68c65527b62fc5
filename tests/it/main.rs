//! One integration binary for every test that looks at the crate from outside: it links once.

// A test that cannot go on has failed; clippy.toml covers test functions only, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bill;
mod catalog;
#[cfg(feature = "cli")]
mod cli;
mod engine;
#[cfg(feature = "cli")]
mod errors;
mod experts;
mod fit;
mod golden;
mod hf;
mod kernels;
mod rooms;
mod scale;
mod support;
mod tidy;
mod validation;
