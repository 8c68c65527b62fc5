//! The bill against published figures, against a sheet worked by hand, and where values are missing.

mod conventions;
mod missing;
mod power;
mod sheet;
