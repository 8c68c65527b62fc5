//! Laws that hold for any scenario (rooms.md §7), on scenarios drawn at random.
//!
//! The seed is fixed: a test that fails here fails everywhere, and again tomorrow.

mod beside;
mod finite;
mod memory;
mod offload;
mod parse;
mod programs;
mod scale;
mod search;
mod split;
mod strategy;
pub use strategy::{MODELS, config};
mod sums;
