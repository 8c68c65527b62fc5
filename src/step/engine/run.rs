//! The walk over the slots.

use super::super::schedule::{Pass, Slot};
use super::critical::{Cause, Via};
use super::data::DataWalk;
use super::table::{Neighbour, Table};
use super::{Costs, JobSpan, Noise, SendSpan, Stuck, pass_s};

/// Nothing there yet.
const NONE: u32 = u32::MAX;

/// What the walk leaves behind, stage by stage in the order of slots.
pub(super) struct Ran {
    pub time_s: f64,
    pub starts_s: Vec<Vec<f64>>,
    pub ends_s: Vec<Vec<f64>>,
    /// What each slot waited for last.
    pub causes: Vec<Vec<Cause>>,
    /// Seconds for which sends held a stage up.
    pub blocked_s: Vec<f64>,
    /// When each stage has computed and communicated everything.
    pub stage_ends_s: Vec<f64>,
    /// Messages and collectives by stage, where spans are kept.
    pub sends: Vec<Vec<SendSpan>>,
    pub jobs: Vec<Vec<JobSpan>>,
}

/// A message, or what is needed on the same stage.
#[derive(Clone, Copy)]
struct Arrival {
    at_s: f64,
    /// Slot of the sender, [`NONE`] while it is under way.
    from: u32,
}

const NEVER: Arrival = Arrival { at_s: 0.0, from: NONE };

/// State of one stage.
#[derive(Clone, Copy)]
struct Lane {
    next: usize,
    free_s: f64,
    /// When the send lane is free, and the slot whose message began its present queue.
    send_free_s: f64,
    send_from: u32,
    queued: bool,
}

struct Walk<'a> {
    table: &'a Table,
    slots: &'a [Vec<Slot>],
    costs: &'a Costs,
    noise: &'a Noise<'a>,
    /// By place and micro-batch: inputs of forward and of backward.
    forward_in: Vec<Arrival>,
    backward_in: Vec<Arrival>,
    /// By place and micro-batch: passes done.
    done: Vec<u8>,
    lanes: Vec<Lane>,
    ready: Vec<usize>,
    data: Option<DataWalk<'a>>,
    keep_spans: bool,
    ran: Ran,
}

/// Bits of what is done.
const FORWARD: u8 = 1;
const BACKWARD: u8 = 2;
const WEIGHT: u8 = 4;

fn bits(pass: Pass) -> u8 {
    match pass {
        Pass::Forward => FORWARD,
        Pass::Backward => BACKWARD,
        Pass::WeightGradient => WEIGHT,
        Pass::FullBackward => BACKWARD | WEIGHT,
    }
}

/// Run all slots; messages and collectives are listed only where asked for.
pub(super) fn run(table: &Table, slots: &[Vec<Slot>], costs: &Costs, noise: &Noise<'_>, keep_spans: bool) -> Result<Ran, Stuck> {
    let p = table.stages;
    if slots.len() != p || slots.iter().any(|s| s.len() >= NONE as usize) {
        return Err(Stuck::Costs);
    }
    let keys = p * table.chunks * table.micro_batches;
    let lane = Lane {
        next: 0,
        free_s: 0.0,
        send_free_s: 0.0,
        send_from: 0,
        queued: true,
    };
    let mut walk = Walk {
        table,
        slots,
        costs,
        noise,
        forward_in: vec![NEVER; keys],
        backward_in: vec![NEVER; keys],
        done: vec![0; keys],
        lanes: vec![lane; p],
        ready: (0..p).rev().collect(),
        data: costs.data.as_ref().map(|work| DataWalk::new(work, table, slots, keep_spans)),
        keep_spans,
        ran: Ran {
            time_s: 0.0,
            starts_s: slots.iter().map(|s| Vec::with_capacity(s.len())).collect(),
            ends_s: slots.iter().map(|s| Vec::with_capacity(s.len())).collect(),
            causes: slots.iter().map(|s| Vec::with_capacity(s.len())).collect(),
            blocked_s: vec![0.0; p],
            stage_ends_s: Vec::new(),
            sends: vec![Vec::new(); p],
            jobs: Vec::new(),
        },
    };
    while let Some(stage) = walk.ready.pop() {
        walk.lanes[stage].queued = false;
        while walk.advance(stage)? {}
    }
    walk.finish()
}

impl Walk<'_> {
    /// Run the next slot or pair of a stage, if it can run.
    fn advance(&mut self, stage: usize) -> Result<bool, Stuck> {
        let slots = self.slots;
        let order = &slots[stage];
        let index = self.lanes[stage].next;
        let Some(&first) = order.get(index) else {
            return Ok(false);
        };
        let second = if first.with_next { order.get(index + 1).copied() } else { None };
        let lane = self.lanes[stage];
        let mut cause = Cause {
            via: if index == 0 { Via::Start } else { Via::Stage },
            stage: narrow(stage),
            slot: narrow(index.saturating_sub(1)),
        };
        let mut start_s = lane.free_s;
        for (i, slot) in [Some(first), second].into_iter().flatten().enumerate() {
            let Some((at_s, why)) = self.input(stage, index + i, slot)? else {
                return Ok(false);
            };
            if at_s > start_s {
                (start_s, cause) = (at_s, why);
            }
        }
        let mut time_s = self.cost(stage, first, second);
        time_s *= self.noise.stage_factor.get(stage).copied().unwrap_or(1.0);
        if let Some(factor) = self.noise.slot_factor {
            time_s *= factor(stage, index);
        }
        let (start_s, end_s) = match (&mut self.data, second) {
            (None, _) => (start_s, start_s + time_s),
            (Some(data), None) => data.run(self.table, stage, first, start_s, time_s),
            (Some(data), Some(second)) => data.run_pair(self.table, stage, [first, second], start_s, time_s),
        };
        self.lanes[stage].free_s = end_s;
        for (i, slot) in [Some(first), second].into_iter().flatten().enumerate() {
            self.ran.starts_s[stage].push(start_s);
            self.ran.ends_s[stage].push(end_s);
            self.ran.causes[stage].push(cause);
            self.lanes[stage].next += 1;
            self.send(stage, index + i, slot, end_s);
        }
        Ok(true)
    }

    fn place(&self, stage: usize, slot: Slot) -> usize {
        stage * self.table.chunks + slot.chunk as usize
    }

    fn key(&self, place: usize, slot: Slot) -> usize {
        place * self.table.micro_batches + slot.micro_batch as usize
    }

    /// When the input of a slot is there, and why then; nothing while it is not.
    fn input(&self, stage: usize, index: usize, slot: Slot) -> Result<Option<(f64, Cause)>, Stuck> {
        let stray = Err(Stuck::Stray { stage, index, slot });
        if slot.chunk as usize >= self.table.chunks {
            return stray;
        }
        let place = self.place(stage, slot);
        let (from, to) = self.table.passes[place];
        if slot.micro_batch < from || slot.micro_batch >= to {
            return stray;
        }
        let key = self.key(place, slot);
        if self.done[key] & bits(slot.pass) != 0 {
            return stray;
        }
        let (neighbour, arrival, needs) = match slot.pass {
            Pass::Forward => (self.table.before[place], self.forward_in[key], 0),
            Pass::Backward | Pass::FullBackward => (self.table.after[place], self.backward_in[key], FORWARD),
            Pass::WeightGradient => (None, NEVER, BACKWARD),
        };
        if self.done[key] & needs != needs {
            return Ok(None);
        }
        Ok(match neighbour {
            None => Some((0.0, Cause::START)),
            Some(_) if arrival.from == NONE => None,
            Some(n) => {
                let cause = Cause {
                    via: if n.stage == stage { Via::Stage } else { Via::Message },
                    stage: narrow(n.stage),
                    slot: arrival.from,
                };
                Some((arrival.at_s, cause))
            }
        })
    }

    fn cost(&self, stage: usize, first: Slot, second: Option<Slot>) -> f64 {
        let cost = |slot: Slot| &self.costs.chunks[self.place(stage, slot)];
        match second {
            None => pass_s(cost(first), first.pass),
            Some(second) => cost(if first.pass == Pass::Forward { first } else { second }).pair_s,
        }
    }

    /// Mark a slot as done and hand its result on.
    fn send(&mut self, stage: usize, index: usize, slot: Slot, end_s: f64) {
        let place = self.place(stage, slot);
        let key = self.key(place, slot);
        self.done[key] |= bits(slot.pass);
        let neighbour: Option<Neighbour> = match slot.pass {
            Pass::Forward => self.table.after[place],
            Pass::Backward | Pass::FullBackward => self.table.before[place],
            Pass::WeightGradient => None,
        };
        let Some(to) = neighbour else { return };
        let mut arrival = Arrival {
            at_s: end_s,
            from: narrow(index),
        };
        if to.stage != stage {
            let lane = &mut self.lanes[stage];
            if lane.send_free_s <= end_s {
                (lane.send_free_s, lane.send_from) = (end_s, narrow(index));
            }
            if self.keep_spans && to.message_s > 0.0 {
                self.ran.sends[stage].push(SendSpan {
                    start_s: lane.send_free_s,
                    end_s: lane.send_free_s + to.message_s,
                    slot,
                });
            }
            lane.send_free_s += to.message_s;
            arrival = Arrival {
                at_s: lane.send_free_s,
                from: lane.send_from,
            };
            let held_s = self.costs.blocking_fraction * to.message_s;
            lane.free_s += held_s;
            self.ran.blocked_s[stage] += held_s;
        }
        let there = to.chunk * self.table.micro_batches + slot.micro_batch as usize;
        if slot.pass == Pass::Forward {
            self.forward_in[there] = arrival;
        } else {
            self.backward_in[there] = arrival;
        }
        let other = &mut self.lanes[to.stage];
        if !other.queued && to.stage != stage {
            other.queued = true;
            self.ready.push(to.stage);
        }
    }

    /// All slots must have run, and every pass must have been a slot.
    fn finish(mut self) -> Result<Ran, Stuck> {
        for (stage, order) in self.slots.iter().enumerate() {
            let index = self.lanes[stage].next;
            if let Some(&slot) = order.get(index) {
                return Err(Stuck::Deadlock { stage, index, slot });
            }
        }
        for (place, (from, to)) in self.table.passes.iter().enumerate() {
            for j in *from..*to {
                let done = self.done[place * self.table.micro_batches + j as usize];
                let lacks = [Pass::Forward, Pass::Backward, Pass::WeightGradient]
                    .into_iter()
                    .find(|p| done & bits(*p) == 0);
                if let Some(pass) = lacks {
                    let slot = Slot::new(pass, j, narrow(place % self.table.chunks));
                    return Err(Stuck::Missing {
                        stage: place / self.table.chunks,
                        slot,
                    });
                }
            }
        }
        let ends = &self.ran.ends_s;
        let computed_s = |stage: usize| ends[stage].last().copied().unwrap_or(0.0);
        (self.ran.stage_ends_s, self.ran.jobs) = match self.data.take() {
            None => ((0..ends.len()).map(computed_s).collect(), vec![Vec::new(); ends.len()]),
            Some(data) => data.finish(computed_s),
        };
        self.ran.time_s = self.ran.stage_ends_s.iter().copied().fold(0.0, f64::max);
        Ok(self.ran)
    }
}

/// Sizes were checked to fit.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(NONE)
}
