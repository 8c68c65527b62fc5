//! The whole run on the command line: `[reliability]`, `[[phases]]`, drawn failures, whole published runs.

use super::{exaplan, scratch};
use serde_json::Value;

fn json(arguments: &[&str]) -> Value {
    let all = [arguments, &["--json"]].concat();
    let out = exaplan(&all);
    assert_eq!(out.code, 0, "{arguments:?}: {}", out.stderr);
    serde_json::from_str(&out.stdout).unwrap()
}

fn run_of(sets: &[&str]) -> Value {
    let mut arguments = vec!["plan"];
    for set in sets {
        arguments.extend(["--set", set]);
    }
    json(&arguments)["run"].clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Llama 3 405B, 54 days on 16,384 H100 (arXiv 2407.21783 §3.3.4, table 5): 419 unplanned interruptions,
/// more than 90 % effective training time. The default rates are made without it.
#[test]
fn the_default_scenario_fails_as_often_as_llama_3_did() {
    let run = run_of(&[]);
    let days = number(&run["wall_s"]) / 86_400.0;
    let failures = number(&run["expected_failures"]) * 54.0 / days;
    println!("{failures:.0} failures in 54 days, goodput {}", run["goodput"]);
    assert!((failures / 419.0 - 1.0).abs() <= 0.25, "{failures}");
    assert!((0.88..=0.96).contains(&number(&run["goodput"])), "{}", run["goodput"]);
    let stops = run["stops"].as_object().unwrap();
    let six: f64 = ["gpu", "hbm", "link", "host", "software", "silent"]
        .iter()
        .map(|c| number(&stops[*c]))
        .sum();
    assert!((six / number(&run["expected_failures"]) - 1.0).abs() < 1e-9);
}

#[test]
fn every_key_of_reliability_moves_the_run_the_right_way() {
    let wall = |sets: &[&str]| number(&run_of(sets)["wall_s"]);
    let base = wall(&[]);
    for (set, longer) in [
        ("reliability.node_mtbf=100 d", true),
        ("reliability.screening=unscreened", true),
        ("reliability.screening=screened", false),
        ("reliability.burn_in_factor=4", true),
        ("reliability.detect=1 h", true),
        ("reliability.hang_detect=30 min", true),
        ("reliability.silent_detect=10 min", false),
        ("reliability.restart=30 min", true),
        ("reliability.warm_up=10 min", true),
        ("reliability.compile=10 min", true),
        ("reliability.spares=1", true),
        ("reliability.slow_found=3 d", true),
        ("reliability.slow_factor=1.5", true),
        ("reliability.planned_per_day=2 h", true),
        ("reliability.spikes_per_trillion_tokens=20", true),
        ("reliability.preemptions_per_day=2", true),
        ("reliability.delivered_fraction=16 %", true),
        ("reliability.checkpoint_every=4 h", true),
        ("reliability.checkpoint=memory", false),
        ("reliability.checkpoint=asynchronous", false),
        ("reliability.use=meta-rsc-2", false),
    ] {
        let changed = wall(&[set]);
        assert!(
            if longer { changed > base } else { changed < base },
            "{set}: {changed} against {base}"
        );
    }
    let several = run_of(&[
        "reliability.maintenance=4 h",
        "reliability.maintenance_every=7 d",
        "reliability.evaluation=12 min",
        "reliability.evaluation_every_steps=1000",
    ]);
    assert!((number(&several["lost"]["evaluation_s"]) - 929.0 * 720.0).abs() < 1.0, "{several}");
    assert!(number(&several["lost"]["planned_s"]) > 11.0 * 4.0 * 3600.0);
}

#[test]
fn wrong_reliability_is_told_with_a_way_out() {
    for (sets, words) in [
        (&["reliability.elastic=true"][..], "add spares = 0"),
        (&["reliability.evaluation=12 min"], "evaluation_every_steps"),
        (&["reliability.causes.gpu=0.4"], "make them sum to 1"),
        (&["reliability.causes.gpus=1.0"], "did you mean `gpu`?"),
        (&["reliability.storage_checkpoint_every=1 h"], "checkpoint = \"memory\""),
        (
            &["reliability.checkpoint=memory", "reliability.asynchronous_checkpoint=true"],
            "keep checkpoint =",
        ),
        (&["reliability.checkpoint=asynchronus"], "did you mean"),
        (&["reliability.screening=yes"], "allowed: `by-size`"),
        (&["reliability.unscreened_factor=20"], "out of range"),
        (&["reliability.slow_found=3"], "no unit"),
        (&["reliability.spare=3"], "did you mean `spares`?"),
    ] {
        let mut arguments = vec!["plan"];
        for set in sets {
            arguments.extend(["--set", set]);
        }
        let out = exaplan(&arguments);
        assert!(
            out.code == 2 && out.stderr.contains(words),
            "{sets:?} lacks `{words}`: {}",
            out.stderr
        );
    }
}

#[test]
fn every_default_is_named_with_a_source() {
    let plan = json(&["plan", "--set", "reliability.detect=5 min"]);
    let list = plan["assumptions"].as_array().unwrap();
    let of = |key: &str| list.iter().find(|a| a["key"] == key);
    for key in [
        "node_mtbf",
        "hang_detect",
        "restart",
        "slow_found",
        "causes",
        "screening",
        "spares",
        "checkpoint",
    ] {
        let found = of(&format!("reliability.{key}")).unwrap_or_else(|| panic!("{key} is not named"));
        assert!(!found["source"].as_str().unwrap().is_empty(), "{found}");
    }
    assert!(of("reliability.detect").is_none(), "what is given is no assumption");
    assert!(of("reliability.repair").is_none(), "what changes nothing is none");
}

const PHASES: &str = include_str!("../../../scenarios/published/llama3-405b-phases.toml");

#[test]
fn phases_have_layouts_and_steps_of_their_own() {
    let folder = scratch("phases");
    let path = folder.join("phases.toml");
    std::fs::write(&path, PHASES).unwrap();
    let path = path.to_str().unwrap();
    let plan = json(&["plan", path]);
    let phases = plan["run"]["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 4);
    let ideal: f64 = phases.iter().map(|p| number(&p["ideal_s"])).sum();
    assert!((ideal / number(&plan["run"]["ideal_s"]) - 1.0).abs() < 1e-12);
    let steps: f64 = phases.iter().map(|p| number(&p["n_steps"])).sum();
    assert_eq!(steps, number(&plan["run"]["n_steps"]));
    assert_eq!(phases[3]["layout"]["context"], 16);
    // The mean step is what the bill is made of: energy by phase of work follows from it.
    let whole = number(&plan["run"]["wall_s"]);
    assert!((number(&plan["run"]["ideal_s"]) + number(&plan["run"]["lost"]["total_s"]) - whole).abs() < 1e-6 * whole);
    let out = exaplan(&["plan", path]);
    assert!(
        out.stdout.contains("Phases") && out.stdout.contains("long context"),
        "{}",
        out.stdout
    );
    for (set, words) in [
        ("training.tokens=14T", "sum to training.tokens"),
        ("training.tokens=15.6T tokenz", "training.tokens"),
    ] {
        let out = exaplan(&["plan", path, "--set", set]);
        assert!(out.code == 2 && out.stderr.contains(words), "{set}: {}", out.stderr);
    }
    for (from, to, code, words) in [
        ("sequence = 131072", "sequence = \"long\"", 2, "phases[3].sequence"),
        ("tokens = \"800B\"", "tokenz = \"800B\"", 2, "phases[3].tokens"),
        ("context = 16", "context = 7", 1, "long context"),
        ("name = \"4M tokens\"", "nam = \"4M tokens\"", 2, "did you mean `name`?"),
    ] {
        std::fs::write(path, PHASES.replace(from, to)).unwrap();
        let out = exaplan(&["plan", path]);
        assert!(out.code == code && out.stderr.contains(words), "{to}: {}", out.stderr);
    }
}

#[test]
fn drawn_failures_agree_with_the_plan() {
    let drawn = json(&["explain", "--failures", "400", "--seed", "3"]);
    let goodput = &drawn["goodput"];
    assert!(
        100.0 * (number(&goodput["mean"]) - number(&goodput["closed"])).abs() < 0.5,
        "{goodput}"
    );
    assert!(number(&goodput["p10"]) < number(&goodput["p90"]));
    assert_eq!(drawn, json(&["explain", "--failures", "400", "--seed", "3"]));
    assert_ne!(drawn["wall_s"], json(&["explain", "--failures", "400", "--seed", "4"])["wall_s"]);
    let out = exaplan(&["explain", "--failures", "50"]);
    assert!(
        out.stdout.contains("Of ten runs") && out.stdout.contains("What stops the job"),
        "{}",
        out.stdout
    );
    assert_eq!(exaplan(&["explain", "--failures", "0"]).code, 2);
    assert_eq!(exaplan(&["explain", "--seed", "3"]).code, 2);
}

/// Runs with reported hours and exact tokens, nothing tuned on any of them.
#[test]
fn whole_runs_are_within_twenty_percent_in_the_median() {
    let all = json(&["validate", "--whole-runs"]);
    let summary = &all["summary"];
    for row in all["rows"].as_array().unwrap() {
        let percent = row["relative_error"].as_f64().map_or(f64::NAN, |e| 100.0 * e);
        println!(
            "{:<24} {:>7.1} % {} {}",
            row["name"].as_str().unwrap(),
            percent,
            row["counted"],
            row["skipped"]
        );
        assert!(!row["why"].as_str().unwrap().is_empty() && !row["source"].as_str().unwrap().is_empty());
        assert!(row["skipped"].is_null() || row["counted"] == false, "{row}");
    }
    println!("{summary}");
    assert!(number(&summary["n"]) >= 10.0);
    assert!(number(&summary["median_ape"]) <= 0.20, "{summary}");
    assert!(all["jobs"].as_array().unwrap().len() >= 8);
    let out = exaplan(&["validate", "--whole-runs"]);
    assert!(out.stdout.contains("Failures of published jobs"), "{}", out.stdout);
    assert_eq!(exaplan(&["validate", "--whole-runs", "--cross"]).code, 2);
}
