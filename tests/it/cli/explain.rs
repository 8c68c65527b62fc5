//! explain timeline, and uneven devices.

use super::{Ran, command, exaplan, ran};

/// A pipeline small enough to read.
const SMALL: [&str; 12] = [
    "--set",
    "cluster.nodes=16",
    "--set",
    "model.use=llama3-70b",
    "--set",
    "layout.pipeline=4",
    "--set",
    "layout.virtual_stages=1",
    "--set",
    "layout.data=4",
    "--set",
    "training.global_batch=32 sequences",
];

fn small(arguments: &[&str], columns: &str) -> Ran {
    let all = [arguments, &SMALL].concat();
    ran(command(&all).env("COLUMNS", columns).output().unwrap())
}

#[test]
fn a_timeline_fits_sixty_columns() {
    let out = small(&["explain", "timeline"], "60");
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert!(out.stdout.lines().all(|l| l.chars().count() <= 60), "{}", out.stdout);
    for word in ["Critical path", "What to change next", "device math rate", "largest shares"] {
        assert!(out.stdout.contains(word), "{word}: {}", out.stdout);
    }
    let (_, chart) = out.stdout.split_once("stage by stage\n").unwrap();
    let (chart, _) = chart.split_once("\n\n").unwrap();
    // What the cells are is held by a snapshot of a step that no price changes.
    let rows: Vec<&str> = chart.lines().filter(|l| l.starts_with("stage ")).collect();
    assert_eq!(rows.len(), 4, "{chart}");
    for row in rows {
        let cells = &row[9..];
        assert!(cells.len() == 51 && cells.chars().all(|c| "FBwo.".contains(c)), "{row}");
        assert!(cells.contains('F') && cells.contains('B'), "{row}");
    }
    assert!(chart.contains("  data  ") && chart.contains("F=forward, B=backward"), "{chart}");
}

#[test]
fn a_timeline_as_data_adds_up() {
    let timeline = exaplan(&["explain", "timeline", "--json"]).json();
    let plan = exaplan(&["plan", "--json"]).json();
    assert_eq!(timeline["timeline"], plan["timeline"]);
    assert_eq!(timeline["what_next"], plan["what_next"]);
    assert_eq!(timeline["stages"].as_array().unwrap().len(), 16);
    let path = &timeline["critical_path"];
    let seconds = |v: &serde_json::Value| v.as_f64().unwrap();
    let parts: f64 = path["parts"].as_array().unwrap().iter().map(|p| seconds(&p["time_s"])).sum();
    let whole = parts + seconds(&path["between_s"]) + seconds(&path["after_s"]);
    assert!((whole / seconds(&timeline["timeline"]["time_s"]) - 1.0).abs() < 1e-9, "{path}");
}

#[test]
fn a_slow_stage_costs_time_and_draws_the_path() {
    let out = small(&["explain", "--slow", "stage=2,factor=1.5"], "100");
    for word in ["Even devices", "Slow devices", "stage 2 takes 1.5 times as long", "Critical path"] {
        assert!(out.stdout.contains(word), "{word}: {}{}", out.stdout, out.stderr);
    }
    let json = small(&["explain", "timeline", "--slow", "stage=2,factor=1.5", "--json"], "100").json();
    let slowdown = json["slowdown_fraction"].as_f64().unwrap();
    assert!(slowdown > 0.2 && slowdown < 0.5 && json["jitter"].is_null(), "{json}");
    let stages = json["critical_path"]["stages_s"].as_array().unwrap();
    let most = stages.iter().map(|s| s.as_f64().unwrap()).fold(0.0, f64::max);
    assert_eq!(stages[2], most);
}

#[test]
fn jitter_is_the_same_for_the_same_seed_on_any_number_of_threads() {
    let arguments = ["explain", "--jitter", "0.05", "--seed", "7", "--draws", "50", "--json"];
    let all = [&arguments[..], &SMALL].concat();
    let threads = |n: &str| ran(command(&all).env("RAYON_NUM_THREADS", n).output().unwrap());
    let one = threads("1");
    assert_eq!(one.stdout, threads("3").stdout);
    let jitter = one.json()["jitter"].clone();
    let value = |key: &str| jitter[key].as_f64().unwrap();
    assert!(value("p10_s") < value("p50_s") && value("p50_s") < value("p90_s") && value("mean_slowdown_fraction") > 0.0);
    let other = small(&["explain", "--jitter", "0.05", "--seed", "8", "--draws", "50", "--json"], "100").json();
    assert_ne!(jitter["p50_s"], other["jitter"]["p50_s"]);
}

#[test]
fn a_step_that_is_too_large_to_draw_is_told_and_still_planned() {
    let large = ["--set", "training.global_batch=16777216 sequences"];
    let cases: [&[&str]; 3] = [
        &["report", "--format", "trace"],
        &["explain", "timeline"],
        &["explain", "--jitter", "0.1"],
    ];
    for case in cases {
        let out = exaplan(&[case, &large].concat());
        assert!(
            out.code == 2 && out.stderr.contains("too many slots") && out.stderr.contains("global_batch"),
            "{case:?}: {}",
            out.stderr
        );
    }
    let plan = exaplan(&[&["plan", "--json"], &large[..]].concat()).json();
    assert!(plan["timeline"].is_null() && plan["what_next"].as_array().unwrap().len() > 8);
}

#[test]
fn a_report_goes_somewhere() {
    let out = exaplan(&["report"]);
    assert!(out.code == 2 && out.stderr.contains("give -o FILE"), "{}", out.stderr);
    let out = exaplan(&["report", "-o", "step.trace"]);
    assert!(out.code == 2 && out.stderr.contains(".trace.json"), "{}", out.stderr);
}

#[test]
fn wrong_uneven_devices_are_told() {
    let cases: [(&[&str], &str); 9] = [
        (&["--slow", "stag=3,factor=2"], "did you mean `stage`?"),
        (&["--slow", "stage=3"], "factor is missing"),
        (&["--slow", "factor=2"], "stage is missing"),
        (&["--slow", "3"], "no key=value"),
        (&["--slow", "stage=-1,factor=2"], "a number from 0"),
        (&["--slow", "stage=3,factor=0.5"], "from 1 (not slow)"),
        (&["--slow", "stage=16,factor=2"], "16 stages, 0 to 15"),
        (&["--jitter", "2"], "0.02 is 2 %"),
        (&["step.time_s", "--jitter", "0.02"], "leave the path out"),
    ];
    for (arguments, word) in cases {
        let out = exaplan(&[&["explain"], arguments].concat());
        assert!(out.code == 2 && out.stderr.contains(word), "{arguments:?}: {}", out.stderr);
    }
}
