//! How a model is cut over devices, and whether it fits.

pub mod memory;
