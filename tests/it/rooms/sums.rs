//! Wholes are the sums of their parts.

use super::strategy::{CASES, config, small};
use crate::support::{plan_text, with_scenario};
use exaplan::catalog::{Catalog, Kind, Model};
use exaplan::layout::memory::device_params;
use exaplan::layout::split::chunk_sizes;
use exaplan::layout::{Layout, stages};
use exaplan::workload::{Optimizer, Precision, Workload, count};
use proptest::prelude::*;

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn the_parts_of_time_sum_to_the_time(draw in small()) {
        if let Ok(plan) = plan_text(&draw.fixed(), &[]) {
            let step: f64 = plan.step.parts.list().iter().map(|(_, s)| s).sum();
            prop_assert!(close(step, plan.step.time_s));
            prop_assert!(plan.step.parts.list().iter().all(|(_, s)| *s >= 0.0), "{:?}", plan.step.parts);
            let run = plan.run;
            prop_assert!(close(run.ideal_s + run.lost.total_s(), run.wall_s));
            prop_assert!(run.lost.list().iter().all(|(_, s)| *s >= 0.0), "{:?}", run.lost);
            prop_assert!(run.goodput > 0.0 && run.goodput <= 1.0);
            prop_assert!(plan.step.mfu > 0.0 && plan.step.mfu < 1.0 && plan.step.hfu < 1.0, "{} {}", plan.step.mfu, plan.step.hfu);
            let evidence: f64 = plan.step.evidence.values().sum();
            prop_assert!(close(evidence, 1.0), "{:?}", plan.step.evidence);
            if let Some(cloud) = &plan.bill.cost.cloud {
                prop_assert!(close(cloud.compute_usd + cloud.storage_usd, cloud.total_usd));
                prop_assert!(cloud.price_low_total_usd <= cloud.total_usd && cloud.total_usd <= cloud.price_high_total_usd);
            }
        }
    }

    #[test]
    fn every_token_is_trained_on_once(draw in small()) {
        if let Ok(plan) = plan_text(&draw.fixed(), &[]) {
            let (w, l) = (&plan.scenario.workload, &plan.layout);
            let micro = l.n_micro_batches(w.global_batch_seqs);
            prop_assert_eq!(micro.fract(), 0.0);
            prop_assert_eq!(micro * f64::from(l.micro_batch_seqs) * f64::from(l.data) * w.seq_len_tokens, plan.step.tokens);
            #[allow(clippy::cast_precision_loss)]
            let n = plan.run.n_steps as f64;
            prop_assert!(n * plan.step.tokens >= w.total_tokens && (n - 1.0) * plan.step.tokens < w.total_tokens);
            prop_assert_eq!(l.n_devices(), plan.scenario.n_devices());
        }
    }

    #[test]
    fn more_nodes_at_the_same_batch_never_take_more_steps(draw in small()) {
        let more = format!("cluster.nodes={}", draw.nodes * 2);
        if let (Ok(a), Ok(b)) = (plan_text(&draw.fixed(), &[]), plan_text(&draw.fixed(), &[&more])) {
            prop_assert_eq!(a.run.n_steps, b.run.n_steps);
            prop_assert!(b.run.job_mtbf_s < a.run.job_mtbf_s);
        }
    }

    #[test]
    fn chunks_hold_every_layer_once(layers in 1u32..400, chunks in 1u32..400) {
        let sizes = chunk_sizes(layers, chunks);
        prop_assert_eq!(sizes.len(), chunks as usize);
        if chunks <= layers + 2 {
            prop_assert_eq!(sizes.iter().sum::<u32>(), layers);
        }
    }

    #[test]
    fn reading_the_same_scenario_twice_gives_the_same_bits(draw in small()) {
        let once = || with_scenario(&draw.fixed(), &[], |s, c| exaplan::plan::plan(s, c).map(|p| format!("{p:?}")).map_err(|e| e.to_string())).unwrap();
        prop_assert_eq!(once(), once());
    }
}

fn workload(model: Model) -> Workload {
    let precision = Precision::recipe(exaplan::catalog::DType::Bf16, Optimizer::AdamW, true);
    Workload {
        adapter: None,
        document_tokens: None,
        model,
        seq_len_tokens: 2048.0,
        global_batch_seqs: 64.0,
        total_tokens: 1e12,
        precision,
        optimizer: Optimizer::AdamW,
    }
}

#[test]
fn the_stages_hold_the_parameters_of_the_model() {
    let catalog = Catalog::builtin();
    let mut tried = 0;
    for entry in catalog.entries(Kind::Model).entries.values() {
        let model: Model = catalog.get(&entry.name).unwrap();
        let workload = workload(model.clone());
        let total = count(&model, workload.seq_len_tokens).params_total;
        for (pipeline, virtual_stages) in [(1, 1), (2, 1), (4, 1), (2, 3)] {
            if pipeline * virtual_stages > model.n_layers {
                continue;
            }
            let layout = Layout {
                pipeline,
                virtual_stages,
                ..Layout::single()
            };
            let held: f64 = stages(&model, &layout)
                .iter()
                .map(|s| device_params(&workload, &layout, s))
                .map(|p| p.dense + p.expert)
                .sum();
            // A tied head away from the embedding keeps a copy of it.
            let copy = if model.tied_embeddings && pipeline > 1 {
                f64::from(model.vocab) * f64::from(model.hidden)
            } else {
                0.0
            };
            assert!(
                close(held, total + copy),
                "{} on {pipeline} stages: {held:e}, the model has {total:e}",
                model.name
            );
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}
