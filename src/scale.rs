//! Scaling laws: what size, how much data, and when more stops paying.
//!
//! A law tells loss from size and data; the step model of this crate tells what they cost. Laws are
//! data (`profiles/laws`), each with the range it was fitted in; [`fit`] makes new ones from points.

pub mod draws;
pub mod fit;
pub mod formula;
pub mod law;
pub mod minimize;
pub mod points;
pub mod verify;
pub mod machine;
pub mod optimal;
pub mod question;
pub mod shape;
pub mod stock;
pub mod curriculum;
pub mod ladder;
pub mod limits;
pub mod architecture;
pub mod extras;
pub mod forecast;
pub mod hyper;
