//! Exaplan tells what a large-model training cluster will do before it is bought or rented.

pub mod bill;
pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod error;
pub mod kernel;
pub mod layout;
pub mod lint;
pub mod plan;
pub mod report;
pub mod run;
pub mod search;
pub mod step;
pub mod units;
pub mod workload;
