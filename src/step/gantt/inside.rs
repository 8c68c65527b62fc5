//! What the lanes beside the kernels do inside a slot: collectives of its layers and copies to the
//! host, played once for each kind of slot and laid into every slot of that kind.

use super::{Bar, Lane};
use crate::layout::{Cut, Groups, Layout, StageShape, place};
use crate::step::event::EngineStep;
use crate::step::lower::{self, Op};
use crate::step::price::{OpSpan, Phase, Price, Terms, copy_s, prices, spans, whole};
use crate::step::schedule::{Pass, Slot};
use crate::step::{Machine, Prices};
use crate::workload::{LayerKind, Workload};

/// More bars than this are joined to one for each slot and lane.
const MOST_BARS: usize = 100_000;

/// The lanes beside the kernels of one pass of one chunk, and how long the pass takes.
#[derive(Debug, Clone, Default)]
struct Recipe {
    spans: Vec<OpSpan>,
    time_s: f64,
}

/// Recipes by pass of one kind of chunk.
struct Chunk {
    shape: StageShape,
    passes: [Recipe; 4],
}

/// Makes recipes.
struct Kitchen<'a> {
    workload: &'a Workload,
    machine: &'a Machine,
    layout: &'a Layout,
    groups: &'a Groups,
    terms: Terms<'a>,
    prices: &'a Prices,
}

/// Bars of the lanes beside the kernels, for every stage.
pub(super) fn bars(workload: &Workload, machine: &Machine, layout: &Layout, step: &EngineStep) -> Vec<Vec<Bar>> {
    let groups = place(layout, machine.domain);
    let prices = prices(workload, layout, machine, &groups);
    let kitchen = Kitchen {
        workload,
        machine,
        layout,
        groups: &groups,
        terms: Terms::new(machine, &groups, layout),
        prices: &prices,
    };
    let cut = Cut::by(&workload.model, layout, &step.plan);
    let mut known: Vec<Chunk> = Vec::new();
    let mut which = Vec::with_capacity(cut.pieces().len());
    for shape in cut.pieces() {
        let at = known.iter().position(|k| k.shape == *shape).unwrap_or_else(|| {
            known.push(kitchen.chunk(*shape));
            known.len() - 1
        });
        which.push(at);
    }
    let recipe = |stage: usize, slot: &Slot| &known[which[stage * cut.chunks() + slot.chunk as usize]].passes[index(slot.pass)];
    let n_bars: usize = step
        .timeline
        .stages
        .iter()
        .enumerate()
        .flat_map(|(i, s)| s.spans.iter().map(move |span| (i, span)))
        .map(|(i, span)| recipe(i, &span.slot).spans.len())
        .sum();
    let joined = n_bars > MOST_BARS;
    let mut out = Vec::with_capacity(step.timeline.stages.len());
    for (i, stage) in step.timeline.stages.iter().enumerate() {
        let mut bars = Vec::new();
        let mut rest = stage.spans.as_slice();
        while let Some((first, after)) = rest.split_first() {
            let paired = first.slot.with_next && !after.is_empty();
            let (now, later) = rest.split_at(if paired { 2 } else { 1 });
            // What of a pair runs when is not known: each lane is one bar.
            let start = bars.len();
            for span in now {
                let recipe = recipe(i, &span.slot);
                lay(&mut bars, recipe, &span.slot, span.start_s, span.end_s);
            }
            if paired || joined {
                join(&mut bars, start, first.start_s, first.end_s);
            }
            rest = later;
        }
        out.push(bars);
    }
    out
}

fn index(pass: Pass) -> usize {
    match pass {
        Pass::Forward => 0,
        Pass::Backward => 1,
        Pass::WeightGradient => 2,
        Pass::FullBackward => 3,
    }
}

/// A recipe stretched over a slot: slow devices and collectives of other lanes make it longer.
fn lay(bars: &mut Vec<Bar>, recipe: &Recipe, slot: &Slot, start_s: f64, end_s: f64) {
    let stretch = if recipe.time_s > 0.0 {
        (end_s - start_s) / recipe.time_s
    } else {
        0.0
    };
    bars.extend(recipe.spans.iter().map(|span| Bar {
        lane: span.lane,
        name: span.name,
        start_s: start_s + span.start_s * stretch,
        end_s: (start_s + span.end_s * stretch).min(end_s),
        busy_s: (span.end_s - span.start_s) * stretch,
        micro_batch: Some(slot.micro_batch),
        chunk: Some(slot.chunk),
        critical: false,
    }));
}

/// The bars from an index on as one for each lane, inside the slot.
fn join(bars: &mut Vec<Bar>, from: usize, start_s: f64, end_s: f64) {
    let parts = bars.split_off(from);
    for (_, lane) in Lane::ALL {
        let mut of_lane = parts.iter().filter(|b| b.lane == lane);
        let Some(first) = of_lane.next() else { continue };
        let mut whole = *first;
        for part in of_lane {
            whole.start_s = whole.start_s.min(part.start_s);
            whole.end_s = whole.end_s.max(part.end_s);
            whole.busy_s += part.busy_s;
        }
        whole.name = match lane {
            Lane::Copy => "copies",
            _ => "collectives",
        };
        whole.busy_s = whole.busy_s.min(end_s - start_s);
        bars.push(whole);
    }
}

impl Kitchen<'_> {
    fn chunk(&self, shape: StageShape) -> Chunk {
        let pass = |phases: &[Phase]| self.pass(&shape, phases);
        Chunk {
            shape,
            passes: [
                pass(&[Phase::Forward]),
                pass(&[Phase::Recompute, Phase::InputGradient]),
                pass(&[Phase::WeightGradient]),
                pass(&[Phase::Recompute, Phase::Backward]),
            ],
        }
    }

    /// Layers of a chunk one after another, backward in reverse, embedding and head at its ends.
    fn pass(&self, shape: &StageShape, phases: &[Phase]) -> Recipe {
        let mut out = Recipe::default();
        let stack = &self.machine.stack;
        let mut parts: Vec<(Vec<Op>, &Price, f64, f64)> = Vec::new();
        if shape.embedding {
            let ops = lower::embedding(self.workload, self.layout, stack);
            parts.push((ops, &self.prices.embedding, 1.0, 0.0));
        }
        for (kind, n, again) in shape.parts() {
            if let Some(full) = whole(self.layout).filter(|_| again > 0.0) {
                let ops = lower::layer(self.workload, &full, kind, stack, self.groups);
                parts.push((ops, &self.prices.whole[kind.index()], again, self.copies_s(&full, kind)));
            }
            let ops = lower::layer(self.workload, self.layout, kind, stack, self.groups);
            parts.push((ops, &self.prices.layers[kind.index()], n, self.copies_s(self.layout, kind)));
        }
        if shape.head {
            let ops = lower::head(self.workload, self.layout, stack);
            parts.push((ops, &self.prices.head, 1.0, 0.0));
        }
        if phases != [Phase::Forward] {
            parts.reverse();
        }
        for (ops, price, n, copy_s) in parts {
            let played: Vec<(Vec<OpSpan>, f64)> = phases.iter().map(|p| (spans(&ops, &self.terms, *p), phase_s(price, *p))).collect();
            let mut left = n;
            while left > 0.0 {
                left -= 1.0;
                let start_s = out.time_s;
                for (spans, time_s) in &played {
                    out.add(spans, *time_s);
                }
                if copy_s > 0.0 && phases != [Phase::WeightGradient] {
                    let forward = phases == [Phase::Forward];
                    out.spans.push(OpSpan {
                        lane: Lane::Copy,
                        name: if forward {
                            "activations to the host"
                        } else {
                            "activations from the host"
                        },
                        start_s,
                        end_s: start_s + copy_s.min(out.time_s - start_s),
                    });
                }
            }
        }
        out
    }

    fn copies_s(&self, layout: &Layout, kind: LayerKind) -> f64 {
        copy_s(self.workload, layout, self.machine, kind)
    }
}

/// What a phase of a layer takes by its price: spans plus waiting for the host.
fn phase_s(price: &Price, phase: Phase) -> f64 {
    match phase {
        Phase::Forward => price.forward.total_s(),
        Phase::Recompute => price.recompute.total_s(),
        Phase::Backward => price.backward.total_s(),
        Phase::InputGradient => price.backward.total_s() - price.weight_gradient_s,
        Phase::WeightGradient => price.weight_gradient_s,
    }
}

impl Recipe {
    /// One phase of one layer after what there is.
    fn add(&mut self, spans: &[OpSpan], time_s: f64) {
        let beside = spans.iter().filter(|s| s.lane != Lane::Compute);
        let start_s = self.time_s;
        self.spans.extend(beside.map(|s| OpSpan {
            start_s: start_s + s.start_s,
            end_s: start_s + s.end_s,
            ..*s
        }));
        let last_s = spans.last().map_or(0.0, |s| s.end_s);
        self.time_s += time_s.max(last_s);
    }
}
