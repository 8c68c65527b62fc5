//! The operations of one pass as bars on lanes.

use super::play::{Phase, Play, Turn};
use super::{Terms, time};
use crate::step::gantt::Lane;
use crate::step::lower::{Beside, GroupName, Op, Role};
use crate::step::overlap::{Slowdown, together};

/// An operation, or a part of it, from one moment to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpSpan {
    /// Where.
    pub lane: Lane,
    /// What.
    pub name: &'static str,
    /// Start, from the start of the pass.
    pub start_s: f64,
    /// End.
    pub end_s: f64,
}

/// Play the operations of one layer in the order in which they run: forward as listed; backward the
/// last linear first, in each the input gradient before the weight gradient.
///
/// Spans of a lane follow each other; the last ends when the pass does, without the time by which the
/// host is behind ([`super::Slot::launch_s`]). Times are those of [`super::price`].
#[must_use]
pub fn spans(ops: &[Op], terms: &Terms<'_>, phase: Phase) -> Vec<OpSpan> {
    let times_s: Vec<f64> = ops.iter().map(|op| time(op, terms.machine, terms.groups).time_s).collect();
    let play = Play::new(ops, &times_s, terms);
    let slow = Slowdown::of(&terms.machine.stack);
    let (mut out, mut now_s) = (Vec::new(), 0.0);
    play.run(order(ops, phase).into_iter(), phase, &mut |turn| {
        let (math_s, communication_s) = match turn {
            Turn::Math { time_s, .. } => (time_s, 0.0),
            Turn::Communication { time_s, .. } => (0.0, time_s),
            Turn::Both {
                math_s, communication_s, ..
            } => {
                let both = together(communication_s, math_s, slow);
                (both.math_end_s, both.communication_end_s)
            }
        };
        if let Turn::Math { name, .. } | Turn::Both { math: name, .. } = turn {
            add(&mut out, Lane::Compute, name, now_s, math_s);
        }
        if let Turn::Communication { name, group, .. }
        | Turn::Both {
            communication: name,
            group,
            ..
        } = turn
        {
            add(&mut out, lane(group), name, now_s, communication_s);
        }
        now_s += f64::max(math_s, communication_s);
    });
    out
}

/// A piece that goes on where the last one of its name ended makes it longer.
fn add(out: &mut Vec<OpSpan>, lane: Lane, name: &'static str, start_s: f64, length_s: f64) {
    if length_s <= 0.0 {
        return;
    }
    let end_s = start_s + length_s;
    match out.iter_mut().rev().find(|s| s.lane == lane) {
        Some(last) if last.name == name && last.end_s == start_s => last.end_s = end_s,
        _ => out.push(OpSpan {
            lane,
            name,
            start_s,
            end_s,
        }),
    }
}

fn lane(group: GroupName) -> Lane {
    match group {
        GroupName::Tensor | GroupName::Context | GroupName::ContextInside | GroupName::ContextAcross => Lane::Tensor,
        GroupName::Expert | GroupName::ExpertTensor => Lane::Expert,
    }
}

/// Indices of the operations in the order in which they run.
fn order(ops: &[Op], phase: Phase) -> Vec<usize> {
    let mut out: Vec<usize> = (0..ops.len()).collect();
    if matches!(phase, Phase::Forward | Phase::Recompute) {
        return out;
    }
    // Operations of one linear stay together; what belongs to none goes by itself.
    let mut block = 0;
    let mut blocks = Vec::with_capacity(ops.len());
    for (i, op) in ops.iter().enumerate() {
        if i == 0 || op.linear == 0 || op.linear != ops[i - 1].linear {
            block += 1;
        }
        blocks.push(block);
    }
    out.sort_by_key(|&i| (std::cmp::Reverse(blocks[i]), rank(&ops[i])));
    out
}

/// Place of an operation in the backward pass of its linear.
fn rank(op: &Op) -> u32 {
    match (op.role, op.beside) {
        (_, Beside::Tiles) => 0,
        (Role::Other, Beside::Nothing) => 1,
        (_, Beside::InputGradient) => 2,
        (Role::InputGradient, _) => 3,
        (_, Beside::WeightGradient) => 4,
        _ => 5,
    }
}
