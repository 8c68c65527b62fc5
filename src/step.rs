//! Seconds of one optimizer step.

pub mod parts;

pub use parts::{Parts, Step};
