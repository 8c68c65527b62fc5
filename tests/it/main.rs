//! One integration binary: it links once.

mod cli;
mod golden;
mod validation;
