//! Sizes, names and words of the source files.

use super::{code, shipped, sources};
use crate::support;

/// Longest file; nobody keeps more in mind.
const MAX_LINES: usize = 600;
/// Files above this are named in the output of the test, as a hint.
const LONG_LINES: usize = 400;

/// Endings that say the unit (or that there is none) of a public `f64`.
const SUFFIXES: &[&str] = &[
    "_s",
    "_bytes",
    "_flop",
    "_w",
    "_j",
    "_usd",
    "_kg_co2e",
    "_l",
    "_tokens",
    "_elements",
    "_hz",
    "_fraction",
    "_efficiency",
    "_factor",
    "_ratio",
    // Rates of those.
    "_bytes_per_s",
    "_flop_per_s",
    "_kg_co2e_per_kwh",
    "_l_per_kwh",
    "_usd_per_kwh",
    "_usd_per_device_hour",
    "_usd_per_kw_month",
    "_usd_per_gb_month",
    "_usd_per_gb",
    "_w_per_tb",
    "_flop_per_token",
    "_flop_per_j",
    "_s_per_day",
    // Losses are in the unit of their law.
    "_loss",
    "_exponent",
    "_months",
    "_points",
    "_year",
    "_years",
    "_documents",
    "_per_s_per_device",
    "_bytes_per_device",
    // Counts that are computed with.
    "_seqs",
    "_failures",
    "_params",
];

/// Whole names: rates whose quantity is the struct's, sizes of an operation, and pure ratios.
/// Grow this list only with a count or a ratio; a quantity gets a suffix.
const NAMES: &[&str] = &[
    "tokens",
    "flop",
    "bytes_per_s",
    "usd_per_device_hour",
    "mfu",
    "hfu",
    "goodput",
    "pue",
    "efficiency",
    "number",
    // Sizes of a matrix multiply, of attention and of a group.
    "m",
    "n",
    "k",
    "batch",
    "heads",
    "kv_heads",
    "head_dim_qk",
    "head_dim_v",
    "per_domain",
    "domain",
    "tensor",
    "hidden",
    "tail_blocks",
    "times",
    // Parameters by part of the model.
    "params_total",
    "params_active",
    "attention",
    "latent",
    "ffn",
    "experts",
    "router",
    "norms",
    "dense",
    "trained_dense",
    "trained_expert",
    "expert",
    // Ratios and counts of software stacks and networks.
    "passes",
    "kernels_per_layer",
    "kernels_per_mixture",
    "straggler_sigma",
    "math_slowdown",
    "communication_slowdown",
    "expert_imbalance",
    "oversubscription",
    "node_devices",
    "replica_nodes",
    "rollback_steps",
    "preemptions_per_day",
    "implied_mfu",
    "goodput_low",
    "goodput_high",
    // A cell of a table and the points of a chart carry their unit beside them.
    "value",
    "values",
    "x",
    "y",
    // Absolute relative errors.
    "bias",
    "median_ape",
    "mean_ape",
    "p90_ape",
    "memory_median_ape",
    "memory_bias",
    "family_mean_ape",
    // Quantiles: the field that holds them says the unit.
    "p10",
    "p50",
    "p90",
    // Constants of scaling laws, in the unit of their law.
    "a",
    "alpha",
    "b",
    "beta",
    "c",
    "d",
    "e",
    "g",
    "gamma",
    "delta",
    "lambda",
    "n_c",
    "d_c",
    "alpha_n",
    "alpha_d",
    "r_tokens",
    "r_params",
    "e_start",
    "e_max",
    "coefficient",
    // Whole budgets, passes over data, bits of a number, tokens around a stage.
    "usd",
    "kg_co2e",
    "epochs",
    "bits",
    "tokens_in",
    "tokens_out",
    // Losses, and what a table or a check compares.
    "loss",
    "score",
    "objective",
    "measured",
    "predicted",
    "got",
    "want",
    "low",
    "high",
    "sd",
    "months",
    "year",
    "growth_orders_median",
    // Natural logarithms of ratios and rates.
    "ln_error",
    "ln_measured",
    "width_ln",
    // FLOPs under the other convention; the suffix says which.
    "model_flop_full_attention",
    "train_flop_per_token_full",
];

fn has_unit(name: &str) -> bool {
    NAMES.contains(&name) || name.starts_with("n_") || SUFFIXES.iter().any(|s| name.ends_with(s))
}

#[test]
fn every_public_float_says_its_unit() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for line in code(&text).lines() {
            let Some((name, kind)) = line.trim().strip_prefix("pub ").and_then(|l| l.split_once(": ")) else {
                continue;
            };
            let field = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            let float = field && (kind.starts_with("f64") || kind.starts_with("Option<f64>") || kind.starts_with("Vec<f64>"));
            if float && !has_unit(name) {
                wrong.push(format!("{path}: {name}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "public f64 fields without a unit in their name:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn names_without_a_unit_would_be_noticed() {
    assert!(has_unit("time_s") && has_unit("n_devices") && has_unit("mape_fraction"));
    assert!(!has_unit("time") && !has_unit("bandwidth") && !has_unit("memory_gb") && !has_unit("cost"));
}

#[test]
fn no_source_file_is_too_long() {
    let mut long: Vec<(usize, String)> = sources()
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(n, _)| *n > LONG_LINES)
        .collect();
    long.sort();
    for (n, path) in &long {
        println!("note: {path} has {n} lines");
    }
    long.retain(|(n, _)| *n > MAX_LINES);
    assert!(long.is_empty(), "longer than {MAX_LINES} lines: {long:?}");
}

#[test]
fn nothing_that_is_shipped_gives_up() {
    let words = [
        ".unwrap()",
        ".expect(",
        "panic!(",
        "todo!(",
        "unimplemented!(",
        "unreachable!(",
        "dbg!(",
    ];
    for (path, text) in sources() {
        let text = code(shipped(&path, &text));
        for (i, line) in text.lines().enumerate() {
            let found = words.iter().find(|w| line.contains(**w));
            assert!(found.is_none(), "src/{path}:{}: {found:?}", i + 1);
        }
    }
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    // In pieces, so that this file does not hold what it looks for.
    let words = ["root", "tmp", "work", "home/", "Users"].map(|w| format!("/{}/", w.trim_end_matches('/')));
    let listed = std::process::Command::new("git")
        .args(["ls-files"])
        .current_dir(support::root())
        .output();
    let list = match listed {
        Ok(out) if out.status.success() => String::from_utf8(out.stdout).unwrap(),
        // A packaged crate has no repository; there the sources are the list.
        _ => sources().iter().map(|(p, _)| format!("src/{p}\n")).collect(),
    };
    for path in list.lines() {
        let Ok(text) = std::fs::read_to_string(support::root().join(path)) else {
            continue;
        };
        for (i, line) in text.lines().enumerate() {
            // An address may hold such a word.
            let local = line.split_whitespace().filter(|w| !w.contains("://"));
            let found = local.flat_map(|w| words.iter().filter(move |p| starts_a_path(w, p))).next();
            assert!(found.is_none(), "{path}:{}: {found:?}", i + 1);
        }
    }
}

/// True where `prefix` begins a path instead of continuing one.
fn starts_a_path(word: &str, prefix: &str) -> bool {
    word.match_indices(prefix)
        .any(|(i, _)| !word[..i].ends_with(|c: char| c.is_alphanumeric() || "-_.~}*".contains(c)))
}
