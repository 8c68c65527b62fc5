//! Exaplan tells what a large-model training cluster will do before it is bought or rented: how
//! long a run takes, with which parallel layout, in what memory, for how much energy, carbon and
//! money, and what each number rests on.
//!
//! ```
//! use exaplan::{Catalog, Scenario, plan};
//!
//! let (scenario, catalog) = Scenario::load("llama3-405b", &[], Catalog::builtin())?;
//! let best = plan(&scenario, &catalog)?;
//! assert!(best.step.mfu > 0.2 && best.run.goodput < 1.0);
//!
//! // What if there were half the nodes? The same override as `--set` on the command line.
//! let half = vec!["cluster.nodes=1024".to_string(), "layout.data=64".to_string()];
//! let (scenario, catalog) = Scenario::load("llama3-405b", &half, Catalog::builtin())?;
//! assert!(plan(&scenario, &catalog)?.run.wall_s > best.run.wall_s);
//! # Ok::<(), exaplan::Error>(())
//! ```
//!
//! # The rooms
//!
//! Data flows down only; a test holds who may use whom.
//!
//! ```text
//!      hardware/*.toml     scenarios/models/*.toml     profiles/*.toml  <-------+
//!            |                      |                        |                  |
//!            v                      v                        v                  |
//!        [catalog] ----------> [workload] ------------+  (profiles are          |
//!            |                      |                 |   catalog data)         |
//!            |                      v                 |                         |
//!            +---------------> [layout]  what fits?   |                         |
//!            |                      |                 |                         |
//!            +--> [kernel] --> [step]  seconds of one optimizer step            |
//!            |                      |                                           |
//!            +---------------> [run]   days, goodput                            |
//!            |                      |                                           |
//!            +---------------> [bill]  joules, kg CO2e, liters, dollars         |
//!                                   |                                           |
//!                       [search] [plan]  the function that walks them           |
//!                                   |   \                                       |
//!                                   |   [lint]  warnings with remedies          |
//!                                   |                                           |
//!                       [study] [scale]  what next, jitter, published runs;     |
//!                                   |    scaling laws: what size, how much data |
//!                                   |                                           |
//!                               [report]  text md csv json html svg xlsx focus  |
//!                                /     \                                        |
//!                            [tui]    [cli]  <---- [bench]  measures -----------+
//! ```
//!
//! | room | what it knows |
//! |---|---|
//! | [`units`], [`error`], [`fit`] | quantities as people write and read them; diagnostics with a place and a way out; small linear systems |
//! | [`catalog`] | accelerators, networks, nodes, prices, grids, models, profiles, stacks, bands of errors: each value with its source |
//! | [`workload`] | parameters and FLOPs of a model, number formats, batch and tokens |
//! | [`kernel`] | seconds of one matrix multiply, attention, memory pass or collective, from a model and the measured points near it, and the evidence for it |
//! | [`layout`] | how a model is cut, which layers a stage holds, what it needs in memory, why a layout falls |
//! | [`step`] | one optimizer step: operations, lanes beside each other, schedules slot by slot and in closed form, where the time goes |
//! | [`run`] | many steps, phases of them too, with failures by cause, checkpoints, spares, slow nodes and pauses, in expected values |
//! | [`bill`] | energy by phase and equipment, carbon, water, cloud and owned cost, books of a machine's life |
//! | [`search`] | every legal layout judged; ties, Pareto front, reasons of the others |
//! | [`plan`] | scenario in, plan out |
//! | [`lint`] | what is worth a second look |
//! | [`study`] | questions over many steps or plans: what to change next, which cluster keeps a deadline or budget, slow devices and jitter, the run drawn failure by failure, ranges of what is uncertain, causes of differences, published steps, whole runs, jobs, power logs and energies, fits to them and to one's own, bands of their errors; grids of scenarios in shards |
//! | [`scale`] | scaling laws as data and fitted to points; the size, data and batch of least loss for a budget, through the layout search; data, limits, ladders |
//! | [`report`] | typed tables drawn as text, Markdown, CSV, JSON and HTML; a step as chart and trace; a plan as a workbook of live formulas, any document as a workbook, and a bill in FOCUS with the check of such bills |
//! | [`bench`] | measures this machine, hosts and NVIDIA devices natively and what JAX and PyTorch drive; lets ranks meet; never reads a prediction |
//! | [`tui`], [`cli`] | faces; they show no number that the library cannot return: eight screens over one table of keys, and the commands |
//!
//! # What never happens
//!
//! - Rooms from `catalog` to `bill` read no clock and draw no random number: same input, same bits.
//!   Only `catalog::source` reads files. What `study` and `scale` draw comes from a seed.
//! - A layout that does not fit is a value ([`layout::Violation`]), not an error: the search counts them.
//! - Quantities are `f64` in SI base units with the unit in the name. Nothing is rounded before `report`.
//! - The parts of a step sum to its time, the parts of a run to its wall time.
//! - No number is tuned on one published run: stacks are fitted to all of them jointly, and judged on
//!   families of sources that were left out.

pub mod bench;
pub mod bill;
pub mod catalog;
#[cfg(feature = "cli")]
pub mod cli;
pub mod error;
pub mod fit;
pub mod kernel;
pub mod layout;
pub mod lint;
pub mod plan;
pub mod report;
pub mod run;
pub mod scale;
pub mod search;
pub mod step;
pub mod study;
#[cfg(feature = "tui")]
#[doc(hidden)]
pub mod tui;
pub mod units;
pub mod workload;

pub use bill::Bill;
pub use catalog::Catalog;
pub use error::{Diagnostic, Error, Result};
pub use layout::{Layout, MemoryBudget, Violation};
pub use lint::{Warning, warnings};
pub use plan::{Plan, Scenario, plan};
pub use run::Run;
pub use search::{Found, search};
pub use step::{Parts, Step};
