//! What is computed elsewhere: requests with a number, of which the newest wins.

use crate::catalog::Catalog;
use crate::layout::{Breadth, Layout};
use crate::lint;
use crate::plan::Plan;
use crate::search::Found;
use crate::study::sensitivity;
use crate::study::sweep::Row;
use crate::study::validate::Prediction;
use std::sync::Arc;

/// A plan and what it was made of.
pub struct Planned {
    /// File or built-in scenario.
    pub source: String,
    /// Everything that was set.
    pub sets: Vec<String>,
    /// The plan.
    pub plan: Plan,
    /// The catalog it was made from.
    pub catalog: Arc<Catalog>,
    /// What is worth a second look.
    pub warnings: Vec<lint::Warning>,
    /// How long it took.
    pub took_s: f64,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub help: Vec<String>,
}

/// A plan, or why there is none.
pub type Answer = Result<Arc<Planned>, Failure>;

/// A value that is asked for by a key, with the number of the last request.
#[derive(Debug)]
pub struct Slot<T> {
    /// What the newest request was about.
    pub key: String,
    /// Its number.
    pub wanted: u64,
    /// It has not been answered.
    pub waiting: bool,
    /// The newest answer that came.
    pub value: Option<Arc<T>>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Slot {
            key: self.key.clone(),
            wanted: self.wanted,
            waiting: self.waiting,
            value: self.value.clone(),
        }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot {
            key: String::new(),
            wanted: 0,
            waiting: false,
            value: None,
        }
    }
}

impl<T> Slot<T> {
    /// Whether something else than before is wanted; if so it is asked for by the next number.
    pub fn ask(&mut self, key: &str, generation: &mut u64) -> Option<u64> {
        if self.key == key {
            return None;
        }
        *generation += 1;
        self.key = key.to_string();
        self.wanted = *generation;
        self.waiting = true;
        Some(*generation)
    }

    /// Take an answer; one to an older request is dropped.
    pub fn take(&mut self, generation: u64, value: T) -> bool {
        if self.wanted != generation {
            return false;
        }
        self.waiting = false;
        self.value = Some(Arc::new(value));
        true
    }

    /// Take a part of an answer whose rest is still to come.
    pub fn take_part(&mut self, generation: u64, value: T) -> bool {
        let waiting = self.waiting;
        let taken = self.take(generation, value);
        self.waiting = waiting && taken || self.waiting;
        taken
    }

    /// Forget what was asked for, so that it is asked for again.
    pub fn forget(&mut self) {
        self.key.clear();
    }

    /// Forget the answer, too, and one that is still to come: it is about something else.
    pub fn drop_value(&mut self) {
        *self = Slot::default();
    }
}

/// What was measured on this machine.
#[derive(Debug, Clone, Default)]
pub struct Benched {
    /// The machine.
    pub machine: Option<crate::bench::Environment>,
    /// Results.
    pub list: Vec<crate::bench::Measured>,
    /// Kernels that were left out because they failed.
    pub n_failed: usize,
    /// Kernels in all.
    pub n_all: usize,
    /// How it ended; not while it goes on, nor where it failed.
    pub end: Option<crate::bench::End>,
    /// Why it failed.
    pub error: Option<String>,
}

/// Which slot an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The plan with this number.
    Now(u64),
    /// The same without its edits.
    Was(u64),
    /// Layouts of the current plan.
    Found,
    /// The layout that the cursor is on.
    Chosen,
    /// The step bar by bar.
    Details,
    /// What would make it faster.
    Effects,
    /// Layouts with another memory.
    Tries,
    /// Other prices and places.
    Places,
    /// What knobs and unknowns do.
    Swings,
    /// Published runs.
    Validation,
    /// The plan from data sheets alone.
    Effect,
    /// Measurements of this machine.
    Bench,
    /// Cases of a grid.
    Grid,
}

/// Something to compute.
#[derive(Clone)]
pub enum Job {
    /// Read a scenario and plan it. The number says how often files were read anew.
    Plan(String, Vec<String>, u64),
    /// Search the layouts.
    Search(Arc<Planned>, Breadth),
    /// Plan a layout.
    Evaluate(Arc<Planned>, Layout),
    /// Simulate the step bar by bar.
    Details(Arc<Planned>),
    /// What would make the step faster.
    Effects(Arc<Planned>),
    /// Plan each of these changes.
    Tries(Arc<Planned>, Vec<(String, Vec<String>)>),
    /// Bill it elsewhere.
    Places(Arc<Planned>),
    /// Move each knob and each unknown.
    Swings(Arc<Planned>),
    /// Predict published runs, and those of a file.
    Validate(Option<String>),
    /// Plan without measured kernels.
    Sheets(Arc<Planned>),
    /// Measure this machine.
    Bench(Vec<String>, Vec<crate::bench::Measured>),
    /// Plan a grid.
    Grid(Arc<Planned>, Box<GridAxes>),
}

/// The axes of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct GridAxes {
    /// Across: path and values, as `--set` takes them, with the numbers they stand for.
    pub x: (String, Vec<(f64, String)>),
    /// Up.
    pub y: (String, Vec<(f64, String)>),
}

/// Cases of a grid, by line and column; nothing where it is still to be planned.
#[derive(Debug, Clone)]
pub struct Grid {
    /// The axes.
    pub axes: GridAxes,
    /// The study that it is.
    pub study: String,
    /// `rows[y][x]`.
    pub rows: Vec<Vec<Option<Row>>>,
    /// Planned so far.
    pub n_done: usize,
    /// Seconds so far.
    pub took_s: f64,
    /// It was stopped.
    pub stopped: bool,
}

/// What a change does.
pub struct Try {
    /// What it is called.
    pub name: String,
    /// The change.
    pub sets: Vec<String>,
    /// Its plan, or why there is none.
    pub plan: Result<Box<Plan>, String>,
}

/// A price and a place.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// Where.
    pub region: String,
    /// At which price.
    pub offer: String,
    /// How it is committed.
    pub terms: String,
    /// The price.
    pub usd_per_device_hour: Option<f64>,
    /// In all.
    pub cost_usd: Option<f64>,
    /// At the meter.
    pub energy_j: f64,
    /// By location.
    pub carbon_kg_co2e: f64,
    /// How long it takes.
    pub wall_s: f64,
    /// The changes that lead there.
    pub sets: Vec<String>,
}

/// What an input does to the headline numbers.
#[derive(Debug, Clone)]
pub struct Swing {
    /// Its name.
    pub name: String,
    /// Between which values.
    pub range: String,
    /// Step, time, cost, energy and carbon at both ends, as [`crate::study::metric::Metric::ALL`] has them.
    pub ends: Vec<Option<[f64; 2]>>,
    /// The range is that of a distribution, not a tenth up and down.
    pub known: bool,
}

/// Swings and, where the scenario has unknowns, ranges.
#[derive(Debug, Clone, Default)]
pub struct Swings {
    /// The list.
    pub list: Vec<Swing>,
    /// On what ranges rest.
    pub note: String,
}

/// Bars of a step with its critical path.
pub struct Details {
    /// The bars.
    pub gantt: crate::step::Gantt,
    /// The path.
    pub critical: crate::report::timeline::Critical,
}

/// How far a search is, and what it found.
#[derive(Clone)]
pub struct Search {
    /// What it found.
    pub found: Arc<Found>,
    /// What its numbers are of.
    pub of: Arc<Planned>,
    /// How wide it was.
    pub breadth: Breadth,
    /// How long it took.
    pub took_s: f64,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Done.
    pub done: u64,
    /// Of how many parts.
    pub parts: (u64, u64),
    /// Since when.
    pub since_s: f64,
}

/// An answer.
pub enum Outcome {
    /// Of a plan.
    Planned(Box<Answer>),
    /// Of a search; the rest may be still to come.
    Searched(Box<Search>, bool),
    /// Of a step.
    Details(Option<Box<Details>>),
    /// Of what would be faster.
    Effects(Vec<sensitivity::Effect>),
    /// Of changes.
    Tries(Vec<Try>),
    /// Of prices and places.
    Places(Vec<Elsewhere>),
    /// Of knobs.
    Swings(Swings),
    /// Of published runs.
    Validated(Vec<Prediction>),
    /// Of measurements; the rest may be still to come.
    Measured(Box<Benched>),
    /// Of a grid; the rest may be still to come.
    Grid(Box<Grid>),
    /// It failed.
    Failed(String),
}

/// An answer with the number of its request.
pub struct Reply {
    /// Which slot.
    pub place: Place,
    /// Which request.
    pub generation: u64,
    /// The answer.
    pub outcome: Outcome,
    /// Nothing more comes.
    pub last: bool,
}

/// What is to be done outside of the state.
pub enum Effect {
    /// Compute.
    Start(Place, u64, Job),
    /// Stop computing, keep what is there.
    Cancel(Place),
    /// Put into the clipboard.
    Copy(String),
    /// Write a file.
    Write(crate::tui::export::Writing),
    /// Stop like ctrl-z does.
    Suspend,
    /// End as a bug would.
    Crash,
}
