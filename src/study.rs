//! Questions over many steps or plans: what to change next, what slow devices and jitter cost,
//! predictions against published runs, which cluster keeps a deadline or budget.

pub mod bands;
pub mod cross;
pub mod fit;
mod machine;
pub mod models;
pub mod noise;
mod offsets;
pub mod own;
mod rows;
pub mod runs;
pub mod sensitivity;
pub mod size;
pub mod software;
pub mod spread;
pub mod statistics;
mod summary;
pub mod validate;
