//! Predictions against measured runs.

use super::{exaplan, scratch};

#[test]
fn the_published_rows_are_compared() {
    let json = exaplan(&["validate", "--json"]).json();
    assert_eq!(json["schema"], "exaplan.validate/1");
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1616);
    for key in [
        "id",
        "predicted_tokens_per_s_per_device",
        "relative_error",
        "p10",
        "p90",
        "fits_memory",
        "stack",
        "known_stack",
        "features",
        "assumed",
        "evidence",
        "skipped",
    ] {
        assert!(rows.iter().all(|r| r.get(key).is_some()), "{key}");
    }
    let count = |key: &str| json["summary"][key].as_u64().unwrap();
    let n = count("n");
    assert_eq!(n + count("n_skipped") + count("n_unmeasured"), rows.len() as u64);
    let by: u64 = json["by"]["accelerator"]
        .as_object()
        .unwrap()
        .values()
        .map(|s| s["n"].as_u64().unwrap())
        .sum();
    assert_eq!(by, n);
    let small = crate::support::root().join("scenarios/published/korthikanti-2022-table5.csv");
    let small = ["validate", "--runs", small.to_str().unwrap()];
    let out = exaplan(&small);
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    for word in ["Median error", "Korthikanti", "Largest errors", "Scatter within a source"] {
        assert!(out.stdout.contains(word), "{word}: {}", out.stdout);
    }
    assert_eq!(exaplan(&small).stdout, out.stdout);
}

const RUNS: &str = "\
id,source,model,accelerator,devices,devices_per_node,software,precision,seq_len,global_batch_seqs,tp,pp,tokens_per_s_per_device,mood\n\
a,us,our-7b,h100-sxm-80gb,12,8,torchtitan,bf16,4096,24,1,1,9000,fine\n\
b,us,no-such-model,h100-sxm-80gb,8,8,torchtitan,bf16,4096,24,1,1,,\n\
c,us,our-7b,h100-sxm-80gb,8,8,torchtitan,bf16,4096,,1,1,,\n";

const MODELS: &str = "\
[our-7b]\nlayers = 32\nhidden = 4096\nheads = 32\nffn_hidden = 11008\nvocab = 32000\nattention = \"mha\"\nmood = 1\n\
[half]\nlayers = 3\nattention = \"mha\"\n";

#[test]
fn own_runs_name_own_models() {
    let dir = scratch("validate-own");
    let (runs, models) = (dir.join("runs.csv"), dir.join("models.toml"));
    std::fs::write(&runs, RUNS).unwrap();
    std::fs::write(&models, MODELS).unwrap();
    let arguments = [
        "validate",
        "--json",
        "--runs",
        runs.to_str().unwrap(),
        "--models",
        models.to_str().unwrap(),
    ];
    let out = exaplan(&arguments);
    // Said once each, however many tables have such a key.
    assert_eq!(out.stderr.matches("mood").count(), 1, "{}", out.stderr);
    assert!(out.stderr.contains("1 models lack dimensions"), "{}", out.stderr);
    let rows = out.json()["rows"].clone();
    assert!(rows[0]["relative_error"].is_number() && rows[0]["skipped"].is_null());
    // Twelve devices are two nodes of six.
    assert_eq!(rows[0]["layout"]["data"], 12);
    assert!(rows[1]["skipped"].as_str().unwrap().contains("no-such-model"));
    assert!(rows[2]["predicted_tokens_per_s_per_device"].is_number() && rows[2]["relative_error"].is_null());
}

#[test]
fn bad_lines_are_told_and_the_others_run() {
    let dir = scratch("validate-bad-lines");
    let runs = dir.join("runs.csv");
    let text = "\
id,model,accelerator,devices,software,seq_len,global_batch_seqs,tp,pp,dp,tokens_per_s_per_device,notes\n\
good,llama3-8b,h100-sxm-80gb,8,our own,8192,16,1,1,8,9000,torch.compile\n\
short,llama3-8b\n\
words,llama3-8b,h100-sxm-80gb,eight,torchtitan,8192,16,x,1,8,9000,\n\
against,llama3-8b,h100-sxm-80gb,8,torchtitan,8192,16,2,2,8,9000,\n\
unmeasured,llama3-8b,h100-sxm-80gb,8,torchtitan,8192,16,1,1,8,fast,FSDP\n";
    std::fs::write(&runs, text).unwrap();
    let out = exaplan(&["validate", "--json", "--runs", runs.to_str().unwrap()]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    for told in [
        "line 3 has 2 fields, the header has 12",
        "line 4, column `devices`: `eight` is not a whole number",
        "line 4, column `tp`: `x` is not a whole number",
        "line 6, column `tokens_per_s_per_device`: `fast` is not a number",
        "runs.csv:6",
    ] {
        assert!(out.stderr.contains(told), "{told}: {}", out.stderr);
    }
    let rows = out.json()["rows"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 4);
    assert_eq!(
        (&rows[0]["known_stack"], &rows[0]["stack"]),
        (&false.into(), &"megatron-core".into())
    );
    let assumed: Vec<&str> = rows[0]["assumed"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    for word in ["stack megatron-core", "precision bf16", "micro-batch searched"] {
        assert!(assumed.contains(&word), "{word}: {assumed:?}");
    }
    let skipped = |i: usize| rows[i]["skipped"].as_str().unwrap().to_string();
    assert!(skipped(1).contains("`devices` is `eight`"), "{}", skipped(1));
    assert!(skipped(2).contains("multiply to 32, not to 8 devices"), "{}", skipped(2));
    assert_eq!(
        (&rows[3]["stack"], rows[3]["relative_error"].is_null()),
        (&"torchtitan-eager".into(), true)
    );
    assert!(rows[3]["predicted_tokens_per_s_per_device"].is_number());
    // None of it is an error to a run that asks for quiet.
    let quiet = exaplan(&["validate", "--json", "--quiet", "--runs", runs.to_str().unwrap()]);
    assert_eq!((quiet.code, quiet.stderr.as_str(), quiet.stdout), (0, "", out.stdout));
}

#[test]
fn wrong_files_are_shown_with_their_place() {
    let dir = scratch("validate-wrong");
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    };
    let runs = write("runs.csv", "id,model\na,b\nc,d,e\n");
    let out = exaplan(&["validate", "--runs", &runs]);
    assert_eq!(out.code, 2);
    assert!(out.stderr.contains("runs.csv:3"), "{}", out.stderr);
    let models = write("models.toml", &MODELS.replace("vocab = 32000", "vocab = -1"));
    let out = exaplan(&["validate", "--models", &models]);
    assert_eq!(out.code, 2);
    assert!(out.stderr.contains("models.toml:6"), "{}", out.stderr);
    assert_eq!(exaplan(&["validate", "--runs", "nowhere.csv"]).code, 2);
}
