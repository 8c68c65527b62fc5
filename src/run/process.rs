//! A run as a random process: what stops it, how often, and what each stop costs.

use super::checkpoint::{Checkpoint, SaveMode, Segment};
use super::failure::{Failures, Stop, job_mtbf_s};
use super::spares::{Pool, SlowNodes};
use super::{RunInput, Stretch, planned_fraction};
use crate::catalog::Cause;
use crate::units::DAY_S;

/// Everything that the wall time of a run depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Optimizer steps.
    pub n_steps: f64,
    /// Time of the steps alone.
    pub ideal_s: f64,
    /// What stops the job.
    pub failures: Failures,
    /// What a checkpoint costs.
    pub checkpoint: Checkpoint,
    /// Work between two checkpoints and the stall that ends it.
    pub segment: Segment,
    /// Nodes that turn slow.
    pub slow: SlowNodes,
    /// Spare nodes.
    pub pool: Pool,
    /// Share of the wall time of planned pauses.
    pub planned_fraction: f64,
    /// Evaluations, in all.
    pub evaluation_s: f64,
    /// Stops come faster than the job can recover.
    pub thrashing: bool,
}

/// The process of an input.
#[must_use]
pub fn process(input: &RunInput) -> Process {
    let n_steps: f64 = input.stretches.iter().map(Stretch::n_steps).sum();
    let ideal_s: f64 = input.stretches.iter().map(|s| s.n_steps() * s.step.time_s).sum();
    let longest_step_s = input.stretches.iter().map(|s| s.step.time_s).fold(0.0, f64::max);
    let checkpoint = Checkpoint::new(input, longest_step_s);
    let failures = failures(input, &checkpoint, n_steps, ideal_s);

    let longest_s = ideal_s.max(checkpoint.shortest_s);
    let within = |every_s: f64| every_s.max(checkpoint.shortest_s).min(longest_s);
    let fixed_s = input.saving.every_s.map(within);
    let exposed_s = failures.recovery_s() + checkpoint.stall_s + fixed_s.unwrap_or(checkpoint.shortest_s);
    let thrashing = failures.mtbf_s < exposed_s;
    let failures = failures.bounded(exposed_s);
    let work_s = fixed_s.unwrap_or_else(|| within(checkpoint.optimum_s(failures.mtbf_s)));

    let r = input.reliability;
    let reliability_nodes = input.n_nodes * input.node_devices / super::failure::RELIABILITY_NODE_DEVICES;
    let evaluations = |e: super::Evaluation| (n_steps / e.n_steps_between.max(1.0)).floor() * e.pause_s;
    Process {
        n_steps,
        ideal_s,
        checkpoint,
        segment: Segment {
            work_s,
            stall_s: checkpoint.stall_s,
            open_s: checkpoint.open_s,
        },
        slow: SlowNodes {
            mtbf_s: if reliability_nodes > 0.0 {
                r.slow_node_mtbf_s / reliability_nodes
            } else {
                f64::INFINITY
            },
            slow_factor: r.slow_factor,
            found_s: r.slow_found_s,
        },
        pool: pool(input, &failures),
        failures,
        planned_fraction: planned_fraction(r, checkpoint.load_s),
        evaluation_s: input.evaluation.map_or(0.0, evaluations),
        thrashing,
    }
}

fn pool(input: &RunInput, failures: &Failures) -> Pool {
    let r = input.reliability;
    let hardware_share: f64 = failures
        .stops
        .iter()
        .filter(|s| s.cause.is_hardware())
        .map(|s| s.share_fraction)
        .sum();
    let per_s = hardware_share * r.replace_fraction / failures.mtbf_s;
    Pool {
        n_spares: r.spares,
        elastic: r.elastic,
        replace_fraction: r.replace_fraction,
        mtbf_s: if per_s > 0.0 { 1.0 / per_s } else { f64::INFINITY },
        repair_s: r.repair_s,
        lost_fraction: (input.replica_nodes / input.n_nodes.max(1.0)).clamp(0.0, 1.0),
        burn_in_factor: failures.burn_in_factor,
        burn_in_s: failures.burn_in_s,
    }
}

/// Rates and costs of every kind of stop.
fn failures(input: &RunInput, checkpoint: &Checkpoint, n_steps: f64, ideal_s: f64) -> Failures {
    let r = input.reliability;
    // A cluster that never lives is bounded later; here it must only stay a number.
    let failures_per_s = 1.0 / job_mtbf_s(r, input.n_nodes * input.node_devices).max(1e-9);
    let memory = input.saving.mode == SaveMode::Memory;
    // Rate, kind, and whether it can be recovered from copies in memory.
    let mut list: Vec<(f64, Stop)> = Vec::new();
    let mut add = |per_s: f64, cause: Cause, detect_s: f64, wait_s: f64, rollback_s: f64, copies_lost: f64| {
        let parts = if memory {
            [(1.0 - copies_lost, false), (copies_lost, true)]
        } else {
            [(1.0, false), (0.0, true)]
        };
        for (share, from_storage) in parts.into_iter().filter(|(share, _)| share * per_s > 0.0) {
            let load_s = if from_storage {
                checkpoint.storage_load_s
            } else {
                checkpoint.load_s
            };
            let stop = Stop {
                cause,
                share_fraction: 0.0,
                detect_s,
                wait_s,
                restart_s: r.back_s() + load_s,
                rollback_s,
                deep_s: if from_storage { input.saving.storage_every_s } else { 0.0 },
            };
            list.push((per_s * share, stop));
        }
    };
    for (share, (_, cause)) in r.causes.shares.into_iter().zip(Cause::ALL) {
        let hang = match cause {
            Cause::Link => r.link_hang_fraction,
            Cause::Software => r.software_hang_fraction,
            _ => 0.0,
        };
        let crash_s = if cause == Cause::Silent { r.silent_detect_s } else { r.detect_s };
        let per_s = failures_per_s * share;
        add(per_s * (1.0 - hang), cause, crash_s, 0.0, 0.0, r.copies_lost_fraction);
        add(per_s * hang, cause, r.hang_detect_s, 0.0, 0.0, r.copies_lost_fraction);
    }
    // All nodes go at once: nothing in memory is left.
    let preempted = input.preemptions_per_day / DAY_S;
    add(preempted, Cause::Preemption, 0.0, r.preemption_wait_s, 0.0, 1.0);
    if n_steps > 0.0 && ideal_s > 0.0 {
        let tokens: f64 = input.stretches.iter().map(|s| s.total_tokens).sum();
        let spikes_per_s = r.spikes_per_trillion_tokens * tokens / 1e12 / ideal_s;
        let back_s = r.rollback_steps * ideal_s / n_steps;
        add(spikes_per_s, Cause::LossSpike, 0.0, 0.0, back_s, 0.0);
    }
    Failures::of(list, r.burn_in_factor, r.burn_in_s)
}
