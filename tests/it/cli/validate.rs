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
        "kind",
        "precision",
        "fitted",
        "inside_band",
        "band_class",
        "largest_parts",
        "likely_reasons",
        "measured_utilization",
    ] {
        assert!(rows.iter().all(|r| r.get(key).is_some()), "{key}");
    }
    // Runs from end to end stand apart from steps.
    let count = |summary: &str, key: &str| json[summary][key].as_u64().unwrap();
    let all = |key: &str| count("summary", key) + count("summary_end_to_end", key);
    assert_eq!(all("n") + all("n_skipped") + all("n_unmeasured"), rows.len() as u64);
    let n = count("summary", "n");
    assert!(count("summary_end_to_end", "n") > 50);
    assert_eq!(count("summary_fitted", "n"), n);
    let kinds = json["by"]["kind"].as_object().unwrap();
    assert_eq!(kinds["step"]["n"], n);
    assert!(json["by"]["precision"].as_object().unwrap().contains_key("bf16"));
    assert!(rows.iter().filter(|r| r["kind"] == "mlperf").all(|r| r["fitted"] == false));
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

/// Rows that ask for each reason once, and the picture and tables of them.
#[test]
fn the_worst_rows_are_explained_and_every_form_is_written() {
    let dir = scratch("validate-forms");
    let runs = dir.join("runs.csv");
    let text = "\
id,source,kind,model,accelerator,devices,software,precision,seq_len,global_batch_seqs,micro_batch_seqs,tp,pp,dp,tokens_per_s_per_device\n\
fast,us,step,llama3-8b,h100-sxm-80gb,8,our own,bf16,8192,16,1,1,1,8,90000\n\
slow,us,step,llama3-8b,h100-sxm-80gb,8,our own,bf16,8192,16,1,1,1,8,90\n\
open,us,step,llama3-8b,h100-sxm-80gb,8,Megatron-LM,,8192,,,,,,4000\n\
whole,us,mlperf,llama3-8b,tpu-v5p,64,MaxText,bf16,8192,64,1,1,1,64,500\n";
    std::fs::write(&runs, text).unwrap();
    let runs = runs.to_str().unwrap();
    let json = exaplan(&["validate", "--json", "--top", "4", "--runs", runs]).json();
    let codes = |i: usize| -> Vec<String> {
        let list = json["rows"][i]["likely_reasons"].as_array().unwrap();
        list.iter().map(|r| r["code"].as_str().unwrap().to_string()).collect()
    };
    for (row, code) in [
        (0, "strange-rate"),
        (0, "repeats-differ"),
        (0, "guessed-stack"),
        (2, "searched-layout"),
        (2, "assumed-batch"),
        (3, "end-to-end"),
        (3, "data-sheet"),
    ] {
        assert!(codes(row).iter().any(|c| c == code), "{row} {code}: {:?}", codes(row));
    }
    assert_eq!(json["worst"], serde_json::json!(["slow", "fast", "whole", "open"]));
    let parts = json["rows"][0]["largest_parts"].as_array().unwrap();
    assert!((1..=3).contains(&parts.len()));
    // A guessed stack has the band of one that nobody knows.
    assert!(json["rows"][0]["band_class"].as_str().unwrap().starts_with("unknown-"));
    for by in ["source", "accelerator", "stack", "precision", "kind"] {
        let out = exaplan(&["validate", "--by", by, "--top", "1", "--runs", runs]);
        assert!(out.code == 0 && out.stdout.contains(&format!("By {by}")), "{by}: {}", out.stdout);
        assert!(
            out.stdout.contains("Likely") && out.stdout.contains("/ predicted as"),
            "{}",
            out.stdout
        );
    }
    for (name, begins, holds) in [
        ("v.html", "<!doctype html>", "role=\"img\""),
        ("v.svg", "<svg", "<title>slow: predicted"),
        ("v.md", "# Predictions", "Likely"),
        ("v.csv", "id,", "not known and taken for"),
        ("v.json", "{", "exaplan.validate/1"),
        ("v.txt", "Predictions", "Largest errors"),
    ] {
        let file = dir.join(name);
        let out = exaplan(&["validate", "--runs", runs, "-o", file.to_str().unwrap()]);
        assert_eq!((out.code, out.stdout.as_str()), (0, ""), "{name}: {}", out.stderr);
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(written.starts_with(begins) && written.contains(holds), "{name}: {written}");
        assert!(!dir.join(format!("{name}.tmp")).exists());
    }
    for name in ["v.trace.json", "v.xyz"] {
        let out = exaplan(&["validate", "--runs", runs, "-o", dir.join(name).to_str().unwrap()]);
        assert!(out.code == 2 && out.stderr.contains("help"), "{name}: {}", out.stderr);
    }
    let plan = exaplan(&["plan", "--format", "svg"]);
    assert!(plan.code == 2 && plan.stderr.contains(".html"), "{}", plan.stderr);
}

/// Whatever stands in a table: an answer or a diagnostic, never a crash, and good rows are predicted.
#[test]
fn hostile_tables_are_told_and_their_good_rows_run() {
    const HEAD: &str =
        "id,model,accelerator,devices,software,precision,seq_len,global_batch_seqs,micro_batch_seqs,tp,pp,dp,tokens_per_s_per_device,notes";
    const GOOD: &str = "good,llama3-8b,h100-sxm-80gb,8,torchtitan,bf16,8192,16,1,1,1,8,9000,FSDP";
    let dir = scratch("validate-hostile");
    let file = dir.join("runs.csv");
    let path = file.to_str().unwrap();
    let cells = [
        "NaN",
        "nan",
        "inf",
        "-inf",
        "-8",
        "0",
        "1e308",
        "1e-308",
        "-0",
        "0x10",
        "1e400",
        "8.5",
        "99999999999999999999",
        "eight",
        "  ",
        "8 ",
        "\"8\"",
        "=8",
        "\u{202e}8",
        "\u{0}",
        "'",
        "8;9",
        "１６",
    ];
    let columns = HEAD.split(',').count();
    let mut text = format!("{HEAD}\n{GOOD}\n");
    let mut n_rows = 1;
    for column in 1..columns {
        for cell in cells {
            let mut fields: Vec<&str> = GOOD.split(',').collect();
            let id = format!("r{n_rows}");
            (fields[0], fields[column]) = (&id, cell);
            text += &(fields.join(",") + "\n");
            n_rows += 1;
        }
    }
    std::fs::write(&file, &text).unwrap();
    let out = exaplan(&["validate", "--json", "--runs", path]);
    let json = out.json();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), n_rows);
    assert!(rows[0]["relative_error"].is_number());
    for row in rows {
        // Every row has a prediction that is a number, or a reason.
        let rate = row["predicted_tokens_per_s_per_device"].as_f64();
        assert!(
            rate.is_some_and(|r| r.is_finite() && r > 0.0) != row["skipped"].is_string(),
            "{row}"
        );
    }
    assert!(
        out.stderr.contains("`NaN` is not a whole number") && out.stderr.contains("more problems"),
        "{}",
        out.stderr
    );
    // Line ends, marks and quotes of other programs; counts of fields.
    let quoted = GOOD.split(',').map(|c| format!("\"{c}\"")).collect::<Vec<_>>().join(",");
    for (name, text) in [
        ("mark", format!("\u{feff}{HEAD}\n{GOOD}\n")),
        ("crlf", format!("{HEAD}\r\n{GOOD}\r\n")),
        ("no end", format!("{HEAD}\n{GOOD}")),
        ("quotes", format!("{HEAD}\n{quoted}\n")),
        ("blank lines", format!("{HEAD}\n\n{GOOD}\n\n\n")),
        ("spaces in the header", format!("{}\n{GOOD}\n", HEAD.replace(',', " , "))),
        ("short and long lines", format!("{HEAD}\nx\n{GOOD}\n{GOOD},,,,\n")),
        ("an open quote at the end", format!("{HEAD}\n{GOOD}\nz,\"open,8\n")),
        (
            "many columns",
            format!(
                "{HEAD}{}\n{GOOD}{}\n",
                (0..100_000).map(|i| format!(",c{i}")).collect::<String>(),
                ",".repeat(100_000)
            ),
        ),
        ("a long cell", format!("{HEAD}\n{GOOD}{}\n", "x".repeat(1_000_000))),
    ] {
        std::fs::write(&file, &text).unwrap();
        let out = exaplan(&["validate", "--json", "--runs", path]);
        assert_eq!(out.code, 0, "{name}: {}", &out.stderr[..out.stderr.len().min(2000)]);
        assert!(out.json()["rows"][0]["relative_error"].is_number(), "{name}");
        assert!(out.stderr.len() < 5000, "{name}: {} bytes", out.stderr.len());
    }
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("header alone", HEAD.as_bytes().to_vec()),
        ("binary", vec![0xff, 0xfe, 0x00, 0x80]),
        ("no ids", b"model,devices\na,8\n".to_vec()),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let out = exaplan(&["validate", "--runs", path]);
        assert!([0, 2].contains(&out.code), "{name}: {}", out.stderr);
        assert!(out.code == 0 || out.stderr.contains("help"), "{name}: {}", out.stderr);
    }
}

#[test]
fn a_missing_file_is_told_as_what_it_should_be() {
    let out = exaplan(&["validate", "--runs", "nowhere.csv"]);
    assert_eq!(out.code, 2);
    assert!(
        out.stderr.contains("nowhere.csv") && out.stderr.contains("CSV file of measured runs"),
        "{}",
        out.stderr
    );
    let out = exaplan(&["validate", "--models", "nowhere.toml"]);
    assert_eq!(out.code, 2);
    assert!(out.stderr.contains("TOML file with one table per model"), "{}", out.stderr);
    let out = exaplan(&["calibrate", "--runs", "nowhere.csv"]);
    assert!(out.code == 2 && out.stderr.contains("CSV file"), "{}", out.stderr);
}
