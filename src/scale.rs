//! Scaling laws: what size, how much data, and when more stops paying.
//!
//! A law tells loss from size and data; the step model of this crate tells what they cost. Laws are
//! data (`profiles/laws`), each with the range it was fitted in; [`fit`] makes new ones from points.
//!
#![doc = include_str!("scale/guide.md")]

pub mod architecture;
pub mod concepts;
pub mod curriculum;
pub mod draws;
pub mod extras;
pub mod fit;
pub mod forecast;
pub mod formula;
pub mod hyper;
pub mod ladder;
pub mod law;
pub mod limits;
pub mod machine;
pub mod minimize;
pub mod optimal;
pub mod points;
pub mod question;
pub mod shape;
pub mod stock;
pub mod verify;
