//! Candidate layouts: every combination of the degrees that are free, one after another.

use super::{Choice, Layout, Offload, Overlap, Recompute, Schedule, Sharding, Split, SplitChoice, product};
use crate::workload::Workload;

/// How much of what is free is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Breadth {
    /// What every training program offers: degrees, virtual stages, sharding, micro-batches of powers of
    /// two, recomputation of nothing or everything, 1F1B.
    #[default]
    Usual,
    /// Every schedule and micro-batch too, tensor ranks beyond a domain, sequence parallelism off, ZeRO-2.
    Schedules,
    /// Everything that a layout can say: every schedule, recomputation of some layers of a chunk,
    /// copies of sharded state, offloading, overlaps off one by one, balanced layers, tensor ranks
    /// beyond a domain, sequence parallelism off. Not every program can run what it finds.
    All,
}

/// A space of layouts for one workload on so many devices.
#[derive(Debug, Clone, Copy)]
pub struct Space<'a> {
    /// What is trained.
    pub workload: &'a Workload,
    /// Devices in all.
    pub n_devices: u64,
    /// Devices of one scale-up domain: the bound of a free tensor degree.
    pub domain: u32,
    /// What is fixed.
    pub choice: Choice,
    /// Attention stores its scores, so recomputing the core alone pays.
    pub selective_pays: bool,
    /// How much of what is free is tried.
    pub breadth: Breadth,
    /// What the stack runs beside math: switching off anything else changes nothing.
    pub overlaps: Overlap,
    /// The link to the host is known, so that something can be offloaded.
    pub host_link: bool,
}

/// The degrees that decide how weights and activations are cut; the rest varies inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outer {
    /// Tensor degree.
    pub tensor: u32,
    /// Context degree.
    pub context: u32,
    /// Pipeline degree.
    pub pipeline: u32,
    /// Data degree.
    pub data: u32,
}

/// How micro-batches pass the stages, and which layers those hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Order of micro-batches.
    pub schedule: Schedule,
    /// Chunks of the model per stage.
    pub virtual_stages: u32,
    /// Layers of each.
    pub split: SplitChoice,
}

impl Way {
    /// A layout that goes this way; with even layers where they are to be balanced.
    #[must_use]
    pub fn on(&self, layout: &Layout) -> Layout {
        Layout {
            schedule: self.schedule,
            virtual_stages: self.virtual_stages,
            split: match self.split {
                SplitChoice::Given(split) => split,
                SplitChoice::Balanced => Split::Even,
            },
            ..*layout
        }
    }
}

impl Space<'_> {
    /// Outer degrees whose product is the number of devices (or what the user fixed), in order.
    #[must_use]
    pub fn outer(&self) -> Vec<Outer> {
        let mut out = Vec::new();
        for tensor in self.tensors() {
            for context in self.contexts() {
                for pipeline in self.pipelines(tensor, context) {
                    let per_replica = product(&[tensor, context, pipeline]);
                    let free = u32::try_from(self.n_devices / per_replica.max(1)).unwrap_or(u32::MAX).max(1);
                    let data = self.choice.data.unwrap_or(free);
                    out.push(Outer {
                        tensor,
                        context,
                        pipeline,
                        data,
                    });
                }
            }
        }
        if out.is_empty() {
            // What is fixed divides nothing: judge it all the same, so that the reason can be told.
            let (c, one) = (self.choice, |fixed: Option<u32>| fixed.unwrap_or(1));
            out.push(Outer {
                tensor: one(c.tensor),
                context: one(c.context),
                pipeline: one(c.pipeline),
                data: one(c.data),
            });
        }
        out
    }

    /// Layouts inside outer degrees. Balanced ones rest on prices, which are not known here: they come
    /// out with even layers where the user asked for them, and not at all where they are free.
    #[must_use]
    pub fn inner(&self, o: &Outer) -> Vec<Layout> {
        let mut out = Vec::new();
        let asked = |way: &Way| way.split != SplitChoice::Balanced || self.choice.split == Some(SplitChoice::Balanced);
        let ways: Vec<Way> = self.ways(o).into_iter().filter(asked).collect();
        for layout in self.starts(o) {
            for way in &ways {
                for recompute in self.recomputes(o, way) {
                    for (sharding, replicas) in self.shardings(o) {
                        for offload in self.offloads() {
                            for overlap in self.overlaps(&layout) {
                                out.push(Layout {
                                    recompute,
                                    sharding,
                                    replicas,
                                    offload,
                                    overlap,
                                    ..way.on(&layout)
                                });
                            }
                        }
                    }
                }
            }
        }
        out
    }

    /// Outer degrees with experts, sequence parallelism and micro-batch.
    #[must_use]
    pub fn starts(&self, o: &Outer) -> Vec<Layout> {
        let mut out = Vec::new();
        for (expert, expert_tensor) in self.experts(o) {
            for sequence_parallel in self.sequences(o) {
                for micro_batch_seqs in self.micro_batches(o) {
                    out.push(Layout {
                        tensor: o.tensor,
                        sequence_parallel,
                        context: o.context,
                        pipeline: o.pipeline,
                        expert,
                        expert_tensor,
                        data: o.data,
                        micro_batch_seqs,
                        ..Layout::single()
                    });
                }
            }
        }
        out
    }

    fn all(&self) -> bool {
        self.breadth == Breadth::All
    }

    fn wide(&self) -> bool {
        self.breadth >= Breadth::Schedules
    }

    fn sequences(&self, o: &Outer) -> Vec<bool> {
        match self.choice.sequence_parallel {
            _ if o.tensor == 1 => vec![false],
            Some(fixed) => vec![fixed],
            None if self.wide() => vec![true, false],
            None => vec![true],
        }
    }

    /// How micro-batches may pass the stages.
    #[must_use]
    pub fn ways(&self, o: &Outer) -> Vec<Way> {
        let schedules = pick(self.choice.schedule, || {
            if self.wide() && o.pipeline > 1 {
                Schedule::ALL.to_vec()
            } else {
                vec![Schedule::OneFOneB]
            }
        });
        let splits = pick(self.choice.split, || {
            let even = SplitChoice::Given(Split::Even);
            if self.all() && o.pipeline > 1 {
                vec![even, SplitChoice::Balanced]
            } else {
                vec![even]
            }
        });
        let mut out = Vec::new();
        for schedule in schedules {
            for virtual_stages in self.virtuals(o, schedule) {
                // More chunks than one under this name are another schedule.
                let free = self.choice.schedule.is_none();
                if free && schedule == Schedule::BreadthFirst && virtual_stages == 1 {
                    continue;
                }
                out.extend(splits.iter().map(|&split| Way {
                    schedule,
                    virtual_stages,
                    split,
                }));
            }
        }
        out
    }

    fn tensors(&self) -> Vec<u32> {
        pick(self.choice.tensor, || {
            let model = &self.workload.model;
            let most = if self.wide() { self.domain.saturating_mul(4) } else { self.domain };
            divisors(u64::from(model.n_heads))
                .into_iter()
                .filter(|&t| t <= most && self.n_devices.is_multiple_of(u64::from(t)))
                .collect()
        })
    }

    /// Context parallelism is worth trying where a rank keeps at least 2,048 tokens.
    fn contexts(&self) -> Vec<u32> {
        pick(self.choice.context, || {
            powers_of_two(256)
                .into_iter()
                .filter(|&c| c == 1 || self.workload.seq_len_tokens / f64::from(c) >= 2048.0)
                .collect()
        })
    }

    fn pipelines(&self, tensor: u32, context: u32) -> Vec<u32> {
        let rest = self.n_devices / (u64::from(tensor) * u64::from(context)).max(1);
        let whole = self.n_devices.is_multiple_of(u64::from(tensor) * u64::from(context));
        pick(self.choice.pipeline, || {
            if !whole {
                return Vec::new();
            }
            let most = self.workload.model.n_layers + 2;
            divisors(rest).into_iter().filter(|&p| p == 1 || p <= most).collect()
        })
    }

    fn virtuals(&self, o: &Outer, schedule: Schedule) -> Vec<u32> {
        pick(self.choice.virtual_stages, || {
            if o.pipeline == 1 || schedule == Schedule::GPipe {
                return vec![1];
            }
            if let Some(only) = schedule.virtual_stages() {
                return vec![only];
            }
            let uneven = match self.choice.split {
                // One number per chunk says how many there are.
                Some(SplitChoice::Given(Split::Explicit(list))) if list.len() > o.pipeline as usize => {
                    return vec![u32::try_from(list.len()).unwrap_or(u32::MAX) / o.pipeline];
                }
                Some(split) => split != SplitChoice::Given(Split::Even),
                None => false,
            };
            let layers = self.workload.model.n_layers;
            let most = (layers + 2) / o.pipeline;
            // Of the chunk counts with the same layers per chunk only the smallest can win; the
            // layers per chunk never rise with their number, so equal ones are neighbours.
            let mut last = None;
            let per_chunk = |v: u32| Some(layers.div_ceil(o.pipeline.saturating_mul(v)));
            (1..=most.max(1))
                .filter(|&v| uneven || std::mem::replace(&mut last, per_chunk(v)) != per_chunk(v))
                .collect()
        })
    }

    fn experts(&self, o: &Outer) -> Vec<(u32, u32)> {
        let Some(moe) = self.workload.model.moe else {
            return vec![(self.choice.expert.unwrap_or(1), self.choice.expert_tensor.unwrap_or(1))];
        };
        let ranks = product(&[o.tensor, o.context, o.data]);
        let degrees = pick(self.choice.expert, || divisors(u64::from(moe.n_experts)));
        let inner = pick(self.choice.expert_tensor, || if o.tensor > 1 { vec![1, o.tensor] } else { vec![1] });
        let mut out = Vec::new();
        for e in degrees {
            for &et in &inner {
                let fixed = self.choice.expert.is_some() && self.choice.expert_tensor.is_some();
                if fixed || ranks.is_multiple_of(u64::from(e) * u64::from(et)) {
                    out.push((e, et));
                }
            }
        }
        if out.is_empty() {
            // As in `outer`: a degree that divides nothing is judged, not dropped.
            out.push((self.choice.expert.unwrap_or(1), self.choice.expert_tensor.unwrap_or(1)));
        }
        out
    }

    fn micro_batches(&self, o: &Outer) -> Vec<u32> {
        pick(self.choice.micro_batch_seqs, || {
            let per_rank = self.workload.global_batch_seqs / f64::from(o.data);
            if self.wide() && per_rank.fract() == 0.0 && (1.0..=1e9).contains(&per_rank) {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                let whole = per_rank as u64;
                return divisors(whole).into_iter().filter(|&b| b <= 16).collect();
            }
            powers_of_two(16)
                .into_iter()
                .filter(|&b| b == 1 || f64::from(b) <= per_rank)
                .collect()
        })
    }

    /// What data ranks share, and in how many copies.
    #[must_use]
    pub fn shardings(&self, o: &Outer) -> Vec<(Sharding, u32)> {
        let ranks = product(&[o.context, o.data]);
        let kinds = pick(self.choice.sharding, || match (ranks > 1, self.wide()) {
            (false, _) => vec![Sharding::None],
            (true, false) => vec![Sharding::None, Sharding::Zero1, Sharding::Zero3],
            (true, true) => vec![Sharding::None, Sharding::Zero1, Sharding::Zero2, Sharding::Zero3],
        });
        let mut out = Vec::new();
        for sharding in kinds {
            if sharding != Sharding::Zero3 {
                out.push((sharding, 1));
                continue;
            }
            let copies = pick(self.choice.replicas, || {
                let all = || powers_of_two(o.data).into_iter().filter(|&r| o.data.is_multiple_of(r)).collect();
                if self.all() { all() } else { vec![1] }
            });
            // As many copies as ranks share nothing.
            let fixed = self.choice.replicas.is_some();
            out.extend(
                copies
                    .into_iter()
                    .filter(|&r| fixed || r == 1 || u64::from(r) < ranks)
                    .map(|r| (sharding, r)),
            );
        }
        out
    }

    /// What is computed again on chunks of a way.
    #[must_use]
    pub fn recomputes(&self, o: &Outer, way: &Way) -> Vec<Recompute> {
        pick(self.choice.recompute, || {
            let mut out = vec![Recompute::None];
            if self.selective_pays {
                out.push(Recompute::Selective);
            }
            if self.all() {
                let chunks = o.pipeline.saturating_mul(way.virtual_stages).max(1);
                let most = self.workload.model.n_layers.div_ceil(chunks);
                out.extend((1..most).map(Recompute::Layers));
            }
            out.push(Recompute::Full);
            out
        })
    }

    /// What lives on the host.
    #[must_use]
    pub fn offloads(&self) -> Vec<Offload> {
        pick(self.choice.offload, || {
            if self.all() && self.host_link {
                vec![Offload::None, Offload::Activations, Offload::Optimizer, Offload::All]
            } else {
                vec![Offload::None]
            }
        })
    }

    /// Which overlaps are on. Off is only tried where the stack has it on and the degree has something
    /// to overlap.
    #[must_use]
    pub fn overlaps(&self, layout: &Layout) -> Vec<Overlap> {
        let c = self.choice.overlap;
        let can = self.overlaps;
        let options = |fixed: Option<bool>, there: bool| match fixed {
            Some(on) => vec![on],
            None if self.all() && there => vec![true, false],
            None => vec![true],
        };
        let several = product(&[layout.context, layout.data]) > 1;
        let mut out = Vec::new();
        for tensor in options(c.tensor, can.tensor && layout.tensor > 1) {
            for data in options(c.data, can.data && several) {
                for pipeline in options(c.pipeline, can.pipeline && layout.pipeline > 1) {
                    for expert in options(c.expert, can.expert && layout.expert > 1) {
                        out.push(Overlap {
                            tensor,
                            data,
                            pipeline,
                            expert,
                        });
                    }
                }
            }
        }
        out
    }
}

fn pick<T>(fixed: Option<T>, free: impl FnOnce() -> Vec<T>) -> Vec<T> {
    fixed.map_or_else(free, |value| vec![value])
}

fn powers_of_two(most: u32) -> Vec<u32> {
    (0..32).map(|i| 1u32 << i).take_while(|&v| v <= most).collect()
}

/// Divisors in order, those that fit 32 bits.
fn divisors(n: u64) -> Vec<u32> {
    let mut out = Vec::new();
    let mut i = 1;
    while i * i <= n {
        if n.is_multiple_of(i) {
            out.extend(u32::try_from(i));
            if i != n / i {
                out.extend(u32::try_from(n / i));
            }
        }
        i += 1;
    }
    out.sort_unstable();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divisors_are_all_and_in_order() {
        assert_eq!(divisors(12), [1, 2, 3, 4, 6, 12]);
        assert_eq!(divisors(1), [1]);
        assert_eq!(powers_of_two(8), [1, 2, 4, 8]);
    }
}
