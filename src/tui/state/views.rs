//! What each screen remembers.

use super::jobs::{Answer, Benched, Details, Elsewhere, Grid, GridAxes, Progress, Search, Slot, Swings, Try};
use super::plans::Entry;
use crate::bench::{Measured, host};
use crate::layout::{Breadth, Layout};
use crate::plan::Plan;
use crate::search::{Candidate, Objective};
use crate::step::Lane;
use crate::study::sensitivity;
use crate::study::validate::Prediction;
use crate::tui::knobs;

/// Screen 1.
#[derive(Debug, Clone)]
pub struct Plans {
    /// Line of the list.
    pub cursor: usize,
    /// What is kept.
    pub filter: String,
    /// Sorted by this field.
    pub sort: Option<&'static str>,
    /// The largest first.
    pub descending: bool,
    /// Line of the comparison.
    pub row: usize,
    /// Others as differences to the reference.
    pub difference: bool,
    /// Which figure the bars show.
    pub metric: usize,
    /// Line of the warnings.
    pub warning: usize,
    /// How long the last plan took.
    pub last_run_s: Option<f64>,
}

impl Default for Plans {
    fn default() -> Self {
        Plans {
            cursor: 0,
            filter: String::new(),
            sort: None,
            descending: false,
            row: 0,
            difference: true,
            metric: 10,
            warning: 0,
            last_run_s: None,
        }
    }
}

/// What an axis of the scatter can be.
pub const AXES: [Objective; 5] = [
    Objective::StepTime,
    Objective::Cost,
    Objective::Memory,
    Objective::Energy,
    Objective::Carbon,
];

/// Screen 2.
#[derive(Clone)]
pub struct Layouts {
    /// What the search found.
    pub found: Slot<Search>,
    /// How far it is.
    pub progress: Progress,
    /// How much is tried.
    pub breadth: Breadth,
    /// The plan of the layout under the cursor.
    pub chosen: Slot<Answer>,
    /// Line of the candidates.
    pub cursor: usize,
    /// Line of the reasons.
    pub why: usize,
    /// Axis across, of [`AXES`].
    pub x: usize,
    /// Axis up.
    pub y: usize,
    /// Only those that no other beats.
    pub only_front: bool,
    /// Published runs of this model are marked.
    pub published: bool,
    /// What is kept.
    pub filter: String,
    /// Sorted by this axis.
    pub sort: usize,
    /// Layouts that were marked.
    pub marked: Vec<Layout>,
}

impl Default for Layouts {
    fn default() -> Self {
        Layouts {
            found: Slot::default(),
            progress: Progress::default(),
            breadth: Breadth::Usual,
            chosen: Slot::default(),
            cursor: 0,
            why: 0,
            x: 2,
            y: 0,
            only_front: false,
            published: true,
            filter: String::new(),
            sort: 0,
            marked: Vec::new(),
        }
    }
}

impl Layouts {
    /// What was found, filtered and sorted.
    #[must_use]
    pub fn list(&self) -> Vec<Candidate> {
        let Some(search) = &self.found.value else { return Vec::new() };
        let filter = crate::tui::filter::Filter::parse(&self.filter).unwrap_or_default();
        let from = if self.only_front {
            &search.found.pareto
        } else {
            &search.found.best
        };
        let capacity = search.of.plan.scenario.accelerator.memory_bytes;
        let value = |c: &Candidate, field: &str| match field {
            "step" => Some(c.step_time_s),
            "tokens" => Some(c.tokens_per_s_per_device),
            "mem" => Some(c.peak_bytes),
            "free" => Some(capacity - c.peak_bytes),
            "musd" => c.totals.and_then(|t| t.cost_usd),
            "mwh" => c.totals.map(|t| t.energy_j),
            "tco2e" => c.totals.map(|t| t.carbon_kg_co2e),
            _ => None,
        };
        let kept = |c: &&Candidate| {
            self.filter.is_empty() || {
                let name = format!("{} {}", c.layout, crate::tui::figures::short_layout(&c.layout));
                filter.holds(&name, &|f| value(c, f))
            }
        };
        let mut list: Vec<Candidate> = from.iter().filter(kept).copied().collect();
        if self.sort != 0 || self.only_front {
            let axis = AXES[self.sort % AXES.len()];
            list.sort_by(|a, b| a.value(axis).total_cmp(&b.value(axis)));
        }
        list
    }

    /// The candidate that the cursor is on, with the search it is of.
    #[must_use]
    pub fn under_cursor(&self) -> Option<(&Search, Layout)> {
        let search = self.found.value.as_ref()?;
        let list = self.list();
        let one = list.get(self.cursor.min(list.len().saturating_sub(1)))?;
        Some((search, one.layout))
    }

    /// Take what a search found.
    pub fn take(&mut self, generation: u64, search: Search, last: bool) -> bool {
        if last {
            self.found.take(generation, search)
        } else {
            self.found.take_part(generation, search)
        }
    }
}

/// A step is stretched by this power of two at first, at most.
const MOST_ZOOM: f64 = 6.0;

/// Screen 3.
#[derive(Clone, Default)]
pub struct Step {
    /// The step bar by bar; nothing where the engine cannot run it.
    pub details: Slot<Option<Details>>,
    /// What would make it faster.
    pub effects: Slot<Vec<sensitivity::Effect>>,
    /// Stage of the cursor.
    pub stage: usize,
    /// Bar of the cursor among the compute bars of its stage.
    pub bar: usize,
    /// First second that is seen, as a share of the step.
    pub from_fraction: f64,
    /// How many times the step is stretched.
    pub zoom: u32,
    /// Lanes of one stage instead of stages.
    pub lanes: bool,
    /// The micro-batch that is followed.
    pub follow: Option<u32>,
}

impl Step {
    /// Take the bars of a step. Those of another plan are shown from the begin, a slot at least three of
    /// `columns` wide.
    pub fn take(&mut self, generation: u64, details: Option<Details>, columns: u16) -> bool {
        let taken = self.details.take(generation, details);
        if let Some(d) = self.details.value.as_ref().and_then(|d| d.as_ref().as_ref()).filter(|_| taken) {
            let slots = d
                .gantt
                .stages
                .iter()
                .flatten()
                .filter(|b| b.lane == Lane::Compute && b.micro_batch.is_some());
            let shortest_s = slots.map(|b| b.end_s - b.start_s).fold(f64::INFINITY, f64::min);
            let wanted = 3.0 * d.gantt.time_s / (shortest_s * f64::from(columns.max(1)));
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let zoom = wanted.log2().ceil().clamp(0.0, MOST_ZOOM) as u32;
            (self.zoom, self.from_fraction, self.bar) = (zoom, 0.0, 0);
            self.stage = self.stage.min(d.gantt.stages.len().saturating_sub(1));
        }
        taken
    }

    /// Share of the step that is seen.
    #[must_use]
    pub fn seen_fraction(&self) -> f64 {
        1.0 / f64::from(1_u32 << self.zoom.min(16))
    }
}

/// Screen 4.
#[derive(Clone, Default)]
pub struct Memory {
    /// Changes with their plans.
    pub tries: Slot<Vec<Try>>,
    /// The stage whose memory is listed.
    pub stage: usize,
    /// The changes that are marked.
    pub marked: Vec<usize>,
    /// Line of the changes.
    pub cursor: usize,
}

/// Screen 5.
#[derive(Debug, Clone, Default)]
pub struct Bill {
    /// Other prices and places.
    pub places: Slot<Vec<Elsewhere>>,
    /// As planned, rented, bought, power only.
    pub basis: usize,
    /// Location, market, marginal.
    pub carbon: usize,
    /// Offers, or regions.
    pub regions: bool,
    /// Line of the places.
    pub cursor: usize,
    /// Per token instead of in all.
    pub per_token: bool,
}

/// Screen 6.
#[derive(Debug, Clone)]
pub struct WhatIf {
    /// Line of the knobs.
    pub cursor: usize,
    /// What knobs and unknowns do.
    pub swings: Slot<Swings>,
    /// Which metric the swings are of.
    pub metric: usize,
    /// Days after the last changes.
    pub history: Vec<(u64, f64)>,
}

impl Default for WhatIf {
    fn default() -> Self {
        WhatIf {
            cursor: 0,
            swings: Slot::default(),
            metric: 1,
            history: Vec::new(),
        }
    }
}

/// Changes whose result is remembered.
const MOST_HISTORY: usize = 24;

impl WhatIf {
    /// Remember the days of a plan.
    pub fn remember(&mut self, entry: &Entry) {
        let Some(planned) = entry.planned() else { return };
        self.history.retain(|(id, _)| *id == entry.id);
        let wall_s = planned.plan.run.wall_s;
        if self.history.last().map(|(_, s)| *s) != Some(wall_s) {
            self.history.push((entry.id, wall_s));
        }
        if self.history.len() > MOST_HISTORY {
            self.history.remove(0);
        }
    }
}

/// Screen 7.
#[derive(Clone)]
pub struct Calib {
    /// Suites that are to run.
    pub suites: Vec<bool>,
    /// Line of the suites.
    pub cursor: usize,
    /// Measurements.
    pub bench: Slot<Benched>,
    /// They are to be started.
    pub start: bool,
    /// A file of measured runs that is held against predictions, too.
    pub file: Option<String>,
    /// Published runs with predictions.
    pub validation: Slot<Vec<Prediction>>,
    /// Which accelerator the scatter shows; all where there is none.
    pub device: Option<usize>,
    /// The current plan from data sheets alone.
    pub effect: Slot<Answer>,
    /// The effect is shown.
    pub preview: bool,
    /// Measurements that are kept for the profile.
    pub accepted: bool,
}

impl Default for Calib {
    fn default() -> Self {
        Calib {
            suites: vec![true; host::suites().count()],
            cursor: 0,
            bench: Slot::default(),
            start: false,
            file: None,
            validation: Slot::default(),
            device: None,
            effect: Slot::default(),
            preview: true,
            accepted: false,
        }
    }
}

impl Calib {
    /// Names of the suites that are to run.
    #[must_use]
    pub fn wanted(&self) -> Vec<String> {
        let on = host::suites().zip(&self.suites).filter(|(_, on)| **on);
        on.map(|(suite, _)| suite.name.to_string()).collect()
    }

    /// Results.
    #[must_use]
    pub fn measured(&self) -> &[Measured] {
        self.bench.value.as_ref().map_or(&[], |b| b.list.as_slice())
    }
}

/// Screen 8.
#[derive(Clone)]
pub struct Sweep {
    /// The cases.
    pub grid: Slot<Grid>,
    /// Axis across, among the numbers of [`knobs`].
    pub x: usize,
    /// Axis up.
    pub y: usize,
    /// Which of [`METRICS`].
    pub metric: usize,
    /// Colours by the logarithm.
    pub log: bool,
    /// Contours of: nothing, days, carbon.
    pub contour: usize,
    /// Column and line of the cursor; the middle where it was not moved.
    pub cursor: Option<(usize, usize)>,
    /// How far the axes reach.
    pub reach: u32,
}

impl Default for Sweep {
    fn default() -> Self {
        Sweep {
            grid: Slot::default(),
            x: 0,
            y: 1,
            metric: 0,
            log: true,
            contour: 0,
            cursor: None,
            reach: 4,
        }
    }
}

/// Columns and lines of a grid; odd, so that the plan itself is in the middle.
pub const COLUMNS: usize = 17;
/// Lines.
pub const LINES: usize = 11;
/// Columns or lines of what goes in powers of two.
const DOUBLES: usize = 9;

/// Columns of a sweep's result that a map can show, with name and kind.
pub const METRICS: [(&str, &str, crate::report::Kind); 7] = [
    ("cost_usd", "cost", crate::report::Kind::Usd),
    ("wall_s", "time", crate::report::Kind::Duration),
    ("energy_j", "energy", crate::report::Kind::Energy),
    ("carbon_kg_co2e", "carbon", crate::report::Kind::Carbon),
    ("mfu", "MFU", crate::report::Kind::Percent),
    ("peak_bytes", "peak memory", crate::report::Kind::Bytes),
    ("goodput", "goodput", crate::report::Kind::Percent),
];

impl Sweep {
    /// The axes around a plan: nodes by halves, others evenly on a logarithmic track.
    #[must_use]
    pub fn axes(&self, plan: &Plan) -> GridAxes {
        let axis = |which: usize, n: usize| {
            let list: Vec<_> = knobs::numbers().collect();
            let (_, number) = list[which % list.len()];
            let middle = (number.of)(plan).unwrap_or(1.0);
            // Devices and sequences in powers of two: others seldom divide into a layout.
            let doubles = number.small_factor >= 2.0;
            let n = if doubles { DOUBLES } else { n };
            let half = n / 2;
            let value = |i: usize| {
                #[allow(clippy::cast_precision_loss)]
                let place = (i as f64 - half as f64) / half as f64;
                match i {
                    _ if doubles => middle * 16.0_f64.powf(place),
                    _ if i == half => middle,
                    _ => knobs::round(middle * f64::from(self.reach).powf(place)),
                }
            };
            let mut points: Vec<(f64, String)> = (0..n).map(|i| (value(i), (number.write)(value(i)))).collect();
            // There is no half of a node.
            points.retain(|(v, _)| !doubles || *v >= 1.0);
            points.dedup_by(|a, b| a.1 == b.1);
            ((number.path)(&plan.scenario), points)
        };
        GridAxes {
            x: axis(self.x, COLUMNS),
            y: axis(self.y, LINES),
        }
    }
}
