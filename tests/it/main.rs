//! One integration binary for every test that looks at the crate from outside: it links once.

#[cfg(feature = "cli")]
mod errors;
mod golden;
mod rooms;
mod support;
mod tidy;
mod validation;
