//! Exaplan tells what a large-model training cluster will do before it is bought or rented: the
//! seconds of a step, the days of a run, its dollars, megawatt-hours and tonnes of carbon, and
//! which layout of the model over the devices gets there first.
//!
//! ```
//! use exaplan::{catalog::Catalog, plan};
//!
//! let (scenario, catalog) = plan::Scenario::load("llama3-405b", &[], Catalog::builtin())?;
//! let best = plan::plan(&scenario, &catalog)?;
//! assert!(best.step.mfu > 0.2 && best.run.goodput <= 1.0);
//! # Ok::<(), exaplan::error::Error>(())
//! ```
//!
//! # Rooms
//!
//! Data flows down this list only.
//!
//! | room | what it answers |
//! |---|---|
//! | `units` | what do people mean by "80 GiB", how do they read 4.18e14 |
//! | `error` | what is wrong, where, and what to do about it |
//! | `catalog` | which accelerators, networks, prices, grids, models there are, each with its source |
//! | `workload` | how many parameters and FLOPs a model has |
//! | `kernel` | how long one operation takes on one device or group |
//! | `layout` | how a model is cut over devices, and whether it fits |
//! | `step` | how long one optimizer step takes, and where the time goes |
//! | `run` | how long all steps take with failures and checkpoints |
//! | `bill` | what the run costs in joules, kilograms, liters and dollars |
//! | `search` | which layout is the fastest, and why the others fell |
//! | `plan` | all of it for one scenario |
//! | `lint` | what deserves a second look |
//! | `report` | how all of it is written down |
//! | `cli` | the command line |
//!
//! # Invariants
//!
//! - Rooms from `catalog` to `bill` read no clock and draw no random number, and of them only
//!   `catalog::source` touches files. Same input, same bits, whatever the number of threads.
//! - A layout that does not fit is a value, never an error or a panic.
//! - Nothing is rounded before it is shown.

pub mod bill;
pub mod catalog;
pub mod error;
pub mod kernel;
pub mod layout;
pub mod lint;
pub mod plan;
pub mod run;
pub mod search;
pub mod step;
pub mod units;
pub mod workload;
