//! `[layout]` of a scenario: what of the layout is fixed.

use super::Builder;
use crate::catalog::Accelerator;
use crate::catalog::raw::Value;
use crate::catalog::reader::Reader;
use crate::layout::{Choice, Layout, Offload, OverlapChoice, Recompute, Schedule, SchedulePlan, Sharding, Split, SplitChoice};

/// `layout.split` by name.
const SPLITS: [(&str, SplitChoice); 2] = [("even", SplitChoice::Given(Split::Even)), ("balanced", SplitChoice::Balanced)];

impl Builder<'_> {
    pub(super) fn layout(&mut self, root: &Reader<'_>, n_layers: Option<u32>) -> Choice {
        let Some(l) = self.section(root, "layout") else {
            return Choice::default();
        };
        let hsdp = l.item("sharding").is_some_and(|i| i.value == Value::Text("hsdp".to_string()));
        let mut choice = Choice {
            tensor: l.count32("tensor", 1),
            sequence_parallel: l.flag("sequence_parallel"),
            context: l.count32("context", 1),
            pipeline: l.count32("pipeline", 1),
            virtual_stages: l.count32("virtual_stages", 1),
            expert: l.count32("expert", 1),
            expert_tensor: l.count32("expert_tensor", 1),
            data: l.count32("data", 1),
            sharding: l.choice("sharding", &Sharding::NAMES),
            replicas: l.count32("replicas", 1),
            micro_batch_seqs: l.count32("micro_batch", 1),
            schedule: l.choice("schedule", &Schedule::NAMES),
            split: None,
            recompute: l.choice("recompute", &Recompute::NAMES),
            offload: l.choice("offload", &Offload::NAMES),
            overlap: OverlapChoice {
                tensor: l.flag("overlap_tensor"),
                data: l.flag("overlap_data"),
                pipeline: l.flag("overlap_pipeline"),
                expert: l.flag("overlap_expert"),
            },
        };
        if let Some(n) = l.count32("recompute_layers", 1) {
            if matches!(choice.recompute, None | Some(Recompute::Full)) {
                choice.recompute = Some(Recompute::Layers(n));
            } else {
                l.problem(
                    "recompute_layers",
                    "`layout.recompute_layers` contradicts `layout.recompute`",
                    "leave recompute out: recompute_layers = 4 computes 4 layers of every chunk again, whole",
                );
            }
        }
        choice.split = split(&l, &choice, n_layers);
        if hsdp && choice.replicas.is_none() {
            l.problem(
                "sharding",
                "`hsdp` needs `layout.replicas`",
                "add replicas = 2 (copies of the sharded model), or write sharding = \"fsdp\"",
            );
        }
        let sharded = matches!(choice.sharding, None | Some(Sharding::Zero3));
        if choice.replicas.is_some_and(|n| n > 1) && !sharded {
            // The search would pass over it without a word.
            l.problem(
                "replicas",
                "`layout.replicas` has no meaning without sharded weights",
                "write sharding = \"hsdp\", or leave replicas out",
            );
        }
        l.finish();
        choice
    }

    /// Offloading crosses a link that must be known.
    pub(super) fn host_link(&self, root: &Reader<'_>, choice: &Choice, accelerator: &Accelerator) {
        let asks = choice.offload.is_some_and(|o| o != Offload::None);
        if !asks || accelerator.host_bytes_per_s.is_some() {
            return;
        }
        let name = &accelerator.name;
        if let Some(l) = self.section(root, "layout") {
            l.problem(
                "offload",
                format!("`layout.offload`: nothing is known of the link between `{name}` and its host"),
                format!("add --set accelerator.{name}.host_bytes_per_s=\"63 GB/s\", or leave offload out"),
            );
        }
    }
}

/// How the layers are dealt. What contradicts itself, the model or the pipeline is a problem here;
/// what depends on degrees that are free is a violation of the layouts for which it is one.
fn split(l: &Reader<'_>, choice: &Choice, n_layers: Option<u32>) -> Option<SplitChoice> {
    let named = l.choice("split", &SPLITS);
    let (first, last) = (l.count32("first_stage_layers", 0), l.count32("last_stage_layers", 0));
    let counts = [l.flag("count_embedding"), l.flag("count_loss")].map(|flag| flag == Some(true));
    let list = l.item("stage_layers").map(|_| l.numbers("stage_layers"));
    // Each way to deal them, by the key that asks for it.
    let mut ways = Vec::new();
    if let Some(list) = &list {
        let whole: Vec<u32> = list.iter().filter_map(|&n| whole(n)).collect();
        if list.is_empty() || whole.len() < list.len() {
            l.problem(
                "stage_layers",
                "`layout.stage_layers` is not a list of whole numbers",
                "write one number of layers per stage, for example [15, 16, 16, 15]",
            );
            return None;
        }
        ways.push(("stage_layers", SplitChoice::Given(Split::explicit(&whole))));
    }
    if first.is_some() || last.is_some() {
        let key = if first.is_some() {
            "first_stage_layers"
        } else {
            "last_stage_layers"
        };
        ways.push((key, SplitChoice::Given(Split::Ends { first, last })));
    }
    if counts.contains(&true) {
        let key = if counts[0] { "count_embedding" } else { "count_loss" };
        let counted = Split::Counted {
            embedding: counts[0],
            loss: counts[1],
        };
        ways.push((key, SplitChoice::Given(counted)));
    }
    // Even numbers with embedding or loss counted are no contradiction.
    let even = named == Some(SplitChoice::Given(Split::Even)) && counts.contains(&true);
    if let Some(named) = named.filter(|_| !even) {
        ways.push(("split", named));
    }
    if let [(a, _), (b, _), ..] = ways[..] {
        l.problem(
            b,
            format!("`layout.{b}` and `layout.{a}` say different things about the same layers"),
            format!("keep one: leave out {a} or {b}"),
        );
        return None;
    }
    let (key, split) = ways.first().copied()?;
    if let (SplitChoice::Given(split), Some(n_layers)) = (split, n_layers) {
        check(l, key, choice, split, n_layers);
    }
    Some(split)
}

/// Hold a split against the model and what is fixed of the pipeline.
fn check(l: &Reader<'_>, key: &str, choice: &Choice, split: Split, n_layers: u32) {
    let schedule = choice.schedule.unwrap_or(Schedule::OneFOneB);
    let virtual_stages = choice.virtual_stages.or(schedule.virtual_stages());
    let (pipeline, virtual_stages) = match split {
        Split::Explicit(list) => {
            // Free degrees are those that the numbers are made for.
            let n = u32::try_from(list.len()).unwrap_or(u32::MAX);
            let pipeline = choice
                .pipeline
                .unwrap_or(n / virtual_stages.filter(|&v| n.is_multiple_of(v)).unwrap_or(1));
            let chunks = if n.is_multiple_of(pipeline) { n / pipeline } else { 1 };
            (Some(pipeline), Some(virtual_stages.unwrap_or(chunks)))
        }
        Split::Ends { .. } => (choice.pipeline, Some(1)),
        _ => (choice.pipeline, virtual_stages),
    };
    let (Some(pipeline), Some(virtual_stages)) = (pipeline, virtual_stages) else {
        return;
    };
    let layout = Layout {
        pipeline,
        virtual_stages,
        schedule,
        ..Layout::single()
    };
    if let Some(why) = split.refused(n_layers, &SchedulePlan::of(&layout, 1.0)) {
        l.problem(key, format!("`layout.{key}`: {why}"), why.remedy());
    }
}

fn whole(number: f64) -> Option<u32> {
    let small = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    small.then_some(number as u32)
}
