//! Which stack ran a published run, and with which of its switches: rules over the words of a row.
//!
//! The rules are data (`profiles/stacks/software.toml`, which says how they are read). They see
//! what was run, never how fast it was.

use super::fit::line;
use super::rows::Row;
use crate::catalog::raw::{self, Tree};
use crate::catalog::reader::{Bounds::Within, Problems, Reader};
use crate::catalog::{Catalog, Entity, Kind, Stack, source};
use crate::error::{At, Diagnostic, Origin};
use crate::units::Unit;
use std::sync::{Arc, OnceLock};

/// Conditions on the cells of a row; an empty list asks for nothing.
#[derive(Debug, Clone, Default)]
struct Where {
    software: Vec<String>,
    source: Vec<String>,
    notes: Vec<String>,
    kind: Vec<String>,
    precision: Vec<String>,
    accelerator: Vec<String>,
    after: Option<String>,
    before: Option<String>,
}

/// The stack of the rows that its conditions hold for.
#[derive(Debug, Clone)]
struct Rule {
    when: Where,
    stack: String,
    known: bool,
    usual_precision: Option<String>,
    adapts_all: bool,
    profile: Option<String>,
}

/// Something that a row says of its configuration, with what that means for the stack.
#[derive(Debug, Clone)]
struct Feature {
    name: String,
    when: Where,
    words: Vec<String>,
    unless: Vec<String>,
    stacks: Vec<String>,
    set: Tree,
    like: Option<String>,
    keys: Vec<String>,
    document_tokens: Option<f64>,
}

/// Rules and features, each in order.
#[derive(Debug, Default)]
struct Table {
    rules: Vec<Rule>,
    features: Vec<Feature>,
}

/// The stack of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// Catalog name.
    pub stack: &'static str,
    /// A rule knows the program; otherwise the stack is a guess.
    pub known: bool,
    /// Format that it usually computes in, where a row does not say.
    pub usual_precision: Option<&'static str>,
    /// Its adapters usually sit beside every linear, not only those of attention.
    pub adapts_all: bool,
    /// Profile of the machine that it ran on, where that was measured apart from others of the part.
    pub profile: Option<&'static str>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let text = source::embedded()
            .find(|(path, _)| path == source::SOFTWARE)
            .map_or("", |(_, text)| text);
        read(text).0
    })
}

fn read(text: &str) -> (Table, Vec<Diagnostic>) {
    let origin = Arc::new(Origin {
        name: format!("builtin:{}", source::SOFTWARE),
        text: text.to_string(),
    });
    let (tree, mut problems) = raw::parse(&origin);
    let found = Problems::default();
    let whole = Reader::new(&tree, "", &At { origin, span: 0..0 }, &found);
    whole.skip(&["format"]);
    let rules = whole.tables("rule").iter().map(rule).collect();
    let features = whole.tables("feature").iter().map(feature).collect();
    whole.finish();
    problems.extend(found.into_list());
    (Table { rules, features }, problems)
}

fn words(r: &Reader<'_>, key: &str) -> Vec<String> {
    r.texts(key).iter().map(|w| w.to_lowercase()).collect()
}

/// Conditions of a rule, or of a feature, whose `source` is where it is from and not of the row.
fn conditions(r: &Reader<'_>, source: &str) -> Where {
    Where {
        software: words(r, "software"),
        source: words(r, source),
        notes: words(r, "notes"),
        kind: words(r, "kind"),
        precision: words(r, "precision"),
        accelerator: words(r, "accelerator"),
        after: r.text("after"),
        before: r.text("before"),
    }
}

fn rule(r: &Reader<'_>) -> Rule {
    let rule = Rule {
        when: conditions(r, "source"),
        stack: r.need_text("stack"),
        known: r.flag("known").unwrap_or(true),
        usual_precision: r.text("usual_precision"),
        adapts_all: r.flag("adapts_all").unwrap_or(false),
        profile: r.text("profile"),
    };
    r.finish();
    rule
}

fn feature(r: &Reader<'_>) -> Feature {
    r.skip(&["source", "estimates"]);
    let set = r.item("set").and_then(|item| match &item.value {
        raw::Value::Table(tree) => Some(tree.clone()),
        _ => None,
    });
    let feature = Feature {
        name: r.need_text("name"),
        when: conditions(r, "from"),
        words: words(r, "words"),
        unless: words(r, "unless"),
        stacks: r.texts("stacks"),
        set: set.unwrap_or_default(),
        like: r.text("like"),
        keys: r.texts("keys"),
        document_tokens: r.number("document_tokens", Unit::Tokens, Within(1.0, 1e9)),
    };
    r.finish();
    feature
}

/// What the rules look at, in lower case.
struct Cells {
    software: String,
    source: String,
    kind: String,
    precision: String,
    accelerator: String,
    date: String,
    /// Parts of what was run, as people write it.
    parts: Vec<String>,
}

impl Cells {
    fn of(row: &Row) -> Cells {
        let cell = |column: &str| row.text(column).unwrap_or("").to_lowercase();
        let parts = ["software", "attention_impl", "notes"].map(cell);
        let parts = parts.iter().flat_map(|t| t.split([';', ',']));
        Cells {
            software: cell("software"),
            source: cell("source"),
            kind: cell("kind"),
            precision: cell("precision"),
            accelerator: cell("accelerator"),
            date: cell("date"),
            parts: parts.map(|p| p.trim().to_string()).collect(),
        }
    }
}

impl Where {
    fn holds(&self, cells: &Cells) -> bool {
        let any = |words: &[String], test: &dyn Fn(&str) -> bool| words.is_empty() || words.iter().any(|w| test(w));
        any(&self.software, &|w| cells.software.contains(w))
            && any(&self.source, &|w| cells.source.contains(w))
            && any(&self.notes, &|w| cells.parts.iter().any(|p| p.contains(w)))
            && any(&self.kind, &|w| cells.kind == w)
            && any(&self.precision, &|w| cells.precision == w)
            && any(&self.accelerator, &|w| cells.accelerator.starts_with(w))
            // Dates are written year first, so they compare as texts; what has none is in no period.
            && self.after.as_ref().is_none_or(|d| cells.date >= *d)
            && self.before.as_ref().is_none_or(|d| !cells.date.is_empty() && cells.date < *d)
    }
}

impl Feature {
    fn holds(&self, cells: &Cells, stacks: &[String]) -> bool {
        let says = |part: &String| {
            let has = |words: &[String]| words.iter().any(|w| part.contains(w));
            *part == self.name || (has(&self.words) && !has(&self.unless))
        };
        (self.stacks.is_empty() || self.stacks.iter().any(|s| stacks.contains(s)))
            && self.when.holds(cells)
            && (self.words.is_empty() || cells.parts.iter().any(says))
    }
}

/// The stack that ran a row.
#[must_use]
pub fn ran(row: &Row) -> Ran {
    let cells = Cells::of(row);
    let rule = table().rules.iter().find(|r| r.when.holds(&cells));
    rule.map_or(
        Ran {
            stack: "megatron-core",
            known: false,
            usual_precision: None,
            adapts_all: false,
            profile: None,
        },
        |rule| Ran {
            stack: &rule.stack,
            known: rule.known,
            usual_precision: rule.usual_precision.as_deref(),
            adapts_all: rule.adapts_all,
            profile: rule.profile.as_deref(),
        },
    )
}

fn found(row: &Row, catalog: &Catalog) -> Vec<&'static Feature> {
    let cells = Cells::of(row);
    let stacks = line(ran(row).stack, catalog);
    table().features.iter().filter(|f| f.holds(&cells, &stacks)).collect()
}

/// Names of what a row says of its configuration.
#[must_use]
pub fn features(row: &Row, catalog: &Catalog) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for feature in found(row, catalog) {
        if !names.contains(&feature.name.as_str()) {
            names.push(&feature.name);
        }
    }
    names
}

/// Mean length of the documents that the sequences of a row are packed from, where it says so.
#[must_use]
pub fn document_tokens(row: &Row, catalog: &Catalog) -> Option<f64> {
    found(row, catalog).iter().rev().find_map(|f| f.document_tokens)
}

/// The stack of a row with its features laid over.
///
/// # Errors
/// A reason, when the catalog in use does not have the stack or it is wrong.
pub fn stack(row: &Row, catalog: &Catalog) -> Result<Stack, String> {
    let entry = |name: &str| catalog.entry(Kind::Stack, name).map_err(|e| e.to_string());
    let base = entry(ran(row).stack)?;
    let mut tree = base.tree.clone();
    for feature in found(row, catalog) {
        if let Some(like) = &feature.like {
            let other = &entry(like)?.tree;
            let items = feature.keys.iter().filter_map(|k| Some((k.clone(), other.get(k)?.clone())));
            tree.edit().extend(items);
        }
        tree = tree.overlaid(&feature.set);
    }
    let problems = Problems::default();
    let reader = Reader::new(&tree, &format!("stack.{}", base.name), &base.at, &problems);
    let stack = Stack::read(&base.name, &reader, catalog);
    reader.finish();
    let first = problems.into_list().into_iter().next();
    first.map_or(Ok(stack), |p| Err(p.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Profile;
    use crate::study::rows::row;

    fn text() -> &'static str {
        source::embedded().find(|(path, _)| path == source::SOFTWARE).unwrap().1
    }

    #[test]
    fn every_rule_and_feature_is_sound() {
        let (table, problems) = read(text());
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
        assert!(table.rules.len() > 30 && table.features.len() > 30);
        let catalog = Catalog::builtin();
        for rule in &table.rules {
            assert!(catalog.get::<Stack>(&rule.stack).is_ok(), "{}", rule.stack);
            let profile = rule.profile.as_deref();
            assert!(profile.is_none_or(|p| catalog.get::<Profile>(p).is_ok()), "{profile:?}");
        }
        let (last, others) = table.rules.split_last().unwrap();
        assert!(!last.known && others.iter().all(|r| r.known));
        for feature in &table.features {
            let name = &feature.name;
            assert!(!feature.words.is_empty() || !feature.when.precision.is_empty(), "{name}");
            assert!(!name.contains(|c: char| c.is_uppercase() || ",; ".contains(c)), "{name}");
            assert_eq!(feature.like.is_some(), !feature.keys.is_empty(), "{name}");
            // Each sets keys that a stack has, to values that it may have.
            let stack = feature.stacks.first().map_or("megatron-core", String::as_str);
            let said = row(&[("software", stack), ("notes", name), ("precision", "nvfp4")]);
            assert!(super::stack(&said, &catalog).is_ok(), "{name}");
            let like = feature.like.iter().chain(&feature.stacks);
            assert!(like.clone().all(|s| catalog.get::<Stack>(s).is_ok()), "{name}");
        }
    }

    #[test]
    fn every_feature_names_its_source() {
        let entries: Vec<&str> = text().split("[[feature]]").skip(1).collect();
        let bare = entries.iter().find(|e| !e.contains("\nsource = "));
        assert!(bare.is_none(), "{bare:?}");
    }

    #[test]
    fn no_word_is_one_of_a_measurement() {
        let outcomes = [
            "flop",
            "tok/s",
            "tokens/s",
            "mfu",
            "hfu",
            "predicted",
            "peak",
            "measured",
            "seconds",
            "gib",
        ];
        let (table, _) = read(text());
        let looked_for = table.features.iter().flat_map(|f| f.words.iter().chain(&f.unless));
        for word in looked_for.chain(table.rules.iter().flat_map(|r| &r.when.notes)) {
            assert!(!outcomes.iter().any(|o| word.contains(o)), "{word}");
            // Numbers in words are formats and names: bf16, p2p, a2a, fp8.
            assert!(
                !word.starts_with(|c: char| c.is_ascii_digit()) && !word.contains('.') || word.contains("torch."),
                "{word}"
            );
        }
    }

    #[test]
    fn software_tells_the_stack() {
        for (software, stack) in [
            ("Megatron-DeepSpeed", "megatron-deepspeed"),
            ("Megatron-LM 23e00ed + TransformerEngine 2.11.0", "megatron-lm-2025"),
            ("LLM Foundry + Composer, PyTorch FSDP", "llm-foundry"),
            ("Neuron SDK 2.15.0 nemo-megatron", "neuron"),
            ("PaXML (JAX)", "paxml"),
            ("torchtitan", "torchtitan"),
            ("Hugging Face (PyTorch FSDP/DDP)", "hugging-face"),
            ("NeMo 26.02 / Megatron-Bridge", "megatron-bridge"),
            ("NeMo (container of dgxc v25.02)", "nemo-2024"),
            ("NeMo-Megatron launcher", "nemo-2023"),
            ("something new", "megatron-core"),
        ] {
            let got = ran(&row(&[("software", software)]));
            assert_eq!((got.stack, got.known), (stack, software != "something new"), "{software}");
        }
        let with = |key, value, software| ran(&row(&[("software", software), (key, value)])).stack;
        assert_eq!(with("accelerator", "h100-sxm-80gb", "MaxText"), "maxtext-gpu");
        assert_eq!(with("accelerator", "tpu-v5p", "MaxText"), "maxtext");
        assert_eq!(with("kind", "mlperf", "PyTorch"), "mlperf-nvidia");
        assert_eq!(with("date", "2022-03", "NeMo-Megatron launcher"), "nemo-2022");
        assert_eq!(with("date", "2023-07", "NeMo-Megatron launcher"), "nemo-2023");
        assert_eq!(with("date", "2025-09-30", "NeMo"), "megatron-bridge");
        assert_eq!(with("notes", "FSDP", "torchtitan"), "torchtitan-eager");
        assert_eq!(with("notes", "FSDP + torch.compile", "torchtitan"), "torchtitan");
    }

    #[test]
    fn words_of_a_row_set_switches_of_its_stack() {
        let catalog = Catalog::builtin();
        let said = |software: &str, notes: &str| {
            let row = row(&[("software", software), ("notes", notes)]);
            (features(&row, &catalog), stack(&row, &catalog).unwrap())
        };
        let (names, plain) = said("LLM Foundry", "mock data");
        assert!(names.is_empty());
        let (names, compiled) = said("LLM Foundry", "torch.compile; mixed_precision PURE");
        assert_eq!(names, ["torch-compile", "bf16-gradients"]);
        let fused: Stack = catalog.get("pytorch-fsdp").unwrap();
        assert!((compiled.passes - fused.passes).abs() < 1e-12 && plain.passes > compiled.passes);
        assert!(plain.fp32_gradients && !compiled.fp32_gradients);
        assert_eq!(
            said("Megatron-LM", "no EP overlap; EP A2A overlap on the way").0,
            ["expert-overlap"]
        );
        assert!(said("Megatron-LM", "no EP overlap, CUDA graphs off").0.is_empty());
        let (names, whole) = said("Megatron-LM", "CUDA graph local(full_iteration)");
        assert_eq!((names, whole.launch_s), (vec!["full-iteration-graph"], 0.0));
        // The name of a feature is a word of it.
        assert_eq!(
            said("Megatron-LM 2022", "flash-attention; no-tensor-overlap").0,
            ["flash-attention", "no-tensor-overlap"]
        );
        assert!(!said("Megatron-LM", "Megatron fused softmax (no flash)").1.skips_masked);
    }
}
