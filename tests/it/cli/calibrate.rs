//! `exaplan calibrate` and `validate --cross` from end to end.

use super::exaplan;
use crate::support::{Folder, root};

/// A small set: the whole fitting set takes minutes in a debug build.
fn runs() -> String {
    root().join("scenarios/published/simumax-b200.csv").display().to_string()
}

#[test]
fn fitted_stacks_are_a_catalog_that_plans_use() {
    let folder = Folder::new();
    let file = folder.path().join("stacks.toml");
    let told = exaplan(&["calibrate", "--runs", &runs(), "--json", "-o", file.to_str().unwrap()]).json();
    let (before, after) = (
        told["median_ape_before"].as_f64().unwrap(),
        told["median_ape_after"].as_f64().unwrap(),
    );
    assert!(after < before, "{told}");
    assert!(told["stacks"].as_array().unwrap().iter().any(|s| s["stack"] == "megatron-core"));
    let catalog = folder.path().to_str().unwrap();
    let checked = exaplan(&["catalog", "check", catalog]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let time = |arguments: &[&str]| exaplan(arguments).json()["step"]["time_s"].as_f64().unwrap();
    assert_ne!(time(&["plan", "--json"]), time(&["plan", "--json", "--catalog", catalog]));
}

#[test]
fn left_out_errors_are_told_by_family_and_stack() {
    let told = exaplan(&["validate", "--cross", "--runs", &runs(), "--json"]).json();
    assert_eq!(told["schema"], "exaplan.cross/1");
    let n = told["summary"]["n"].as_u64().unwrap();
    assert_eq!(told["rows"].as_array().unwrap().len() as u64, n);
    let sum: u64 = told["by"]["family"]
        .as_object()
        .unwrap()
        .values()
        .map(|v| v["n"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, n);
    let text = exaplan(&["validate", "--cross", "--runs", &runs()]);
    assert!(
        text.code == 0 && text.stdout.contains("left out of the fit") && text.stdout.contains("By family of sources"),
        "{}",
        text.stdout
    );
}

#[test]
fn rows_that_tell_nothing_are_refused() {
    let folder = Folder::new();
    let file = folder.path().join("runs.csv");
    std::fs::write(&file, "id,source\na,b\n").unwrap();
    let file = file.to_str().unwrap();
    for arguments in [["calibrate", "--runs", file].as_slice(), &["validate", "--cross", "--runs", file]] {
        let out = exaplan(arguments);
        assert_eq!(out.code, 2, "{}", out.stdout);
        assert!(
            out.stderr.contains("none of the rows") && out.stderr.contains("tokens_per_s_per_device"),
            "{}",
            out.stderr
        );
    }
}
