//! Weights and gradients among data-parallel ranks, in the order of the slots that need or make them.

use super::super::schedule::{Pass, Slot};
use super::Slowdown;
use super::lane::{DataLane, Gathers, JobSpan, Part};
use super::table::Table;

/// How often a collective runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Once per step: gathers before the first forward of a chunk, reductions with its last weight gradient.
    Once,
    /// With every pass (weights or gradients that are never kept whole: ZeRO-3 and ZeRO-2,
    /// arXiv 1910.02054 §5).
    Every,
}

/// Data-parallel collectives of one chunk of layers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DataCost {
    /// Seconds to gather its weights.
    pub gather_s: f64,
    /// Seconds to reduce its gradients.
    pub reduce_s: f64,
    /// Buckets or units that either comes in; each belongs to an equal part of a slot.
    pub pieces: u32,
}

/// Data-parallel collectives of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct DataWork {
    /// Chunk `c` of stage `i` at `i · chunks + c`.
    pub chunks: Vec<DataCost>,
    /// When weights are gathered.
    pub gathers: Occasion,
    /// When gradients are reduced.
    pub reduces: Occasion,
    /// What collectives and math beside each other cost.
    pub slowdown: Slowdown,
}

impl DataWork {
    /// Sizes fit a schedule, and nothing is negative or not a number.
    pub(super) fn is_sound(&self, n_chunks: usize) -> bool {
        let good = |x: f64| x.is_finite() && x >= 0.0;
        let cost = |c: &DataCost| good(c.gather_s) && good(c.reduce_s) && c.pieces > 0;
        let Slowdown {
            math_factor: math,
            communication_factor: communication,
        } = self.slowdown;
        self.chunks.len() == n_chunks && self.chunks.iter().all(cost) && [math, communication].iter().all(|f| f.is_finite() && *f >= 1.0)
    }
}

/// The data lanes of all stages during the walk.
pub(super) struct DataWalk<'a> {
    work: &'a DataWork,
    pub lanes: Vec<DataLane>,
    /// By place: number of its first gather, where that is made once.
    gathers: Vec<u32>,
    /// By place: number of its last reduction. The buffer of gradients that are reduced with every
    /// micro-batch holds one: the next backward waits for the reduction before.
    reduces: Vec<u32>,
    /// By place: micro-batches whose forward and whose weight gradient have run.
    n_forward: Vec<u32>,
    n_weight: Vec<u32>,
}

impl<'a> DataWalk<'a> {
    /// Gathers that are made once stand in line from the start, in the order in which `slots` will
    /// ask for them.
    pub fn new(work: &'a DataWork, table: &Table, slots: &[Vec<Slot>], keep_spans: bool) -> DataWalk<'a> {
        let n = table.stages * table.chunks;
        let mut walk = DataWalk {
            work,
            lanes: vec![DataLane::new(work.slowdown, keep_spans); table.stages],
            gathers: vec![0; n],
            reduces: vec![0; n],
            n_forward: vec![0; n],
            n_weight: vec![0; n],
        };
        if work.gathers == Occasion::Once {
            for (stage, order) in slots.iter().enumerate() {
                let mut asked = vec![false; table.chunks];
                let forwards = order.iter().filter(|s| s.pass == Pass::Forward);
                for slot in forwards {
                    let chunk = slot.chunk as usize;
                    if chunk < table.chunks && !std::mem::replace(&mut asked[chunk], true) {
                        walk.stand_in_line(stage, stage * table.chunks + chunk, slot.chunk);
                        if asked.iter().all(|a| *a) {
                            break;
                        }
                    }
                }
            }
        }
        walk
    }

    fn stand_in_line(&mut self, stage: usize, place: usize, chunk: u32) {
        let cost = self.work.chunks[place];
        if cost.gather_s > 0.0 {
            self.gathers[place] = self.lanes[stage].push_gathers(chunk, &cost);
        }
    }

    /// Run a slot of so many seconds of math that may start at a time: when it begins and ends.
    pub fn run(&mut self, table: &Table, stage: usize, slot: Slot, start_s: f64, math_s: f64) -> (f64, f64) {
        let part = self.part(table, stage, slot);
        let lane = &mut self.lanes[stage];
        lane.idle_until(start_s);
        if part.gathers == Gathers::Nothing && !part.reduces {
            return (start_s, lane.beside(math_s));
        }
        let times = lane.slot(&part, math_s);
        self.remember(table, stage, &part);
        times
    }

    fn remember(&mut self, table: &Table, stage: usize, part: &Part) {
        if part.reduces {
            self.reduces[stage * table.chunks + part.chunk as usize] = self.lanes[stage].last_job();
        }
    }

    /// A forward and a backward at the same time: weights before both, gradients after both.
    pub fn run_pair(&mut self, table: &Table, stage: usize, pair: [Slot; 2], start_s: f64, math_s: f64) -> (f64, f64) {
        let parts = pair.map(|slot| self.part(table, stage, slot));
        let lane = &mut self.lanes[stage];
        lane.idle_until(start_s);
        for part in &parts {
            lane.wait(part.after);
            match part.gathers {
                Gathers::Nothing => {}
                Gathers::InLine(first) => {
                    lane.wait(first + part.cost.pieces - 1);
                }
                Gathers::Own => {
                    let whole = lane.push(true, part.chunk, part.cost.gather_s);
                    lane.wait(whole);
                }
            }
        }
        let times = (lane.now_s(), lane.beside(math_s));
        for part in parts.iter().filter(|p| p.reduces) {
            self.lanes[stage].push(false, part.chunk, part.cost.reduce_s);
            self.remember(table, stage, part);
        }
        times
    }

    /// What a slot, which is counted as done, needs and leaves.
    fn part(&mut self, table: &Table, stage: usize, slot: Slot) -> Part {
        let place = stage * table.chunks + slot.chunk as usize;
        let (from, to) = table.passes[place];
        let cost = self.work.chunks[place];
        let forward = slot.pass == Pass::Forward;
        let weight = matches!(slot.pass, Pass::WeightGradient | Pass::FullBackward);
        self.n_forward[place] += u32::from(forward);
        self.n_weight[place] += u32::from(weight);
        let gathers = match self.work.gathers {
            _ if cost.gather_s <= 0.0 => Gathers::Nothing,
            Occasion::Once if forward && self.n_forward[place] == 1 => Gathers::InLine(self.gathers[place]),
            Occasion::Every if slot.pass != Pass::WeightGradient => Gathers::Own,
            _ => Gathers::Nothing,
        };
        let last = self.work.reduces == Occasion::Every || self.n_weight[place] == to - from;
        let reduces = weight && last && cost.reduce_s > 0.0;
        Part {
            gathers,
            after: if reduces { self.reduces[place] } else { 0 },
            reduces,
            chunk: slot.chunk,
            cost,
        }
    }

    /// When each lane has done all its jobs, given when its stage computed last; with the jobs.
    pub fn finish(self, free_s: impl Fn(usize) -> f64) -> (Vec<f64>, Vec<Vec<JobSpan>>) {
        let (mut ends_s, mut spans) = (Vec::new(), Vec::new());
        for (stage, mut lane) in self.lanes.into_iter().enumerate() {
            let busy = !lane.is_idle();
            lane.idle_until(free_s(stage));
            ends_s.push(if busy { lane.drain() } else { free_s(stage) });
            spans.push(lane.spans.unwrap_or_default());
        }
        (ends_s, spans)
    }
}
