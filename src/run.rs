//! Many steps with failures, checkpoints and pauses: how long the whole run takes.
//!
//! A closed form in expected values; nothing is drawn at random.

pub mod checkpoint;
pub mod failure;
#[cfg(test)]
mod tests;

use crate::catalog::Reliability;
use crate::step::Step;
use crate::units::DAY_S;
use checkpoint::{Checkpoint, Segment};
use failure::Failures;

/// Largest share of the wall time that planned pauses may take; a greater input saturates here.
pub const MAX_PLANNED_FRACTION: f64 = 0.9;

/// Evaluations that stop training, on top of the daily pauses of [`Reliability`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Steps between two evaluations.
    pub n_steps_between: f64,
    /// How long training stands still for each.
    pub pause_s: f64,
}

/// What a run is made of.
#[derive(Debug, Clone, Copy)]
pub struct RunInput<'a> {
    /// One optimizer step.
    pub step: &'a Step,
    /// Tokens to train on.
    pub total_tokens: f64,
    /// Nodes that the job runs on.
    pub n_nodes: f64,
    /// Devices of one node.
    pub node_devices: f64,
    /// How often nodes fail and how long that takes.
    pub reliability: &'a Reliability,
    /// Delivered storage write bandwidth of the whole cluster.
    pub storage_bytes_per_s: f64,
    /// Size of one checkpoint.
    pub checkpoint_bytes: f64,
    /// Fixed work time between checkpoints; `None` for the optimum.
    pub checkpoint_every_s: Option<f64>,
    /// Training stops for the copy to host memory only; the write runs beside it.
    pub asynchronous_checkpoint: bool,
    /// Evaluations, where they are not in the daily pauses.
    pub evaluation: Option<Evaluation>,
}

/// Wall time that trains nothing new. The parts and the ideal time sum to the wall time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lost {
    /// Training stands still while a checkpoint is taken.
    pub checkpoint_s: f64,
    /// Work that a failure destroyed and that is done again.
    pub rework_s: f64,
    /// From noticing a failure to the first new step.
    pub restart_s: f64,
    /// From a failure to noticing it.
    pub detect_s: f64,
    /// Daily planned pauses.
    pub planned_s: f64,
    /// Evaluations that stop training, beyond the daily pauses.
    pub evaluation_s: f64,
}

impl Lost {
    /// Name and seconds of each part, in display order.
    #[must_use]
    pub fn list(&self) -> [(&'static str, f64); 6] {
        [
            ("checkpoint_s", self.checkpoint_s),
            ("rework_s", self.rework_s),
            ("restart_s", self.restart_s),
            ("detect_s", self.detect_s),
            ("planned_s", self.planned_s),
            ("evaluation_s", self.evaluation_s),
        ]
    }

    /// All lost time.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.list().iter().map(|(_, s)| s).sum()
    }
}

/// A whole training run, in expected values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// Optimizer steps.
    pub n_steps: u64,
    /// Time of the steps alone.
    pub ideal_s: f64,
    /// `ideal_s` and everything lost.
    pub wall_s: f64,
    /// `ideal_s` over `wall_s`.
    pub goodput: f64,
    /// Failures of the job over the run.
    pub expected_failures: f64,
    /// Mean time between failures of the job; infinite when nothing fails.
    pub job_mtbf_s: f64,
    /// Work time between two checkpoints.
    pub checkpoint_every_s: f64,
    /// Time until a checkpoint is durable.
    pub checkpoint_write_s: f64,
    /// Time that training stands still for a checkpoint.
    pub checkpoint_stall_s: f64,
    /// Where the difference of wall and ideal time goes.
    pub lost: Lost,
    /// The job fails, on average, before it can recover, advance and save once. The times are then
    /// a finite lower bound (see [`failure::MAX_EXPONENT`]), and the plan should not be run.
    pub thrashing: bool,
}

/// How long `input` takes.
///
/// Failures are a Poisson process over work, checkpoints and recovery ([`failure::expected`]).
/// Pauses fall between checkpoints, and failures within pauses are neglected:
/// `wall = (expected + evaluations) / (1 − planned share of a day)`.
#[must_use]
pub fn run(input: &RunInput) -> Run {
    let n_steps = (input.total_tokens / input.step.tokens).ceil().max(0.0);
    let ideal_s = n_steps * input.step.time_s;
    let checkpoint = Checkpoint::new(input);
    let failures = Failures {
        mtbf_s: failure::job_mtbf_s(input.reliability, input.n_nodes * input.node_devices),
        detect_s: input.reliability.detect_s,
        restart_s: input.reliability.restart_s,
        redo_s: checkpoint.redo_s,
    };

    let longest_s = ideal_s.max(checkpoint.shortest_s);
    let fixed_s = input
        .checkpoint_every_s
        .map(|every_s| every_s.max(checkpoint.shortest_s).min(longest_s));
    let exposed_s = failures.recovery_s() + checkpoint.stall_s + fixed_s.unwrap_or(checkpoint.shortest_s);
    let thrashing = failures.mtbf_s < exposed_s;
    let failures = failures.bounded(exposed_s);
    let every_s = fixed_s.unwrap_or_else(|| checkpoint.optimum_s(failures.mtbf_s).max(checkpoint.shortest_s).min(longest_s));

    let segment = Segment {
        work_s: every_s,
        stall_s: checkpoint.stall_s,
    };
    let expected = failure::expected(&failures, &segment, ideal_s);
    let evaluation_s = input
        .evaluation
        .map_or(0.0, |e| (n_steps / e.n_steps_between.max(1.0)).floor() * e.pause_s);
    let working_s = ideal_s + expected.checkpoint_s + expected.rework_s + expected.detect_s + expected.restart_s + evaluation_s;
    let planned = (input.reliability.planned_s_per_day / DAY_S).clamp(0.0, MAX_PLANNED_FRACTION);
    let lost = Lost {
        checkpoint_s: expected.checkpoint_s,
        rework_s: expected.rework_s,
        restart_s: expected.restart_s,
        detect_s: expected.detect_s,
        planned_s: working_s * planned / (1.0 - planned),
        evaluation_s,
    };
    let wall_s = ideal_s + lost.total_s();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Run {
        n_steps: n_steps as u64,
        ideal_s,
        wall_s,
        goodput: if wall_s > 0.0 { ideal_s / wall_s } else { 1.0 },
        expected_failures: expected.n_failures,
        job_mtbf_s: failure::job_mtbf_s(input.reliability, input.n_nodes * input.node_devices),
        checkpoint_every_s: every_s,
        checkpoint_write_s: checkpoint.write_s,
        checkpoint_stall_s: checkpoint.stall_s,
        lost,
        thrashing,
    }
}
