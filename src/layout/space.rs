//! Candidate layouts: every combination of the degrees that are free, one after another.

use super::{Layout, Offload, Recompute, Schedule, Sharding, Split, SplitChoice, product};
use crate::workload::Workload;

/// Which parts of a layout the user fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Choice {
    /// Tensor degree.
    pub tensor: Option<u32>,
    /// Sequence parallelism.
    pub sequence_parallel: Option<bool>,
    /// Context degree.
    pub context: Option<u32>,
    /// Pipeline degree.
    pub pipeline: Option<u32>,
    /// Virtual stages.
    pub virtual_stages: Option<u32>,
    /// Expert degree.
    pub expert: Option<u32>,
    /// Expert-tensor degree.
    pub expert_tensor: Option<u32>,
    /// Data degree.
    pub data: Option<u32>,
    /// Sharding.
    pub sharding: Option<Sharding>,
    /// Copies of sharded state.
    pub replicas: Option<u32>,
    /// Micro-batch.
    pub micro_batch_seqs: Option<u32>,
    /// Schedule.
    pub schedule: Option<Schedule>,
    /// Layers of each chunk.
    pub split: Option<SplitChoice>,
    /// Recomputation.
    pub recompute: Option<Recompute>,
    /// What lives in host memory; nothing where this is open.
    pub offload: Option<Offload>,
}

impl Choice {
    /// True when a layout agrees with everything that is fixed.
    #[must_use]
    pub fn allows(&self, l: &Layout) -> bool {
        fn ok<T: PartialEq>(fixed: Option<T>, value: T) -> bool {
            fixed.is_none_or(|f| f == value)
        }
        ok(self.tensor, l.tensor)
            && ok(self.sequence_parallel, l.sequence_parallel)
            && ok(self.context, l.context)
            && ok(self.pipeline, l.pipeline)
            && ok(self.virtual_stages, l.virtual_stages)
            && ok(self.expert, l.expert)
            && ok(self.expert_tensor, l.expert_tensor)
            && ok(self.data, l.data)
            && ok(self.sharding, l.sharding)
            && ok(self.replicas, l.replicas)
            && ok(self.micro_batch_seqs, l.micro_batch_seqs)
            && ok(self.schedule, l.schedule)
            && self
                .split
                .is_none_or(|s| s == SplitChoice::Balanced || s == SplitChoice::Given(l.split))
            && ok(self.recompute, l.recompute)
            && ok(self.offload, l.offload)
    }

    /// True when nothing is fixed.
    #[must_use]
    pub fn is_free(&self) -> bool {
        *self == Choice::default()
    }

    /// Everything fixed to a layout.
    #[must_use]
    pub fn fixed(l: &Layout) -> Choice {
        Choice {
            tensor: Some(l.tensor),
            sequence_parallel: Some(l.sequence_parallel),
            context: Some(l.context),
            pipeline: Some(l.pipeline),
            virtual_stages: Some(l.virtual_stages),
            expert: Some(l.expert),
            expert_tensor: Some(l.expert_tensor),
            data: Some(l.data),
            sharding: Some(l.sharding),
            replicas: Some(l.replicas),
            micro_batch_seqs: Some(l.micro_batch_seqs),
            schedule: Some(l.schedule),
            split: Some(SplitChoice::Given(l.split)),
            recompute: Some(l.recompute),
            offload: Some(l.offload),
        }
    }
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

    /// Layouts inside outer degrees, in order.
    #[must_use]
    pub fn inner(&self, o: &Outer) -> Vec<Layout> {
        let mut out = Vec::new();
        let sequence_parallel = self.choice.sequence_parallel.unwrap_or(o.tensor > 1) && o.tensor > 1;
        let split = match self.choice.split {
            Some(SplitChoice::Given(split)) => split,
            // Balanced ones rest on prices: the search puts them in.
            Some(SplitChoice::Balanced) | None => Split::Even,
        };
        for (expert, expert_tensor) in self.experts(o) {
            for micro_batch_seqs in self.micro_batches(o) {
                for virtual_stages in self.virtuals(o) {
                    for (sharding, replicas) in self.shardings(o) {
                        for recompute in self.recomputes() {
                            out.push(Layout {
                                tensor: o.tensor,
                                sequence_parallel,
                                context: o.context,
                                pipeline: o.pipeline,
                                virtual_stages,
                                expert,
                                expert_tensor,
                                data: o.data,
                                sharding,
                                replicas,
                                micro_batch_seqs,
                                schedule: self.choice.schedule.unwrap_or(Schedule::OneFOneB),
                                split,
                                recompute,
                                offload: self.choice.offload.unwrap_or(Offload::None),
                            });
                        }
                    }
                }
            }
        }
        out
    }

    fn tensors(&self) -> Vec<u32> {
        pick(self.choice.tensor, || {
            let model = &self.workload.model;
            divisors(u64::from(model.n_heads))
                .into_iter()
                .filter(|&t| t <= self.domain && self.n_devices.is_multiple_of(u64::from(t)))
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

    fn virtuals(&self, o: &Outer) -> Vec<u32> {
        pick(self.choice.virtual_stages, || {
            let schedule = self.choice.schedule.unwrap_or(Schedule::OneFOneB);
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
            powers_of_two(16)
                .into_iter()
                .filter(|&b| b == 1 || f64::from(b) <= per_rank)
                .collect()
        })
    }

    fn shardings(&self, o: &Outer) -> Vec<(Sharding, u32)> {
        let ranks = product(&[o.context, o.data]);
        let kinds = pick(self.choice.sharding, || {
            if ranks > 1 {
                vec![Sharding::None, Sharding::Zero1, Sharding::Zero3]
            } else {
                vec![Sharding::None]
            }
        });
        let replicas = self.choice.replicas.unwrap_or(1);
        kinds
            .into_iter()
            .map(|s| (s, if s == Sharding::Zero3 { replicas } else { 1 }))
            .collect()
    }

    fn recomputes(&self) -> Vec<Recompute> {
        pick(self.choice.recompute, || {
            if self.selective_pays {
                vec![Recompute::None, Recompute::Selective, Recompute::Full]
            } else {
                vec![Recompute::None, Recompute::Full]
            }
        })
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
