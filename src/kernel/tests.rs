//! Golden values come from an independent evaluation of the same fits; rule values from
//! published nccl-tests and rccl-tests runs.

mod compute;
mod experts;
mod fixture;
mod network;
