//! A third simulator for collectives beside slots: one clock for all stages, moved from event to
//! event; at any moment it is plain what runs and how fast.

use super::plans;
use super::reference::{costs, path};
use exaplan::step::engine::{Costs, DataCost, DataWork, Noise, Occasion, Slowdown, run};
use exaplan::step::schedule::{Pass, SchedulePlan, Slot, slots};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::collections::{BTreeMap, VecDeque};

const NOTHING: f64 = 1e-12;

/// A slot, or a pair of them, that has started.
struct Running {
    slots: Vec<usize>,
    start_s: f64,
    /// Pieces of math still to do, each with the number of jobs that must be done before.
    pieces: VecDeque<(f64, usize)>,
    /// What each piece leaves, and what is put in line when a piece starts.
    leaves_s: f64,
    fetches_s: f64,
    at_end: Vec<(f64, u32)>,
    /// The piece at the front has started.
    started: bool,
    /// The first piece has.
    begun: bool,
    /// Job that must be done before anything else; then the pieces are made.
    waits: Option<usize>,
}

#[derive(Default)]
struct Stage {
    next: usize,
    running: Option<Running>,
    free_s: f64,
    send_s: f64,
    queue: VecDeque<f64>,
    n_done: usize,
    n_pushed: usize,
    times: Vec<(f64, f64)>,
}

impl Stage {
    fn push(&mut self, job_s: f64) -> usize {
        self.queue.push_back(job_s);
        self.n_pushed += 1;
        self.n_pushed
    }

    fn computes(&self) -> bool {
        self.running.as_ref().is_some_and(|r| r.started)
    }
}

struct World<'a> {
    plan: &'a SchedulePlan,
    order: &'a [Vec<Slot>],
    costs: &'a Costs,
    work: &'a DataWork,
    stages: Vec<Stage>,
    /// When the result of a pass is on a stage.
    there: BTreeMap<(usize, bool, u32, usize), f64>,
    gathers: BTreeMap<(usize, u32), usize>,
    /// Last reduction of a chunk.
    reduced: BTreeMap<(usize, u32), usize>,
    now_s: f64,
}

impl World<'_> {
    fn chunk(&self, i: usize, slot: Slot) -> usize {
        i * self.plan.chunks as usize + slot.chunk as usize
    }

    /// Inputs of a slot are on its stage.
    fn ready(&self, i: usize, slot: Slot) -> bool {
        let way = path(self.plan, slot);
        let here = way.iter().position(|x| *x == (i, slot.chunk)).unwrap();
        let has = |backward, place: usize| {
            let way_id = usize::from(self.plan.kind.name() == "dualpipe" && slot.chunk == 1);
            let key = (way_id * 1000 + place, backward, slot.micro_batch, i);
            self.there.get(&key).is_some_and(|t| *t <= self.now_s + NOTHING)
        };
        match slot.pass {
            Pass::Forward => here == 0 || has(false, here - 1),
            Pass::WeightGradient => has(true, here),
            _ => has(false, here) && (here + 1 == way.len() || has(true, here + 1)),
        }
    }

    fn count(&self, i: usize, slot: Slot, until: usize, of: &[Pass]) -> usize {
        let same = |s: &&Slot| s.chunk == slot.chunk && of.contains(&s.pass);
        self.order[i][..until].iter().filter(same).count()
    }

    /// Whether a slot gathers and reduces.
    fn occasion(&self, i: usize, k: usize) -> (bool, bool) {
        let slot = self.order[i][k];
        let weights = [Pass::WeightGradient, Pass::FullBackward];
        let first = slot.pass == Pass::Forward && self.count(i, slot, k, &[Pass::Forward]) == 0;
        let makes = weights.contains(&slot.pass);
        let last = self.count(i, slot, k + 1, &weights) == self.count(i, slot, self.order[i].len(), &weights);
        let gathers = match self.work.gathers {
            Occasion::Once => first,
            Occasion::Every => slot.pass != Pass::WeightGradient,
        };
        (gathers, makes && (self.work.reduces == Occasion::Every || last))
    }

    /// Start the next slot or pair of a stage if it can; true when something happened.
    fn start(&mut self, i: usize) -> bool {
        let stage = &self.stages[i];
        let k = stage.next;
        if stage.running.is_some() || k >= self.order[i].len() || stage.free_s > self.now_s + NOTHING {
            return false;
        }
        let pair = self.order[i][k].with_next;
        let group: Vec<usize> = if pair { vec![k, k + 1] } else { vec![k] };
        if group.iter().any(|g| !self.ready(i, self.order[i][*g])) {
            return false;
        }
        let reduces = |g: &&usize| self.work.reduces == Occasion::Every && self.occasion(i, **g).1;
        let before = group
            .iter()
            .filter(reduces)
            .filter_map(|g| self.reduced.get(&(i, self.order[i][*g].chunk)));
        let waits = before.copied().max().unwrap_or(0);
        self.stages[i].running = Some(Running {
            slots: group,
            start_s: self.now_s,
            pieces: VecDeque::new(),
            leaves_s: 0.0,
            fetches_s: 0.0,
            at_end: Vec::new(),
            started: false,
            begun: false,
            waits: Some(waits),
        });
        true
    }

    /// Make the pieces of a slot whose buffer is free.
    fn prepare(&mut self, i: usize) -> bool {
        let Some(mut running) = self.stages[i].running.take() else {
            return false;
        };
        running.waits = None;
        let k = running.slots[0];
        let pair = running.slots.len() == 2;
        let group = running.slots.clone();
        let slot = self.order[i][k];
        let cost = self.costs.chunks[self.chunk(i, slot)];
        let math_s = if pair {
            let forward = if slot.pass == Pass::Forward { slot } else { self.order[i][k + 1] };
            self.costs.chunks[self.chunk(i, forward)].pair_s
        } else {
            match slot.pass {
                Pass::Forward => cost.forward_s,
                Pass::Backward => cost.backward_s,
                Pass::WeightGradient => cost.weight_gradient_s,
                Pass::FullBackward => cost.backward_s + cost.weight_gradient_s,
            }
        };
        let every = self.work.gathers == Occasion::Every;
        if pair {
            let mut needs = 0;
            for &g in &group {
                let slot = self.order[i][g];
                let data = self.work.chunks[self.chunk(i, slot)];
                let (gathers, reduces) = self.occasion(i, g);
                if gathers && data.gather_s > 0.0 {
                    needs = needs.max(if every {
                        self.stages[i].push(data.gather_s)
                    } else {
                        self.gathers[&(i, slot.chunk)] + data.pieces as usize - 1
                    });
                }
                if reduces && data.reduce_s > 0.0 {
                    running.at_end.push((data.reduce_s, slot.chunk));
                }
            }
            running.pieces.push_back((math_s, needs));
        } else {
            let data = self.work.chunks[self.chunk(i, slot)];
            let n = data.pieces as usize;
            let (gathers, reduces) = self.occasion(i, k);
            let (gathers, reduces) = (gathers && data.gather_s > 0.0, reduces && data.reduce_s > 0.0);
            let piece_s = math_s / n as f64;
            running.leaves_s = if reduces { data.reduce_s / n as f64 } else { 0.0 };
            let first = match (gathers, every) {
                (true, true) => {
                    running.fetches_s = data.gather_s / n as f64;
                    self.stages[i].push(data.gather_s / n as f64)
                }
                (true, false) => self.gathers[&(i, slot.chunk)],
                (false, _) => 0,
            };
            for piece in 0..n {
                // Jobs of its own get their numbers when they are pushed: 0 stands for "the last pushed".
                let needs = match (gathers, every) {
                    (true, true) if piece == 0 => first,
                    (true, true) => usize::MAX,
                    (true, false) => first + piece,
                    (false, _) => 0,
                };
                running.pieces.push_back((piece_s, needs));
            }
        }
        self.stages[i].running = Some(running);
        true
    }

    /// Begin a piece whose weights are there, end one that is done, end a slot.
    fn turn(&mut self, i: usize) -> bool {
        let stage = &mut self.stages[i];
        if stage.queue.front().is_some_and(|left| *left <= NOTHING) {
            stage.queue.pop_front();
            stage.n_done += 1;
            return true;
        }
        let n_done = stage.n_done;
        let Some(running) = &mut stage.running else { return self.start(i) };
        if let Some(before) = running.waits {
            return n_done >= before && self.prepare(i);
        }
        let Some(&(rest_s, needs)) = running.pieces.front() else {
            return self.end(i);
        };
        if !running.started {
            if n_done < needs {
                return false;
            }
            running.started = true;
            if !std::mem::replace(&mut running.begun, true) {
                running.start_s = self.now_s;
            }
            if running.fetches_s > 0.0 && running.pieces.len() > 1 {
                let fetch_s = running.fetches_s;
                stage.queue.push_back(fetch_s);
                stage.n_pushed += 1;
                let number = stage.n_pushed;
                if let Some(r) = &mut stage.running {
                    r.pieces[1].1 = number;
                }
            }
            return true;
        }
        if rest_s <= NOTHING {
            running.pieces.pop_front();
            running.started = false;
            let (leaves_s, k) = (running.leaves_s, running.slots[0]);
            if leaves_s > 0.0 {
                let job = stage.push(leaves_s);
                self.reduced.insert((i, self.order[i][k].chunk), job);
            }
            return true;
        }
        false
    }

    fn end(&mut self, i: usize) -> bool {
        let Some(running) = self.stages[i].running.take() else {
            return false;
        };
        let now_s = self.now_s;
        self.stages[i].free_s = now_s;
        for (job_s, chunk) in running.at_end {
            let job = self.stages[i].push(job_s);
            self.reduced.insert((i, chunk), job);
        }
        for &g in &running.slots {
            let slot = self.order[i][g];
            self.stages[i].times.push((running.start_s, now_s));
            let way = path(self.plan, slot);
            let here = way.iter().position(|x| *x == (i, slot.chunk)).unwrap();
            let way_id = usize::from(self.plan.kind.name() == "dualpipe" && slot.chunk == 1) * 1000;
            let backward = slot.pass != Pass::Forward;
            if slot.pass == Pass::WeightGradient {
                continue;
            }
            self.there.insert((way_id + here, backward, slot.micro_batch, i), now_s);
            let to = if backward {
                here.checked_sub(1)
            } else {
                (here + 1 < way.len()).then_some(here + 1)
            };
            let Some(to) = to else { continue };
            let mut at_s = now_s;
            if way[to].0 != i {
                let message_s = self.costs.messages_s[here.min(to)];
                let stage = &mut self.stages[i];
                stage.send_s = f64::max(stage.send_s, now_s) + message_s;
                stage.free_s += self.costs.blocking_fraction * message_s;
                at_s = stage.send_s;
            }
            self.there.insert((way_id + here, backward, slot.micro_batch, way[to].0), at_s);
        }
        self.stages[i].next += running.slots.len();
        true
    }

    /// Until the next thing happens; nothing when nothing will.
    fn next_s(&self) -> Option<f64> {
        let Slowdown {
            math_factor: math,
            communication_factor: communication,
        } = self.work.slowdown;
        let mut least: Option<f64> = None;
        let mut see = |s: f64| {
            if s > NOTHING {
                least = Some(least.map_or(s, |l: f64| l.min(s)));
            }
        };
        for stage in &self.stages {
            let (busy, computes) = (!stage.queue.is_empty(), stage.computes());
            if let (true, Some(running)) = (computes, &stage.running) {
                see(running.pieces[0].0 * if busy { math } else { 1.0 });
            }
            if let Some(left) = stage.queue.front() {
                see(left * if computes { communication } else { 1.0 });
            }
            see(stage.free_s - self.now_s);
        }
        self.there.values().for_each(|t| see(t - self.now_s));
        least
    }

    fn pass(&mut self, s: f64) {
        let Slowdown {
            math_factor: math,
            communication_factor: communication,
        } = self.work.slowdown;
        for stage in &mut self.stages {
            let (busy, computes) = (!stage.queue.is_empty(), stage.computes());
            if let (true, Some(running)) = (computes, &mut stage.running) {
                running.pieces[0].0 -= s / if busy { math } else { 1.0 };
            }
            if let Some(left) = stage.queue.front_mut() {
                *left -= s / if computes { communication } else { 1.0 };
            }
        }
        self.now_s += s;
    }
}

/// Start and end of every slot, and when the last collective is done.
fn simulate(plan: &SchedulePlan, order: &[Vec<Slot>], costs: &Costs) -> (Vec<Vec<(f64, f64)>>, f64) {
    let work = costs.data.as_ref().unwrap();
    let mut world = World {
        plan,
        order,
        costs,
        work,
        stages: order.iter().map(|_| Stage::default()).collect(),
        there: BTreeMap::new(),
        gathers: BTreeMap::new(),
        reduced: BTreeMap::new(),
        now_s: 0.0,
    };
    if work.gathers == Occasion::Once {
        for (i, stage) in order.iter().enumerate() {
            for slot in stage.iter().filter(|s| s.pass == Pass::Forward) {
                let data = work.chunks[world.chunk(i, *slot)];
                if data.gather_s > 0.0 && !world.gathers.contains_key(&(i, slot.chunk)) {
                    let first = world.stages[i].n_pushed + 1;
                    world.gathers.insert((i, slot.chunk), first);
                    for _ in 0..data.pieces {
                        world.stages[i].push(data.gather_s / f64::from(data.pieces));
                    }
                }
            }
        }
    }
    loop {
        while (0..order.len()).any(|i| world.turn(i)) {}
        match world.next_s() {
            Some(s) => world.pass(s),
            None => break,
        }
    }
    (world.stages.iter().map(|s| s.times.clone()).collect(), world.now_s)
}

/// Collectives of every kind beside every schedule of every small size.
#[test]
fn the_engine_equals_one_clock_for_all_stages() {
    let mut runner = proptest::test_runner::TestRunner::new(crate::rooms::config(1));
    let draw = (
        prop::collection::vec(0.05..3.0f64, 97),
        prop::sample::select(vec![0.0, 0.2]),
        prop::sample::select(vec![0.0, 0.5]),
        prop::sample::select(vec![Occasion::Once, Occasion::Every]),
        prop::sample::select(vec![Occasion::Once, Occasion::Every]),
        (prop::sample::select(vec![1.0, 1.3]), prop::sample::select(vec![1.0, 1.7])),
    );
    let mut compared = 0;
    for (p, v, m) in (1..=4).flat_map(|p| (1..=3).flat_map(move |v| (1..=8).map(move |m| (p, v, m)))) {
        for plan in plans(p, v, m) {
            let order = slots(&plan).unwrap();
            let (numbers, message, blocking, gathers, reduces, (math, communication)) = draw.new_tree(&mut runner).unwrap().current();
            let one = |i: usize| DataCost {
                gather_s: if i.is_multiple_of(5) { 0.0 } else { numbers[i % 97] },
                reduce_s: if i.is_multiple_of(7) {
                    0.0
                } else {
                    2.0 * numbers[(3 * i + 1) % 97]
                },
                pieces: 1 + u32::try_from(i % 4).unwrap(),
            };
            let work = DataWork {
                chunks: (1..=(p * v) as usize).map(one).collect(),
                gathers,
                reduces,
                slowdown: Slowdown {
                    math_factor: math,
                    communication_factor: communication,
                },
            };
            let costs = Costs {
                data: Some(work),
                ..costs(&plan, &numbers, message, blocking)
            };
            let got = run(&plan, &order, &costs, &Noise::default()).unwrap();
            let (want, last_s) = simulate(&plan, &order, &costs);
            for (stage, times) in got.stages.iter().zip(&want) {
                assert_eq!(stage.spans.len(), times.len(), "{plan:?}");
                for (span, (start_s, end_s)) in stage.spans.iter().zip(times) {
                    let near = (span.start_s - start_s).abs() < 1e-7 && (span.end_s - end_s).abs() < 1e-7;
                    assert!(near, "{plan:?} {gathers:?} {reduces:?} {}: {span:?} {start_s} {end_s}", span.slot);
                    compared += 1;
                }
                let jobs = stage.jobs.windows(2).all(|j| j[0].end_s <= j[1].start_s + 1e-9);
                assert!(jobs && stage.jobs.iter().all(|j| j.end_s - j.start_s >= j.work_s - 1e-9));
            }
            assert!((got.time_s - last_s).abs() < 1e-7, "{plan:?}: {} {last_s}", got.time_s);
        }
    }
    println!("{compared} slots compared");
    assert!(compared > 10_000);
}
