//! The training run as work: a model, its batch and its tokens.

pub mod precision;
