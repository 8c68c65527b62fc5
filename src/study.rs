//! Questions over many plans. For now: predictions against published runs.

pub mod runs;
pub mod validate;
