//! Questions over many steps or plans: what to change next, which cluster keeps a deadline or budget,
//! what slow devices and jitter cost, between which values the answers lie, why two plans differ,
//! predictions against published runs.

pub mod bands;
pub mod compare;
pub mod cross;
pub mod energies;
pub mod fit;
pub mod jobs;
pub mod layouts;
mod machine;
pub mod metric;
pub mod models;
pub mod noise;
mod offsets;
pub mod own;
pub mod power;
pub mod renewal;
mod rows;
pub mod runs;
pub mod sensitivity;
pub mod size;
pub mod software;
pub mod spread;
pub mod statistics;
mod summary;
pub mod sweep;
pub mod uncertain;
pub mod validate;
pub mod whole;
