//! Questions over many plans. For now: predictions against published runs.

mod machine;
pub mod models;
pub mod runs;
pub mod spread;
pub mod validate;
