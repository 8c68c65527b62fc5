//! The data lane of one stage: gathers of weights and reductions of gradients, one after another,
//! beside the stage's math. While both run, each slows the other.

use super::data::DataCost;
use crate::step::overlap::Slowdown;
use std::collections::VecDeque;

/// A collective on the data lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JobSpan {
    /// Weights are gathered; else gradients are reduced.
    pub gathers: bool,
    /// Chunk of the stage.
    pub chunk: u32,
    /// Start.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
    /// How long it would take alone.
    pub work_s: f64,
}

/// How a slot gets its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathers {
    /// They are there.
    Nothing,
    /// By jobs that stand in line already, from this number on: one for each piece.
    InLine(u32),
    /// By jobs of its own, each made while the piece before it is computed (prefetch one unit ahead,
    /// `PyTorch` FSDP, arXiv 2304.11277 §3.3.2); the first has nothing to run beside.
    Own,
}

/// What the data lane has to do with a slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part {
    /// Weights.
    pub gathers: Gathers,
    /// A job that must be done before: gradients of the micro-batch before, where there is room for one.
    pub after: u32,
    /// A reduction stands in line when its piece is done (buckets, Li et al., arXiv 2006.15704 §3.2.3).
    pub reduces: bool,
    /// Chunk of the stage.
    pub chunk: u32,
    /// Pieces, and seconds of the collectives of all.
    pub cost: DataCost,
}

/// A job in the queue: what it will be, and what is left of it.
#[derive(Debug, Clone, Copy)]
struct Job {
    span: JobSpan,
    left_s: f64,
}

/// The lane: jobs wait in order, and `clock_s` says up to when they have been worked on.
#[derive(Debug, Clone)]
pub(super) struct DataLane {
    queue: VecDeque<Job>,
    clock_s: f64,
    n_done: u32,
    n_pushed: u32,
    slowdown: Slowdown,
    /// Jobs that are done, where somebody wants to look at them.
    pub spans: Option<Vec<JobSpan>>,
}

impl DataLane {
    pub fn new(slowdown: Slowdown, keep_spans: bool) -> DataLane {
        DataLane {
            queue: VecDeque::new(),
            clock_s: 0.0,
            n_done: 0,
            n_pushed: 0,
            slowdown,
            spans: keep_spans.then(Vec::new),
        }
    }

    /// Put a job behind the others, at the time up to which the lane has been worked on. The
    /// answer is its number for [`DataLane::wait`].
    pub fn push(&mut self, gathers: bool, chunk: u32, work_s: f64) -> u32 {
        let span = JobSpan {
            gathers,
            chunk,
            start_s: f64::NAN,
            end_s: f64::NAN,
            work_s,
        };
        self.queue.push_back(Job { span, left_s: work_s });
        self.n_pushed += 1;
        self.n_pushed
    }

    /// The number of the last job in line.
    pub fn last_job(&self) -> u32 {
        self.n_pushed
    }

    /// Up to when it has been worked on.
    pub fn now_s(&self) -> f64 {
        self.clock_s
    }

    /// Nothing waits and nothing runs.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    fn finish_first(&mut self) {
        if let Some(mut job) = self.queue.pop_front() {
            job.span.end_s = self.clock_s;
            self.n_done += 1;
            if let Some(spans) = &mut self.spans {
                spans.push(job.span);
            }
        }
    }

    /// The first job, marked as begun.
    fn begin(&mut self) -> Option<f64> {
        let clock_s = self.clock_s;
        self.queue.front_mut().map(|job| {
            if job.span.start_s.is_nan() {
                job.span.start_s = clock_s;
            }
            job.left_s
        })
    }

    /// Work alone until a moment.
    pub fn idle_until(&mut self, at_s: f64) {
        while self.clock_s < at_s
            && let Some(left_s) = self.begin()
        {
            if self.clock_s + left_s <= at_s {
                self.clock_s += left_s;
                self.finish_first();
            } else if let Some(job) = self.queue.front_mut() {
                job.left_s -= at_s - self.clock_s;
                self.clock_s = at_s;
            }
        }
        self.clock_s = self.clock_s.max(at_s);
    }

    /// When a job is done that math waits for, not before now.
    pub fn wait(&mut self, job: u32) -> f64 {
        while self.n_done < job
            && let Some(left_s) = self.begin()
        {
            self.clock_s += left_s;
            self.finish_first();
        }
        self.clock_s
    }

    /// Math of so many seconds from now on: when it ends.
    pub fn beside(&mut self, math_s: f64) -> f64 {
        let mut rest_s = math_s;
        let Slowdown {
            math_factor: math,
            communication_factor: communication,
        } = self.slowdown;
        while rest_s > 0.0
            && let Some(left_s) = self.begin()
        {
            let (math_takes_s, job_takes_s) = (rest_s * math, left_s * communication);
            if job_takes_s <= math_takes_s {
                self.clock_s += job_takes_s;
                rest_s -= job_takes_s / math;
                self.finish_first();
            } else {
                self.clock_s += math_takes_s;
                rest_s = 0.0;
                if let Some(job) = self.queue.front_mut() {
                    job.left_s -= math_takes_s / communication;
                }
            }
        }
        self.clock_s += rest_s.max(0.0);
        self.clock_s
    }

    /// Put one job for each piece of a chunk's weights in line; the number of the first.
    pub fn push_gathers(&mut self, chunk: u32, cost: &DataCost) -> u32 {
        let first = self.n_pushed + 1;
        for _ in 0..cost.pieces {
            self.push(true, chunk, cost.gather_s / f64::from(cost.pieces));
        }
        first
    }

    /// A slot of so many seconds of math that may start now: when it begins, its first weights being
    /// there, and when it ends.
    pub fn slot(&mut self, part: &Part, math_s: f64) -> (f64, f64) {
        self.wait(part.after);
        let n = part.cost.pieces;
        let pieces = f64::from(n);
        let gather_s = part.cost.gather_s / pieces;
        let mut next = match part.gathers {
            Gathers::Nothing => 0,
            Gathers::InLine(first) => first,
            Gathers::Own => self.push(true, part.chunk, gather_s),
        };
        let mut begin_s = self.clock_s;
        let mut end_s = self.clock_s;
        for piece in 0..n {
            self.wait(next);
            if piece == 0 {
                begin_s = self.clock_s;
            }
            next = match part.gathers {
                Gathers::Nothing => 0,
                Gathers::InLine(_) => next + 1,
                Gathers::Own if piece + 1 == n => 0,
                Gathers::Own => self.push(true, part.chunk, gather_s),
            };
            end_s = self.beside(math_s / pieces);
            if part.reduces {
                self.push(false, part.chunk, part.cost.reduce_s / pieces);
            }
        }
        (begin_s, end_s)
    }

    /// When all jobs are done, with nothing beside them.
    pub fn drain(&mut self) -> f64 {
        self.wait(self.n_pushed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(math: f64, communication: f64) -> DataLane {
        DataLane::new(
            Slowdown {
                math_factor: math,
                communication_factor: communication,
            },
            true,
        )
    }

    #[test]
    fn two_lanes_slow_each_other_while_both_run() {
        // 2 s of math beside 1 s of communication, factors 1.5 and 2: the job takes 2 s, in which
        // 4/3 s of math get done; the other 2/3 s run alone.
        let mut l = lane(1.5, 2.0);
        l.push(false, 0, 1.0);
        assert!((l.beside(2.0) - (2.0 + 2.0 / 3.0)).abs() < 1e-12);
        assert!(l.is_idle());
        // 1 s of math beside 3 s: math takes 1.5 s, in which 0.75 s of the job get done.
        let mut l = lane(1.5, 2.0);
        l.push(false, 0, 3.0);
        assert!((l.beside(1.0) - 1.5).abs() < 1e-12);
        assert!((l.drain() - (1.5 + 2.25)).abs() < 1e-12);
    }

    #[test]
    fn jobs_run_in_order_and_alone_while_math_waits() {
        let mut l = lane(1.0, 1.0);
        let first = l.push(true, 0, 1.0);
        let second = l.push(true, 1, 2.0);
        l.idle_until(0.5);
        assert!((l.wait(first) - 1.0).abs() < 1e-12);
        assert!((l.beside(0.5) - 1.5).abs() < 1e-12);
        assert!((l.wait(second) - 3.0).abs() < 1e-12);
        l.idle_until(5.0);
        l.push(false, 1, 1.0);
        assert!((l.drain() - 6.0).abs() < 1e-12);
        let spans = l.spans.unwrap();
        let times: Vec<_> = spans.iter().map(|s| (s.start_s, s.end_s)).collect();
        assert_eq!(times, [(0.0, 1.0), (1.0, 3.0), (5.0, 6.0)]);
    }
}
