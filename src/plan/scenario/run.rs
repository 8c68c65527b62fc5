//! `[reliability]`: failures, checkpoints, pauses; `[[phases]]`: stretches of the run that differ.

use super::Builder;
use super::training::global_batch;
use crate::catalog::reader::{Bounds, Reader};
use crate::catalog::reliability::{changed, values};
use crate::catalog::{Cluster, Kind, Reliability, show};
use crate::layout::Choice;
use crate::plan::{Course, Phase};
use crate::run::checkpoint::STORAGE_EVERY_S;
use crate::run::{Evaluation, SaveMode, Saving};
use crate::units::{self, Unit};
use crate::workload::Workload;
use Bounds::{Positive, Within};

/// Phases' tokens may miss the run's by this: `2.87T` is rounded.
const ROUNDED_FRACTION: f64 = 1e-3;

impl Builder<'_> {
    /// Failures with what the scenario changes of them, and the course of the run.
    pub(super) fn reliability(&mut self, root: &Reader<'_>, cluster: Option<&Cluster>) -> (Option<Reliability>, Course) {
        let Some(r) = self.section(root, "reliability") else {
            return (None, Course::default());
        };
        let base = match r.text("use") {
            Some(name) => self.get::<Reliability>(&name, &r.place("use")),
            None => cluster.map(|c| c.reliability.clone()),
        };
        let base = base.unwrap_or_else(|| Reliability::plain("default"));
        let reliability = changed(base, &r);
        let every_s = r.written("checkpoint_every", Unit::S, Positive);
        let storage_every = r.written("storage_checkpoint_every", Unit::S, Positive);
        let mode = r.choice("checkpoint", &SaveMode::ALL);
        let asynchronous = r.flag("asynchronous_checkpoint");
        if mode.is_some() && asynchronous.is_some() {
            r.problem(
                "asynchronous_checkpoint",
                "`reliability.asynchronous_checkpoint` and `reliability.checkpoint` say the same thing twice",
                "keep checkpoint = \"synchronous\", \"asynchronous\" or \"memory\"",
            );
        }
        if storage_every.is_some() && mode != Some(SaveMode::Memory) {
            r.problem(
                "storage_checkpoint_every",
                "`reliability.storage_checkpoint_every` has no meaning when every checkpoint goes to storage",
                "add checkpoint = \"memory\", or write checkpoint_every",
            );
        }
        if reliability.elastic && reliability.spares.is_none() {
            r.problem(
                "elastic",
                "`reliability.elastic` has no meaning while a node is always replaced within the restart",
                "add spares = 0, or as many as there are",
            );
        }
        let evaluation = evaluation(&r);
        r.finish();
        let from_flag = match asynchronous {
            Some(true) => SaveMode::Asynchronous,
            _ => SaveMode::Synchronous,
        };
        let saving = Saving {
            mode: mode.unwrap_or(from_flag),
            every_s,
            storage_every_s: storage_every.unwrap_or(STORAGE_EVERY_S),
        };
        (Some(reliability), Course { saving, evaluation })
    }

    /// Name every number that the goodput rests on and nobody gave.
    pub(super) fn note_reliability(&mut self, root: &Reader<'_>, reliability: &Reliability, course: &Course) {
        let section = root.item("reliability").and_then(|_| root.table("reliability"));
        let given = |key: &str| section.as_ref().is_some_and(|r| r.item(key).is_some());
        let Ok(entry) = self.catalog.entry(Kind::Reliability, &reliability.name) else {
            return;
        };
        let facts = show::known_facts(entry);
        // What is off says nothing: it is named in the documentation of `[reliability]`.
        let off = ["never", "0 s", "0"];
        let list: Vec<(String, String, String)> = values(reliability)
            .into_iter()
            .filter(|(said, _, value)| !given(said) && !off.contains(&value.as_str()) && applies(said, reliability, course))
            .map(|(said, key, value)| {
                let is_it = |f: &&show::Fact| f.key.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                let found = facts.iter().find(is_it);
                let source = found.and_then(|f| f.source.clone()).unwrap_or_else(|| "default".to_string());
                (format!("reliability.{said}"), value, source)
            })
            .collect();
        for (key, value, source) in list {
            self.assume(&key, value, source);
        }
        if let Some(n) = reliability.spares {
            let text = format!("{n} beside cluster.nodes, not billed");
            self.assume("reliability.spares", text, "given");
        }
        if course.saving.mode == SaveMode::Memory && !given("storage_checkpoint_every") {
            let text = "default: Meta's typical interval, https://arxiv.org/abs/2410.21680";
            self.assume("reliability.storage_checkpoint_every", units::duration(STORAGE_EVERY_S), text);
        }
        if !given("checkpoint") && !given("asynchronous_checkpoint") {
            self.assume("reliability.checkpoint", SaveMode::Synchronous.name(), "default");
        }
    }

    /// `[[phases]]` in order; what a phase leaves out is that of `[training]` and `[layout]`.
    pub(super) fn phases(&mut self, root: &Reader<'_>, workload: Option<&Workload>, choice: &Choice, n_layers: Option<u32>) -> Vec<Phase> {
        if root.item("phases").is_none() {
            return Vec::new();
        }
        let tables = root.tables("phases");
        let Some(workload) = workload else {
            // Its problems are told; those of the phases would follow from them.
            for t in &tables {
                t.skip(&["name", "tokens", "sequence", "global_batch", "layout"]);
            }
            return Vec::new();
        };
        let mut out = Vec::new();
        for (i, t) in tables.iter().enumerate() {
            if let Some(phase) = self.phase(t, i, workload, choice, n_layers) {
                out.push(phase);
            }
        }
        let total: f64 = out.iter().map(|p| p.total_tokens).sum();
        let off = (total / workload.total_tokens - 1.0).abs();
        if out.len() == tables.len() && !out.is_empty() && off > ROUNDED_FRACTION {
            root.problem(
                "phases",
                format!(
                    "the phases have {} tokens, `training.tokens` is {}",
                    units::si(total, ""),
                    units::si(workload.total_tokens, "")
                ),
                "make the tokens of the phases sum to training.tokens",
            );
        }
        out
    }

    fn phase(&mut self, t: &Reader<'_>, i: usize, workload: &Workload, choice: &Choice, n_layers: Option<u32>) -> Option<Phase> {
        let name = t.text("name").unwrap_or_else(|| format!("phase {}", i + 1));
        if t.item("tokens").is_none() {
            t.problem("tokens", format!("`{}` is missing", t.name("tokens")), "add tokens = \"800B\"");
        }
        let tokens = t.number("tokens", Unit::Tokens, Within(1.0, 1e18));
        #[allow(clippy::cast_precision_loss)]
        let seq_len_tokens = t.count("sequence", 1, 1 << 30).map_or(workload.seq_len_tokens, |n| n as f64);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let batch = global_batch(t, seq_len_tokens as u64);
        // The batch of the run in tokens, as near as whole sequences come.
        let usual = (workload.step_tokens() / seq_len_tokens).round().max(1.0);
        let own = t.item("layout").is_some();
        let choice = if own { self.layout(t, n_layers) } else { *choice };
        t.finish();
        Some(Phase {
            name,
            total_tokens: tokens?,
            seq_len_tokens,
            global_batch_seqs: batch.unwrap_or(usual),
            choice,
        })
    }
}

/// Whether a number can change the answer of this scenario.
fn applies(key: &str, r: &Reliability, course: &Course) -> bool {
    match key {
        "burn_in" | "burn_in_factor" => r.burn_in_factor > 1.0,
        "replace_fraction" | "repair" => r.spares.is_some(),
        "rollback_steps" => r.spikes_per_trillion_tokens > 0.0,
        "preemption_wait" => r.preemptions_per_day > 0.0,
        "maintenance" | "maintenance_every" => r.maintenance_s > 0.0,
        "copies_lost_fraction" => course.saving.mode == SaveMode::Memory,
        "delivered_fraction" => r.delivered_fraction < 1.0,
        "unscreened_factor" | "screening" => r.unscreened_factor > 1.0,
        _ => true,
    }
}

/// Evaluations that stop training: both keys or none.
fn evaluation(r: &Reader<'_>) -> Option<Evaluation> {
    let every = r.count32("evaluation_every_steps", 1);
    let pause = r.written("evaluation", Unit::S, Within(0.0, 1e7));
    let missing = match (every, pause) {
        (Some(_), None) if r.item("evaluation").is_none() => "evaluation",
        (None, Some(_)) if r.item("evaluation_every_steps").is_none() => "evaluation_every_steps",
        _ => "",
    };
    if !missing.is_empty() {
        let there = if missing == "evaluation" {
            "evaluation_every_steps"
        } else {
            "evaluation"
        };
        r.problem(
            there,
            format!("`{}` is missing beside `{}`", r.name(missing), r.name(there)),
            "write both: evaluation_every_steps = 1000 and evaluation = \"12 min\"",
        );
    }
    Some(Evaluation {
        n_steps_between: f64::from(every?),
        pause_s: pause?,
    })
}
