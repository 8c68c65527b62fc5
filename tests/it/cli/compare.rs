//! compare.

use super::{exaplan, scratch};
use serde_json::Value;

#[test]
fn causes_sum_to_each_difference() {
    let shown = exaplan(&[
        "compare",
        "llama3-405b",
        ":cluster.nodes=1024,layout.data=64",
        ":cost.owned=true,cluster.region=eu-north-1,reliability.node_mtbf=200 d",
        "--json",
    ])
    .json();
    let lists = shown["differences"].as_array().unwrap();
    assert_eq!(lists.len(), 2);
    for list in lists {
        let totals = list["totals"].as_object().unwrap();
        assert_eq!(totals.len(), 4);
        for (name, d) in totals {
            let of = |v: &Value| v.as_f64().unwrap();
            let size = of(&d["from"]).abs().max(of(&d["to"]).abs());
            let sum: f64 = d["causes"].as_object().unwrap().values().map(of).sum();
            assert!((sum - of(&d["change"])).abs() < 1e-9 * size, "{name}: {d}");
            assert!((of(&d["to"]) - of(&d["from"]) - of(&d["change"])).abs() < 1e-12 * size);
            for (cause, parts) in d["inside"].as_object().unwrap() {
                let sum: f64 = parts.as_object().unwrap().values().map(of).sum();
                assert!(
                    (sum - d["causes"].get(cause).map_or(0.0, of)).abs() < 1e-9 * size,
                    "{name} {cause}: {d}"
                );
            }
        }
    }
    // The other machine needs more days for want of devices, and the other place less carbon.
    let cause = |list: usize, total: &str, cause: &str| lists[list]["totals"][total]["causes"][cause].as_f64().unwrap();
    assert!(cause(0, "wall_s", "devices") > 0.0 && cause(0, "wall_s", "goodput") < 0.0);
    assert!(cause(1, "carbon_kg_co2e", "grid") < 0.0 && cause(1, "wall_s", "goodput") > 0.0);
}

#[test]
fn a_screen_shows_what_differs() {
    let out = exaplan(&[
        "compare",
        "llama3-405b",
        ":cluster.nodes=1024,layout.data=64",
        "--what-if",
        "cluster.region=eu-north-1",
        "--what-if",
        "cluster.nodes=1024",
    ]);
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert!(out.stdout.lines().all(|l| l.chars().count() <= 100), "{}", out.stdout);
    for words in [
        "Side by side",
        "B against A",
        "all together",
        "cluster.region=eu-north-1",
        "no layout fits",
    ] {
        assert!(out.stdout.contains(words), "{words}: {}", out.stdout);
    }
    // Tables, not lists of single values.
    assert!(!out.stdout.contains("What if: "), "{}", out.stdout);
}

#[test]
fn every_form_is_written() {
    let dir = scratch("compare");
    for (name, words) in [
        ("c.md", "| B against A |"),
        ("c.html", "why B differs from A"),
        ("c.csv", "goodput"),
        ("c.json", "exaplan.compare/1"),
        ("c.txt", "Side by side"),
    ] {
        let path = dir.join(name);
        let out = exaplan(&[
            "compare",
            "llama3-405b",
            ":cost.usd_per_device_hour=3",
            "-o",
            path.to_str().unwrap(),
        ]);
        assert_eq!(out.code, 0, "{}", out.stderr);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(words), "{name}: {text}");
    }
}

#[test]
fn what_cannot_be_compared_is_told() {
    for (arguments, code, words) in [
        (&["compare", "llama3-405b"][..], 2, "2 to 6"),
        (&["compare", "llama3-405b", "llama3-405"], 2, "did you mean `llama3-405b`"),
        (&["compare", "llama3-405b", ":cluster.node=3"], 2, "scenario B"),
        (&["compare", "llama3-405b", ":cluster.nodes=1000"], 1, "scenario B"),
        (&["compare", "--what-if", "cluster.nodes"], 2, "path=value,value"),
        (&["compare", "--what-if", "cluster.nods=3"], 2, "unknown key `cluster.nods`"),
        (&["compare", "llama3-405b", ":a.b=1", "-o", "x.xlsx"], 2, "unknown key"),
        (
            &["compare", "llama3-405b", ":cost.owned=true", "--format", "trace"],
            2,
            "not a comparison",
        ),
    ] {
        let out = exaplan(arguments);
        assert_eq!(out.code, code, "{arguments:?}: {}", out.stderr);
        assert!(out.stderr.contains(words), "{arguments:?}: {}", out.stderr);
    }
}

#[test]
fn a_free_layout_fits_another_machine() {
    let shown = exaplan(&[
        "compare",
        "llama3-405b",
        "--what-if",
        "cluster.nodes=1024",
        "--free-layout",
        "--json",
    ])
    .json();
    let (base, half) = (&shown["scenarios"][0]["totals"], &shown["what_if"][0]["totals"]);
    assert!(half["wall_s"].as_f64().unwrap() > 1.5 * base["wall_s"].as_f64().unwrap());
}
