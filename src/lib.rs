//! Exaplan tells what a large-model training cluster will do before it is bought or rented.

pub mod catalog;
pub mod error;
pub mod kernel;
pub mod layout;
pub mod report;
pub mod step;
pub mod units;
pub mod workload;
