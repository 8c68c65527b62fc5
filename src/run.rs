//! Many steps with failures, checkpoints and pauses: how long the whole run takes.
//!
//! A closed form in expected values; nothing is drawn at random. [`Process`] is what it starts from,
//! and what `study::renewal` draws failures for.

pub mod checkpoint;
pub mod failure;
mod lost;
pub mod process;
pub mod spares;
#[cfg(test)]
mod tests;

use crate::catalog::{Cause, Reliability};
use crate::step::Step;
use crate::units::DAY_S;
pub use checkpoint::{SaveMode, Saving};
use failure::Expected;
pub use lost::Lost;
pub use process::{Process, process};
use spares::Pool;

/// Largest share of the wall time that planned pauses may take; a greater input saturates here.
pub const MAX_PLANNED_FRACTION: f64 = 0.9;

/// Rounds in which the length of a run and what fills over it find each other.
const MOST_ROUNDS: usize = 12;

/// Evaluations that stop training, on top of the daily pauses of [`Reliability`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Steps between two evaluations.
    pub n_steps_between: f64,
    /// How long training stands still for each.
    pub pause_s: f64,
}

/// Steps of one kind: a phase of the run, or all of it.
#[derive(Debug, Clone, Copy)]
pub struct Stretch<'a> {
    /// One optimizer step.
    pub step: &'a Step,
    /// Tokens of the stretch.
    pub total_tokens: f64,
}

impl Stretch<'_> {
    /// Optimizer steps; the last one may be partly filled.
    #[must_use]
    pub fn n_steps(&self) -> f64 {
        (self.total_tokens / self.step.tokens).ceil().max(0.0)
    }
}

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub struct RunInput<'a> {
    /// What is trained, one stretch after another.
    pub stretches: &'a [Stretch<'a>],
    /// Nodes that the job runs on, spares apart.
    pub n_nodes: f64,
    /// Devices of one node.
    pub node_devices: f64,
    /// Nodes of one copy of the model: what a job loses with a node when it goes on without it.
    pub replica_nodes: f64,
    /// How often nodes fail and how long that takes.
    pub reliability: &'a Reliability,
    /// Write bandwidth of the storage of the whole cluster, before the share that is delivered.
    pub storage_bytes_per_s: f64,
    /// Bandwidth of one node to the others.
    pub node_bytes_per_s: f64,
    /// Size of one checkpoint.
    pub checkpoint_bytes: f64,
    /// How checkpoints are taken.
    pub saving: Saving,
    /// Evaluations, where they are not in the daily pauses.
    pub evaluation: Option<Evaluation>,
    /// Preemptions of the job per day, for example of its price.
    pub preemptions_per_day: f64,
}

/// A whole training run, in expected values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Run {
    /// Optimizer steps.
    pub n_steps: u64,
    /// Time of the steps alone.
    pub ideal_s: f64,
    /// `ideal_s` and everything lost.
    pub wall_s: f64,
    /// `ideal_s` over `wall_s`.
    pub goodput: f64,
    /// Failures of the job over the run; preemptions and loss spikes are none.
    pub expected_failures: f64,
    /// How often the job stops for each cause, by [`Cause::index`].
    pub stops: [f64; Cause::ALL.len()],
    /// Mean time between failures of the job; infinite when nothing fails.
    pub job_mtbf_s: f64,
    /// How far the nodes are taken to be unscreened, 0 to 1.
    pub unscreened_fraction: f64,
    /// Work time between two checkpoints.
    pub checkpoint_every_s: f64,
    /// Time until a checkpoint is durable.
    pub checkpoint_write_s: f64,
    /// Time that training stands still for a checkpoint.
    pub checkpoint_stall_s: f64,
    /// Time to load one after a failure.
    pub checkpoint_load_s: f64,
    /// Where the difference of wall and ideal time goes.
    pub lost: Lost,
    /// The job fails, on average, before it can recover, advance and save once. The times are then
    /// a finite lower bound (see [`failure::MAX_EXPONENT`]), and the plan should not be run.
    pub thrashing: bool,
}

/// How long `input` takes.
#[must_use]
pub fn run(input: &RunInput) -> Run {
    let process = process(input);
    let mut out = expect(&process);
    out.job_mtbf_s = failure::job_mtbf_s(input.reliability, input.n_nodes * input.node_devices);
    out.unscreened_fraction = failure::unscreened_fraction(input.reliability, input.n_nodes * input.node_devices);
    out
}

/// Expected values of a process.
///
/// Slow nodes and missing nodes stretch the work (`ideal / (1 − P (1 − 1/f)) / v`, with P the share of
/// time with a slow node and v the mean share of the nodes at work); failures are a Poisson process over
/// the stretched work, checkpoints and recovery ([`failure::expected`]); waiting for spares is the blocked
/// share B of that time ([`spares::Pool`]). Pauses fall between checkpoints, and failures within pauses
/// are neglected: `wall = (active / (1 − B) + evaluations) / (1 − planned share of a day)`.
#[must_use]
pub fn expect(process: &Process) -> Run {
    let ideal_s = process.ideal_s;
    // How far repair shop and slow nodes fill depends on the length of the run, which depends on them.
    let mut course = Course::of(process, ideal_s, 1.0);
    for _ in 0..MOST_ROUNDS {
        let next = Course::of(process, course.clock_s(), course.clock_s() / course.active_s);
        let still = (next.clock_s() - course.clock_s()).abs() <= 1e-9 * course.clock_s();
        course = next;
        if still {
            break;
        }
    }
    let Course {
        slow_s,
        degraded_s,
        spent,
        queue_s,
        ..
    } = course;
    let working_s = course.clock_s() + process.evaluation_s;
    let planned = process.planned_fraction;
    let lost = Lost {
        checkpoint_s: spent.checkpoint_s,
        rework_s: spent.rework_s,
        restart_s: spent.restart_s,
        detect_s: spent.detect_s,
        planned_s: working_s * planned / (1.0 - planned),
        evaluation_s: process.evaluation_s,
        rollback_s: spent.rollback_s,
        wait_s: spent.wait_s + queue_s,
        slow_s,
        degraded_s,
    };
    let wall_s = ideal_s + lost.total_s();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Run {
        n_steps: process.n_steps as u64,
        ideal_s,
        wall_s,
        goodput: if wall_s > 0.0 { ideal_s / wall_s } else { 1.0 },
        expected_failures: spent.stops[..Cause::N_FAILURES].iter().sum(),
        stops: spent.stops,
        job_mtbf_s: process.failures.mtbf_s,
        unscreened_fraction: 0.0,
        checkpoint_every_s: process.segment.work_s,
        checkpoint_write_s: process.checkpoint.write_s,
        checkpoint_stall_s: process.checkpoint.stall_s,
        checkpoint_load_s: process.checkpoint.load_s,
        lost,
        thrashing: process.thrashing,
    }
}

/// A run whose clock is known.
struct Course {
    slow_s: f64,
    degraded_s: f64,
    spent: Expected,
    active_s: f64,
    queue_s: f64,
}

impl Course {
    /// With nodes turning slow and being repaired for `run_s`, which is `waits` times the time at work:
    /// hardware burns in at work.
    fn of(process: &Process, run_s: f64, waits: f64) -> Course {
        let ideal_s = process.ideal_s;
        let pool = Pool {
            burn_in_s: process.pool.burn_in_s * waits.max(1.0),
            ..process.pool
        };
        let slow_s = ideal_s * process.slow.lost_fraction(run_s);
        let speed = pool.speed_fraction(run_s);
        let degraded_s = (ideal_s + slow_s) * (1.0 / speed - 1.0);
        let work_s = ideal_s + slow_s + degraded_s;
        let spent = failure::expected(&process.failures, &process.segment, work_s);
        let active_s = work_s + spent.lost_s();
        let blocked = pool.blocked_fraction(run_s);
        Course {
            slow_s,
            degraded_s,
            spent,
            active_s,
            queue_s: active_s * blocked / (1.0 - blocked),
        }
    }

    /// At work or without nodes.
    fn clock_s(&self) -> f64 {
        self.active_s + self.queue_s
    }
}

/// Share of the wall time of planned pauses: those of every day, and windows with the restart after them.
fn planned_fraction(reliability: &Reliability, load_s: f64) -> f64 {
    let window_s = if reliability.maintenance_s > 0.0 {
        reliability.maintenance_s + reliability.back_s() + load_s
    } else {
        0.0
    };
    let share = reliability.planned_s_per_day / DAY_S + window_s / reliability.maintenance_every_s;
    share.clamp(0.0, MAX_PLANNED_FRACTION)
}
