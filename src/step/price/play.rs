//! One pass of one layer: which math runs beside which communication.
//!
//! What a stack's switches mean for tensor ranks (`t` of them, collective `D`, multiply `B`):
//!
//! - bulk (`hides_tensor_backward = false`, `tensor_overlap_fraction = 0`): everything waits.
//! - asynchronous (`hides_tensor_backward`; Megatron-LM
//!   `LinearWithGradAccumulationAndAsyncCommunication`): the second gather of an input runs beside the
//!   input gradient of its own linear and the reduction of that gradient beside the weight gradient
//!   of its own linear, all of `D` beside all of `B`. The other collectives wait.
//! - in tiles (`tensor_overlap_fraction`; Wang et al., ASPLOS 2023, §4; Transformer Engine's
//!   userbuffers; PyTorch's asynchronous tensor parallelism): that share of a gather or scatter is
//!   cut into `t` tiles and runs beside the multiply that it feeds or drains. The first tile of a
//!   gather comes before there is anything to multiply, the last of a scatter leaves when there is
//!   nothing left, and one tile of the multiply has no communication beside it: `D·(t − 1)/t` runs
//!   beside `B·(t − 1)/t`. Stacks that begin with the tile that they hold already hide one more.
//!
//! A multiply serves one communication. What the shared experts run beside their own tensor
//! communication is not offered to the expert exchange.

use super::Terms;
use crate::catalog::{Collective, Stack};
use crate::step::lower::{Beside, GroupName, Op, Pass, Role, Work};

/// A part of the work of a layer that runs without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Forward.
    Forward,
    /// What of the forward pass is done again.
    Recompute,
    /// Backward in one.
    Backward,
    /// Backward without weight gradients.
    InputGradient,
    /// Weight gradients alone.
    WeightGradient,
}

impl Phase {
    /// True where an operation is part of it.
    fn has(self, op: &Op) -> bool {
        match self {
            Phase::Forward => op.pass == Pass::Forward,
            Phase::Recompute => op.pass == Pass::Forward && op.recomputed,
            Phase::Backward => op.pass == Pass::Backward,
            Phase::InputGradient => op.pass == Pass::Backward && op.role != Role::WeightGradient,
            Phase::WeightGradient => op.pass == Pass::Backward && op.role == Role::WeightGradient,
        }
    }
}

/// What happens next; times are those of each side alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Turn {
    /// Math with nothing beside it.
    Math { name: &'static str, time_s: f64 },
    /// Communication that everything waits for.
    Communication { name: &'static str, group: GroupName, time_s: f64 },
    /// Both together.
    Both {
        math: &'static str,
        math_s: f64,
        communication: &'static str,
        group: GroupName,
        communication_s: f64,
    },
}

/// A communication with the math that it runs beside.
#[derive(Debug, Clone, Copy)]
struct Pair {
    communication: usize,
    math: usize,
    /// Share of the communication that does.
    hidden: f64,
    /// Share of the math that it does beside.
    window: f64,
}

/// Operations with their times, and who runs beside whom.
pub(super) struct Play<'a> {
    ops: &'a [Op],
    times_s: &'a [f64],
    pairs: Vec<Pair>,
    expert_share: f64,
}

impl<'a> Play<'a> {
    pub(super) fn new(ops: &'a [Op], times_s: &'a [f64], terms: &Terms<'_>) -> Play<'a> {
        Play {
            ops,
            times_s,
            pairs: (0..ops.len()).filter_map(|i| pair(ops, i, terms)).collect(),
            expert_share: terms.machine.stack.expert_overlap_fraction,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    /// Tell `sink` all that a phase does. The sums do not depend on the order.
    pub(super) fn run(&self, order: impl Iterator<Item = usize>, phase: Phase, sink: &mut impl FnMut(Turn)) {
        let exchange = self.exchange(phase);
        for i in order {
            let op = &self.ops[i];
            if !phase.has(op) {
                continue;
            }
            let time_s = self.times_s[i];
            let (name, group) = (op.name, op.work.group());
            match (group, self.partner(i, phase)) {
                // Told with its math.
                (Some(_), Some(_)) => {}
                (None, Some(pair)) => self.told(pair, sink),
                (Some(group), None) if op.beside == Beside::SharedExperts && exchange.runs() => {
                    let share = self.expert_share;
                    alone(sink, name, group, time_s * (1.0 - share));
                    sink(Turn::Both {
                        math: "shared experts",
                        math_s: exchange.free_s * time_s / exchange.communication_s,
                        communication: name,
                        group,
                        communication_s: time_s * share,
                    });
                }
                (Some(group), None) => alone(sink, name, group, time_s),
                (None, None) if op.shared && exchange.runs() => {}
                (None, None) => math(sink, name, time_s),
            }
        }
    }

    /// The pair that an operation is in, where both of it are in the phase.
    fn partner(&self, i: usize, phase: Phase) -> Option<&Pair> {
        let both = |p: &&Pair| phase.has(&self.ops[p.communication]) && phase.has(&self.ops[p.math]);
        self.pairs.iter().filter(|p| p.communication == i || p.math == i).find(both)
    }

    /// A gather goes before its multiply, a reduction after it.
    fn told(&self, pair: &Pair, sink: &mut impl FnMut(Turn)) {
        let (before, beside) = (&self.ops[pair.communication], &self.ops[pair.math]);
        let Some(group) = before.work.group() else { return };
        let (communication_s, math_s) = (self.times_s[pair.communication], self.times_s[pair.math]);
        let both = Turn::Both {
            math: beside.name,
            math_s: math_s * pair.window,
            communication: before.name,
            group,
            communication_s: communication_s * pair.hidden,
        };
        let (exposed_s, rest_s) = (communication_s * (1.0 - pair.hidden), math_s * (1.0 - pair.window));
        if reduces(&before.work) {
            math(sink, beside.name, rest_s);
            sink(both);
            alone(sink, before.name, group, exposed_s);
        } else {
            alone(sink, before.name, group, exposed_s);
            sink(both);
            math(sink, beside.name, rest_s);
        }
    }

    /// Dispatch and combine share the free math of the shared experts by their times, which is the
    /// same as one after the other beside all of it: the law of overlap is homogeneous.
    fn exchange(&self, phase: Phase) -> Exchange {
        let mut out = Exchange::default();
        if self.expert_share <= 0.0 {
            return out;
        }
        for (i, op) in self.ops.iter().enumerate().filter(|(_, op)| phase.has(op)) {
            if op.beside == Beside::SharedExperts {
                out.communication_s += self.times_s[i];
            } else if op.shared && op.work.group().is_none() && self.partner(i, phase).is_none() {
                out.free_s += self.times_s[i];
            }
        }
        out
    }
}

/// The expert exchange of a phase and the math of the shared experts that it may run beside.
#[derive(Debug, Clone, Copy, Default)]
struct Exchange {
    communication_s: f64,
    free_s: f64,
}

impl Exchange {
    fn runs(&self) -> bool {
        self.communication_s > 0.0 && self.free_s > 0.0
    }
}

fn math(sink: &mut impl FnMut(Turn), name: &'static str, time_s: f64) {
    if time_s > 0.0 {
        sink(Turn::Math { name, time_s });
    }
}

fn alone(sink: &mut impl FnMut(Turn), name: &'static str, group: GroupName, time_s: f64) {
    if time_s > 0.0 {
        sink(Turn::Communication { name, group, time_s });
    }
}

fn reduces(work: &Work) -> bool {
    matches!(
        work,
        Work::Collective {
            kind: Collective::ReduceScatter | Collective::AllReduce,
            ..
        }
    )
}

/// The pair of a communication, where the stack runs it beside something.
fn pair(ops: &[Op], i: usize, terms: &Terms<'_>) -> Option<Pair> {
    let op = &ops[i];
    let (role, hidden, window) = window(op, &terms.machine.stack, terms)?;
    let partner = |other: &Op| other.role == role && other.pass == op.pass && (role == Role::Attention || other.linear == op.linear);
    Some(Pair {
        communication: i,
        math: ops.iter().position(partner)?,
        hidden,
        window,
    })
}

/// Which math, the share of the communication that runs beside it, and of the math that it runs beside.
fn window(op: &Op, stack: &Stack, terms: &Terms<'_>) -> Option<(Role, f64, f64)> {
    let tiles = |role| {
        let share = stack.tensor_overlap_fraction;
        let most = 1.0 - 1.0 / terms.groups.tensor.n;
        let is_cut = matches!(
            op.work,
            Work::Collective {
                kind: Collective::AllGather | Collective::ReduceScatter,
                ..
            }
        );
        (share > 0.0 && is_cut).then_some((role, share * most, most))
    };
    match (op.beside, &op.work) {
        (Beside::Attention, Work::Send { times, .. }) => {
            let share = stack.context_overlap_fraction;
            // Nothing is sent beside the last block.
            (share > 0.0).then_some((Role::Attention, share, times / (times + 1.0)))
        }
        (Beside::Tiles, _) if op.pass == Pass::Forward => tiles(Role::Output),
        (Beside::Tiles, _) => tiles(Role::InputGradient),
        (Beside::InputGradient, _) if stack.hides_tensor_backward => Some((Role::InputGradient, 1.0, 1.0)),
        (Beside::WeightGradient, _) if stack.hides_tensor_backward => (!terms.splits_backward).then_some((Role::WeightGradient, 1.0, 1.0)),
        // Without asynchronous gradients: tile by tile with the multiply that needs or makes it.
        (Beside::InputGradient, _) if !terms.splits_backward => tiles(Role::WeightGradient),
        (Beside::WeightGradient, _) => tiles(Role::InputGradient),
        _ => None,
    }
}
