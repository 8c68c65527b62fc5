//! One integration binary: it links once.

mod golden;
mod validation;
