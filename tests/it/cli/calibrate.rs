//! `exaplan calibrate` and `validate --cross` from end to end.

use super::exaplan;
use crate::support::{Folder, root};
use serde_json::Value;

/// A small set: the whole fitting set takes minutes in a debug build.
fn runs() -> String {
    root().join("scenarios/published/simumax-b200.csv").display().to_string()
}

/// Five step times of one cluster, all this many times slower than the program says.
fn own(folder: &Folder, slower: f64) -> String {
    let file = folder.path().join("runs.csv");
    let head = "id,source,model,accelerator,devices,devices_per_node,software,precision,seq_len,global_batch_seqs,micro_batch_seqs,tp,pp,dp,tokens_per_s_per_device\n";
    let rows = [
        "a,us,llama3-8b,h100-sxm-80gb,8,8,Megatron-LM,bf16,8192,128,1,1,1,8",
        "b,us,llama3-8b,h100-sxm-80gb,64,8,Megatron-LM,bf16,8192,1024,1,1,1,64",
        "c,us,llama3-70b,h100-sxm-80gb,64,8,Megatron-LM,bf16,8192,128,1,8,2,4",
        "d,us,llama3-70b,h100-sxm-80gb,128,8,Megatron-LM,bf16,8192,256,1,8,4,4",
        "e,us,llama3-8b,h100-sxm-80gb,8,8,Megatron-LM,bf16,8192,64,2,1,1,8",
    ];
    let write = |rates: &[f64]| {
        let lines = rows.iter().zip(rates).map(|(row, rate)| format!("{row},{rate}\n"));
        std::fs::write(&file, format!("{head}{}", lines.collect::<String>())).unwrap();
    };
    write(&[1.0; 5]);
    let path = file.to_str().unwrap();
    let predicted = exaplan(&["validate", "--runs", path, "--json"]).json();
    let rates: Vec<f64> = predicted["rows"]
        .as_array()
        .unwrap()
        .iter()
        // The fit ranks by the closed form.
        .map(|r| r["closed_form_tokens_per_s_per_device"].as_f64().unwrap() / slower)
        .collect();
    write(&rates);
    path.to_string()
}

fn verdicts(told: &Value) -> Vec<String> {
    let parameters = told["stacks"][0]["parameters"].as_object().unwrap();
    parameters.values().map(|p| p["verdict"].as_str().unwrap().to_string()).collect()
}

#[test]
fn five_step_times_make_a_stack_that_plans_use() {
    let folder = Folder::new();
    let runs = own(&folder, 1.15);
    let ours = folder.path().join("ours");
    let file = ours.join("stacks.toml");
    let told = exaplan(&["calibrate", "--runs", &runs, "--json", "-o", file.to_str().unwrap()]).json();
    let at = |key: &str| told[key].as_f64().unwrap();
    assert!((at("median_ape_before") - 0.15).abs() < 0.01, "{told}");
    assert!(at("median_ape_after") < 0.03 && at("median_ape_left_out") < 0.05, "{told}");
    assert_eq!(told["stacks"].as_array().unwrap().len(), 1);
    // No more parameters than the runs tell: the others are said to be held.
    let verdicts = verdicts(&told);
    assert!(
        verdicts.iter().any(|v| v == "moved") && verdicts.iter().any(|v| v != "moved"),
        "{verdicts:?}"
    );
    let row = &told["rows"][0];
    for convention in ["mfu_causal", "mfu_full_attention", "mfu_6n", "hfu"] {
        let share = row["measured_utilization"][convention].as_f64().unwrap();
        assert!((0.05..1.0).contains(&share), "{convention}: {share}");
    }
    let catalog = ours.to_str().unwrap();
    let checked = exaplan(&["catalog", "check", catalog]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let plan = |more: &[&str]| exaplan(&[&["plan", "--json"], more].concat()).json();
    let (before, after) = (plan(&[]), plan(&["--catalog", catalog]));
    let time = |p: &Value| p["step"]["time_s"].as_f64().unwrap();
    assert!(time(&after) > 1.05 * time(&before));
    // Runs that agree narrow the range, and the plan says whose it is.
    let width = |p: &Value| p["band"]["high_ratio"].as_f64().unwrap() / p["band"]["low_ratio"].as_f64().unwrap();
    assert!(width(&after) < width(&before), "{} {}", before["band"], after["band"]);
    assert_eq!(after["band"]["class"], "own-megatron-core");
    // A stack that extends the calibrated one is another.
    let other = plan(&["--catalog", catalog, "--set", "software.stack=pytorch-fsdp"]);
    assert_ne!(other["band"]["class"], "own-megatron-core");
}

#[test]
fn one_run_moves_one_parameter_and_tells_no_spread() {
    let folder = Folder::new();
    let runs = own(&folder, 1.1);
    let text = std::fs::read_to_string(&runs).unwrap();
    let one: Vec<&str> = text.lines().take(2).collect();
    std::fs::write(&runs, one.join("\n")).unwrap();
    let told = exaplan(&["calibrate", "--runs", &runs, "--json"]).json();
    assert_eq!(verdicts(&told).iter().filter(|v| *v == "moved").count(), 1, "{told}");
    assert!(told["stacks"][0]["band"].is_null());
    let text = exaplan(&["calibrate", "--runs", &runs]);
    for word in [
        "One configuration tells no spread",
        "not identifiable",
        "MFU full attention",
        "software.stack",
    ] {
        assert!(text.stdout.contains(word), "{word}: {}", text.stdout);
    }
}

#[test]
fn absurd_step_times_stop_at_a_limit_and_are_told() {
    let folder = Folder::new();
    let runs = own(&folder, 40.0);
    let file = folder.path().join("ours/stacks.toml");
    let out = exaplan(&["calibrate", "--runs", &runs, "-o", file.to_str().unwrap()]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.contains("as far from its stack as it may"), "{}", out.stdout);
    let checked = exaplan(&["catalog", "check", file.parent().unwrap().to_str().unwrap()]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
}

#[test]
fn bands_are_written_as_a_catalog_file() {
    let folder = Folder::new();
    let file = folder.path().join("bands.toml");
    let path = file.to_str().unwrap();
    // One family of sources tells nothing of another.
    let out = exaplan(&["calibrate", "--runs", &runs(), "--bands", path]);
    let text = std::fs::read_to_string(runs()).unwrap();
    if out.code == 2 {
        assert!(out.stderr.contains("one family"), "{}", out.stderr);
    }
    let renamed = text.lines().enumerate().map(|(i, line)| {
        let mut fields: Vec<&str> = line.splitn(3, ',').collect();
        if i % 3 == 1 {
            fields[1] = "another source";
        }
        fields.join(",") + "\n"
    });
    let two = folder.path().join("runs.csv");
    std::fs::write(&two, renamed.collect::<String>()).unwrap();
    let out = exaplan(&["calibrate", "--runs", two.to_str().unwrap(), "--bands", path]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let bands = std::fs::read_to_string(&file).unwrap();
    assert_eq!(bands.matches("[band.").count(), 15, "{bands}");
    std::fs::remove_file(&two).unwrap();
    let catalog = folder.path().to_str().unwrap();
    let checked = exaplan(&["catalog", "check", catalog]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    // These runs know another stack and device only: the plan's class is an unknown one.
    let plan = exaplan(&["plan", "--json", "--catalog", catalog]).json();
    assert_eq!(plan["band"]["class"], "unknown-dense-new");
}

#[test]
fn left_out_errors_are_told_by_family_and_stack() {
    let told = exaplan(&["validate", "--cross", "--runs", &runs(), "--json"]).json();
    assert_eq!(told["schema"], "exaplan.cross/1");
    let n = told["summary"]["n"].as_u64().unwrap();
    assert_eq!(told["rows"].as_array().unwrap().len() as u64, n);
    for by in ["family", "accelerator", "class", "stack", "known_stack"] {
        let groups = told["by"][by].as_object().unwrap();
        let sum: u64 = groups.values().map(|v| v["n"].as_u64().unwrap()).sum();
        assert_eq!(sum, n, "{by}");
    }
    let text = exaplan(&["validate", "--cross", "--runs", &runs()]);
    for word in ["left out of the fit", "By family of sources", "By accelerator", "In band"] {
        assert!(text.code == 0 && text.stdout.contains(word), "{word}: {}", text.stdout);
    }
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
