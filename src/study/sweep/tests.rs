//! Studies from texts: axes, numbers, conditions, shards, and rows that are those of single plans.

use super::row::{Cell, column, figures};
use super::*;
use crate::catalog::Catalog;
use crate::error::{Error, Origin};
use crate::plan::{Scenario, plan};
use std::sync::Arc;

fn origin(text: &str) -> Arc<Origin> {
    Arc::new(Origin {
        name: "study.toml".to_string(),
        text: format!("scenario = \"llama3-405b\"\n{text}"),
    })
}

fn study(text: &str) -> Study {
    Study::parse(&origin(text)).unwrap()
}

/// The values of the only axis with these keys.
fn points(keys: &str) -> Vec<String> {
    let study = study(&format!("[[axis]]\npath = \"a.b\"\n{keys}"));
    study.axes[0].values.iter().map(|point| point[0].literal()).collect()
}

fn problem(text: &str) -> String {
    match Study::parse(&origin(text)) {
        Err(Error::Invalid(list)) => list.iter().map(|d| format!("{d}\n")).collect(),
        other => format!("{other:?}"),
    }
}

#[test]
fn ranges_have_the_points_they_say() {
    assert_eq!(
        points("values = [1, 2.5, \"3 TB/s\", true, [1, 2]]"),
        ["1", "2.5", "\"3 TB/s\"", "true", "[1, 2]"]
    );
    assert_eq!(points("from = 1\nto = 16\nfactor = 2"), ["1", "2", "4", "8", "16"]);
    assert_eq!(points("from = 0.1\nto = 0.4\nstep = 0.1"), ["0.1", "0.2", "0.3", "0.4"]);
    assert_eq!(points("from = 1.0\nto = 2.0\nn = 3"), ["1.0", "1.5", "2.0"]);
    assert_eq!(
        points("from = \"1T\"\nto = \"16T\"\nn = 3\nlog = true"),
        ["\"1T\"", "\"4T\"", "\"16T\""]
    );
    assert_eq!(
        points("from = \"256 sequences\"\nto = \"1024 sequences\"\nfactor = 2"),
        ["\"256 sequences\"", "\"512 sequences\"", "\"1024 sequences\""]
    );
    // Between whole ends lie whole numbers, each once: 1, 1.33, 1.67, 2 by rounding.
    assert_eq!(points("from = 1\nto = 2\nn = 4"), ["1", "2"]);
    assert_eq!(points("from = 8\nto = 8\nn = 1"), ["8"]);
    assert_eq!(points("from = 5\nto = 1\nn = 3"), ["5", "3", "1"]);
}

#[test]
fn cases_are_numbered_with_what_a_step_rests_on_slowest() {
    let study = study(
        "[[axis]]\npath = \"training.tokens\"\nvalues = [\"1T\", \"2T\", \"3T\"]\n[[axis]]\npath = \"cluster.nodes\"\nvalues = [64, 128]\n\
         [[axis]]\nzip = { cost.owned = [true, false], \"cost.finance\" = [\"default\", \"default\"] }",
    );
    assert_eq!(
        study.paths().collect::<Vec<_>>(),
        ["cluster.nodes", "training.tokens", "cost.owned", "cost.finance"]
    );
    assert_eq!((study.n_numbers(), study.n_per_step()), (12, 6));
    // 9 = 1 · 6 + 1 · 2 + 1.
    assert_eq!(study.points(9), [1, 1, 1]);
    assert_eq!(
        study.overrides(9),
        [
            "cluster.nodes=128",
            "training.tokens=\"2T\"",
            "cost.owned=false",
            "cost.finance=\"default\""
        ]
    );
    for number in 0..study.n_numbers() {
        assert_eq!(study.number(&study.points(number)), number);
    }
}

#[test]
fn filters_drop_cases() {
    let axes = "[[axis]]\npath = \"layout.tensor\"\nvalues = [1, 2, 4, 8]\n[[axis]]\npath = \"layout.pipeline\"\nvalues = [1, 2, 4]\n\
                [[axis]]\npath = \"cluster.accelerator\"\nvalues = [\"h100-sxm-80gb\", \"h200-sxm\"]";
    let kept = |filters: &str| {
        let study = study(&format!("filters = {filters}\n{axes}"));
        (0..study.n_numbers()).filter(|n| study.has(*n)).count()
    };
    assert_eq!(kept("[]"), 24);
    assert_eq!(kept("[\"layout.tensor <= 2\"]"), 12);
    // Products up to 8: of (1, 2, 4, 8) × (1, 2, 4) all but 4·4, 8·2 and 8·4.
    assert_eq!(kept("[\"layout.tensor * layout.pipeline <= 8\"]"), 18);
    assert_eq!(kept("[\"layout.tensor / layout.pipeline == 2\"]"), 2 * 3);
    assert_eq!(kept("[\"cluster.accelerator != 'h200-sxm'\", \"layout.tensor > 1\"]"), 9);
    assert!(problem(&format!("filters = [\"layout.tensr < 2\"]\n{axes}")).contains("did you mean `layout.tensor`?"));
    assert!(problem(&format!("filters = [\"layout.tensor\"]\n{axes}")).contains("compares nothing"));
    assert!(problem(&format!("filters = [\"cluster.accelerator < 2\"]\n{axes}")).contains("is no number"));
}

#[test]
fn every_case_is_in_one_shard() {
    let sizes = [("", 1), ("filters = [\"a.b != 7\"]\n", 1), ("", 700)];
    for (filters, n) in sizes {
        let study = study(&format!(
            "{filters}[[axis]]\npath = \"a.b\"\nfrom = 1\nto = 97\nstep = 1\n[[axis]]\npath = \"a.c\"\nfrom = 1\nto = {n}\nstep = 1"
        ));
        let whole: Vec<u64> = Shard::WHOLE.cases(&study, 0).collect();
        assert_eq!(whole.len() as u64, Shard::WHOLE.n_cases(&study));
        for count in [1, 2, 3, 7, 64, 500] {
            let mut all = Vec::new();
            for index in 0..count {
                let shard = Shard { index, count };
                let cases: Vec<u64> = shard.cases(&study, 0).collect();
                assert!(cases.is_sorted() && cases.iter().all(|c| Shard::owner(&study, *c, count) == index));
                // Going on anywhere gives the rest.
                for at in [0, cases.len() / 3, cases.len().saturating_sub(1)] {
                    let from = cases.get(at).copied().unwrap_or(u64::MAX / 2);
                    assert_eq!(
                        shard.cases(&study, from).collect::<Vec<_>>(),
                        cases[at.min(cases.len())..],
                        "{count}"
                    );
                }
                all.extend(cases);
            }
            all.sort_unstable();
            assert_eq!(all, whole, "{count}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_study_is_said() {
    for (text, words) in [
        ("", "varies nothing"),
        ("[[axis]]\nvalues = [1]", "needs `path` or `zip`"),
        ("[[axis]]\npath = \"a.b\"", "either `values`, or `from` and `to`"),
        ("[[axis]]\npath = \"a.b\"\nvalues = []", "without values"),
        ("[[axis]]\npath = \"a.b\"\nvalues = [nan]", "not a finite number"),
        ("[[axis]]\npath = \"a.b\"\nvalus = [1]", "did you mean `values`?"),
        ("[[axis]]\npath = \"a.b\"\nfrom = 1\nto = 4", "one of `n`, `step` and `factor`"),
        ("[[axis]]\npath = \"a.b\"\nfrom = \"1T\"\nto = \"4G\"\nn = 2", "different units"),
        ("[[axis]]\npath = \"a.b\"\nfrom = -1\nto = 4\nn = 2\nlog = true", "begins above 0"),
        ("[[axis]]\npath = \"a.b\"\nfrom = 4\nto = 1\nstep = 1", "0 points"),
        ("[[axis]]\nzip = { a.b = [1, 2], a.c = [1] }", "zipped lists go together"),
        ("set = [\"a.b=2\"]\n[[axis]]\npath = \"a.b\"\nvalues = [1]", "both set and an axis"),
        (
            "[[axis]]\npath = \"a.b\"\nvalues = [1]\n[[axis]]\npath = \"a.b\"\nvalues = [1]",
            "an axis twice",
        ),
        ("[[axis]]\npath = \"catalog\"\nvalues = [\"x\"]", "cannot be an axis"),
    ] {
        let told = problem(text);
        assert!(told.contains(words), "{text}: {told}");
    }
    let vast = "[[axis]]\npath = \"a.b\"\nfrom = 1\nto = 100000\nstep = 1\n[[axis]]\npath = \"a.c\"\nfrom = 1\nto = 100000\nstep = 1";
    assert!(problem(vast).contains("more than 1000000000 cases"));
}

fn sweep(text: &str) -> Sweep {
    let study = study(text);
    let scenario = study.scenario.clone();
    Sweep::new(study, &scenario, Catalog::builtin()).unwrap()
}

/// Each row is that of the plan of its overrides, loaded afresh.
fn same_as_single_plans(text: &str, at_least_feasible: usize) -> Vec<Row> {
    let sweep = sweep(text);
    let cases: Vec<u64> = Shard::WHOLE.cases(&sweep.study, 0).collect();
    let rows = sweep.rows(&cases);
    assert_eq!(rows.iter().map(|r| r.case).collect::<Vec<_>>(), cases);
    for row in &rows {
        let overrides: Vec<String> = sweep.study.set.iter().cloned().chain(sweep.study.overrides(row.case)).collect();
        let single = Scenario::load(&sweep.study.scenario, &overrides, Catalog::builtin());
        let single = single.and_then(|(scenario, catalog)| plan(&scenario, &catalog));
        let single = single.map(|p| figures(&p)).map_err(|e| row::reason(&e));
        assert_eq!(row.outcome, single, "{overrides:?}");
    }
    assert!(rows.iter().filter(|r| r.outcome.is_ok()).count() >= at_least_feasible);
    rows
}

#[test]
fn a_row_is_the_plan_of_its_overrides() {
    let small = "set = [\"cluster.nodes=64\", \"layout.data=4\", \"layout.virtual_stages=1\"]\n";
    let rows = same_as_single_plans(
        &format!(
            "{small}[[axis]]\npath = \"training.tokens\"\nvalues = [\"1T\", \"15T\"]\n\
             [[axis]]\nzip = {{ reliability.node_mtbf = [\"1000 d\", \"5000 d\"], reliability.checkpoint_every = [\"10 min\", \"1 h\"] }}\n\
             [[axis]]\npath = \"cluster.region\"\nvalues = [\"us-east-1\", \"us-average\"]\n\
             [[axis]]\npath = \"layout.micro_batch\"\nvalues = [1, 2, 3]"
        ),
        16,
    );
    // A micro-batch of 3 does not divide the batch: rows with the reason.
    let fallen: Vec<&String> = rows.iter().filter_map(|r| r.outcome.as_ref().err()).collect();
    assert!(
        fallen.len() == 8 && fallen.iter().all(|reason| reason.contains("batch")),
        "{fallen:?}"
    );
}

#[test]
fn axes_of_catalog_entries_and_prices_are_felt() {
    let rows = same_as_single_plans(
        "set = [\"cluster.nodes=64\", \"layout.data=4\", \"layout.virtual_stages=1\"]\n\
         [[axis]]\npath = \"region.us-east-1.electricity_usd_per_kwh\"\nvalues = [0.05, 0.2]\n\
         [[axis]]\npath = \"accelerator.h100-sxm-80gb.tdp_w\"\nvalues = [600, 700]\n\
         [[axis]]\nzip = { cost.owned = [true, false, false], cost.commitment = [\"on-demand\", \"on-demand\", \"spot\"] }",
        12,
    );
    let cost = |row: &Row| row.clone().cells()[column("cost_usd").unwrap()].clone();
    let owned: Vec<Cell> = rows.iter().filter(|r| r.case % 3 == 0).map(cost).collect();
    assert!(owned.iter().all(|c| owned.iter().filter(|o| *o == c).count() == 1), "{owned:?}");
}

#[test]
fn contradictions_are_rows_and_misspellings_errors() {
    let axes = "set = [\"cluster.nodes=64\"]\n[[axis]]\npath = \"layout.sharding\"\nvalues = [\"zero1\", \"fsdp\"]\n\
                [[axis]]\npath = \"layout.replicas\"\nvalues = [1, 2]";
    let sweep_of = sweep(axes);
    assert!(sweep_of.check().is_ok());
    let rows = sweep_of.rows(&[0, 1, 2, 3]);
    let reasons: Vec<&String> = rows.iter().filter_map(|r| r.outcome.as_ref().err()).collect();
    assert!(
        reasons.iter().any(|r| r.starts_with("invalid: ") && r.contains("replicas")),
        "{reasons:?}"
    );
    for (axis, words) in [
        ("path = \"cluster.accelerator\"\nvalues = [\"h100-sxm-80gb\", \"h1000\"]", "h1000"),
        ("path = \"cluster.nods\"\nvalues = [1, 2]", "unknown key `cluster.nods`"),
        ("path = \"training.tokens\"\nvalues = [\"1T\", \"2 parsecs\"]", "parsecs"),
    ] {
        let wrong = sweep(&format!(
            "[[axis]]\n{axis}\n[[axis]]\npath = \"training.sequence\"\nvalues = [4096, 8192]"
        ));
        match wrong.check() {
            Err(Error::Invalid(list)) => assert!(
                list.len() == 1 && list[0].to_string().contains(words) && list[0].at.is_some(),
                "{list:?}"
            ),
            other => panic!("{axis}: {other:?}"),
        }
    }
}

#[test]
fn batches_and_threads_do_not_matter() {
    let text = "set = [\"cluster.nodes=64\", \"layout.data=4\", \"layout.virtual_stages=1\"]\n\
                [[axis]]\npath = \"layout.recompute\"\nvalues = [\"none\", \"full\"]\n\
                [[axis]]\npath = \"training.tokens\"\nfrom = \"1T\"\nto = \"40T\"\nn = 40";
    let whole = sweep(text);
    let cases: Vec<u64> = Shard::WHOLE.cases(&whole.study, 0).collect();
    let rows = with_threads(Some(3), || Ok(whole.rows(&cases))).unwrap();
    for size in [1, 7, 39, 41] {
        let other = sweep(text);
        let parts: Vec<Row> = cases.chunks(size).flat_map(|batch| other.rows(batch)).collect();
        assert_eq!(parts, rows, "{size}");
    }
    assert_eq!(whole.row(41), rows[41]);
}
