//! The data lane as the closed form needs it: how much waits, not which job. Jobs are done in their
//! order, so what math waits for is an amount of work done, and math runs slowed as long as anything is
//! left ([`crate::step::engine`] plays the same job by job).

use crate::step::engine::{DataCost, Slowdown};

/// How a slot gets its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Weights {
    /// They are there.
    There,
    /// By work that stands in line already, behind so much of it.
    Behind(f64),
    /// By work of its own, each piece made while the one before it is computed (prefetch one unit ahead,
    /// `PyTorch` FSDP, arXiv 2304.11277 §3.3.2).
    Own,
}

/// Collectives that wait, and the time up to which they have been worked on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backlog {
    clock_s: f64,
    /// Work that was ever put in line, and what of it is done.
    pushed_s: f64,
    done_s: f64,
    slowdown: Slowdown,
}

impl Backlog {
    pub fn new(slowdown: Slowdown) -> Backlog {
        Backlog {
            clock_s: 0.0,
            pushed_s: 0.0,
            done_s: 0.0,
            slowdown,
        }
    }

    /// Put work in line; how much there has been with it.
    pub fn push(&mut self, work_s: f64) -> f64 {
        self.pushed_s += work_s;
        self.pushed_s
    }

    /// Work that was ever put in line.
    pub fn pushed_s(&self) -> f64 {
        self.pushed_s
    }

    /// Up to when it has been worked on.
    pub fn now_s(&self) -> f64 {
        self.clock_s
    }

    /// Nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.done_s >= self.pushed_s
    }

    /// Work alone until a moment.
    pub fn idle_until(&mut self, at_s: f64) {
        if at_s > self.clock_s {
            self.done_s = self.pushed_s.min(self.done_s + at_s - self.clock_s);
            self.clock_s = at_s;
        }
    }

    /// Wait until so much has been done.
    pub fn wait(&mut self, until_s: f64) {
        if until_s > self.done_s {
            self.clock_s += until_s - self.done_s;
            self.done_s = until_s;
        }
    }

    /// Math of so many seconds from now on: when it ends.
    pub fn beside(&mut self, math_s: f64) -> f64 {
        let slow = &self.slowdown;
        let (math_takes_s, work_takes_s) = (math_s * slow.math_factor, (self.pushed_s - self.done_s) * slow.communication_factor);
        if work_takes_s <= math_takes_s {
            self.clock_s += work_takes_s + (math_s - work_takes_s / slow.math_factor).max(0.0);
            self.done_s = self.pushed_s;
        } else {
            self.clock_s += math_takes_s;
            self.done_s += math_takes_s / slow.communication_factor;
        }
        self.clock_s
    }

    /// A slot of so many seconds of math that may start when all work up to `after_s` is done: when it
    /// ends. Gradients that are reduced stand in line piece by piece (Li et al., arXiv 2006.15704 §3.2.3).
    pub fn slot(&mut self, weights: Weights, after_s: f64, reduces: bool, cost: &DataCost, math_s: f64) -> f64 {
        self.wait(after_s);
        let pieces = f64::from(cost.pieces.max(1));
        let (gather_s, reduce_s, math_s) = (cost.gather_s / pieces, cost.reduce_s / pieces, math_s / pieces);
        let mut next_s = match weights {
            Weights::There => 0.0,
            Weights::Behind(before_s) => before_s + gather_s,
            Weights::Own => self.push(gather_s),
        };
        for piece in 1..=cost.pieces.max(1) {
            self.wait(next_s);
            match weights {
                Weights::There => {}
                Weights::Behind(_) => next_s += gather_s,
                Weights::Own if piece == cost.pieces => next_s = 0.0,
                Weights::Own => next_s = self.push(gather_s),
            }
            self.beside(math_s);
            if reduces {
                self.push(reduce_s);
            }
        }
        self.clock_s
    }

    /// When all is done, with nothing beside it.
    pub fn drain(&mut self) -> f64 {
        self.wait(self.pushed_s);
        self.clock_s
    }
}
