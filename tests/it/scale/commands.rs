//! `exaplan scale` from end to end.

use crate::cli::{exaplan, scratch};
use crate::support::root;
use serde_json::Value;

fn points(name: &str) -> String {
    root().join("tests/data/scaling").join(name).display().to_string()
}

#[test]
fn fit_tells_the_contract_of_its_json() {
    let out = exaplan(&[
        "scale",
        "fit",
        &points("gadre_overtraining.csv"),
        "--only",
        "dataset=rpj",
        "--column",
        "loss=loss_c4_val",
        "--bootstrap",
        "40",
        "--at-flop",
        "1e22",
        "--json",
    ])
    .json();
    assert_eq!(
        (out["schema"].as_str().unwrap(), out["law"].as_str().unwrap()),
        ("exaplan.scale-fit/1", "chinchilla")
    );
    for name in ["E", "A", "B", "alpha", "beta"] {
        let value = out["params"][name].as_f64().unwrap();
        let (low, high) = (
            out["intervals"][name]["low"].as_f64().unwrap(),
            out["intervals"][name]["high"].as_f64().unwrap(),
        );
        assert!(value > 0.0 && low <= high, "{name}: {value} {low} {high}");
    }
    assert_eq!(out["n"], 35);
    assert!(out["objective"].as_f64().unwrap() > 0.0);
    assert!(out["optimal"][0]["params"].as_f64().unwrap() > 1e8);
}

#[test]
fn a_saved_law_answers_questions() {
    let dir = scratch("scale-law");
    let file = dir.join("law.toml");
    let file = file.to_str().unwrap();
    let fitted = exaplan(&[
        "scale",
        "fit",
        &points("gadre_overtraining.csv"),
        "--form",
        "overtrained",
        "--only",
        "dataset=c4",
        "--column",
        "loss=loss_c4_val",
        "--bootstrap",
        "40",
        "--save",
        file,
        "--json",
    ])
    .json();
    let law = exaplan(&["scale", "laws", file, "--json"]).json();
    let constants = &law["laws"][0]["constants"];
    assert_eq!(constants["e"], fitted["params"]["E"]);
    assert_eq!(law["laws"][0]["n_draws"], 40);
    let best = exaplan(&["scale", "optimal", "--law", file, "--flop", "1e24", "--json"]).json();
    let (low, high) = (
        best["loss_interval"]["p10"].as_f64().unwrap(),
        best["loss_interval"]["p90"].as_f64().unwrap(),
    );
    let loss = best["loss"].as_f64().unwrap();
    assert!(low <= loss && loss <= high, "{low} {loss} {high}");
    assert!(!best["beyond"].as_array().unwrap().is_empty());
}

#[test]
fn every_form_of_output_is_written() {
    let dir = scratch("scale-forms");
    for name in ["fit.html", "fit.md", "fit.csv", "fit.json", "fit.txt"] {
        let file = dir.join(name);
        let out = exaplan(&[
            "scale",
            "fit",
            &points("gadre_overtraining.csv"),
            "--only",
            "dataset=rpj",
            "--column",
            "loss=loss_c4_val",
            "--bootstrap",
            "0",
            "-o",
            file.to_str().unwrap(),
        ]);
        assert_eq!(out.code, 0, "{}", out.stderr);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("alpha"), "{name}: {text}");
        assert_eq!(name == "fit.html", text.contains("<svg"), "{name}");
    }
    let file = dir.join("fit.trace.json");
    let out = exaplan(&["scale", "laws", "-o", file.to_str().unwrap()]);
    assert!(out.code == 2 && out.stderr.contains("a trace shows one step"), "{}", out.stderr);
}

/// What is asked of a machine, answered, and planned again by `plan` with the overrides that are printed.
#[test]
fn a_machine_and_days_are_answered_and_planned_again() {
    let asked = [
        "scale",
        "optimal",
        "--set",
        "cluster.nodes=16",
        "--deadline",
        "20d",
        "--batch",
        "4194304",
        "--json",
    ];
    let answer = exaplan(&asked).json();
    let mut arguments = vec![
        "plan".to_string(),
        "llama3-405b".to_string(),
        "--json".to_string(),
        "--set".to_string(),
        "cluster.nodes=16".to_string(),
    ];
    for one in answer["overrides"].as_array().unwrap() {
        arguments.extend(["--set".to_string(), one.as_str().unwrap().to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let plan = exaplan(&arguments).json();
    let (a, b) = (answer["wall_s"].as_f64().unwrap(), plan["run"]["wall_s"].as_f64().unwrap());
    assert!((a / b - 1.0).abs() < 1e-3, "{a} {b}");
    assert_eq!(answer["layout"], plan["layout"]);
    assert_eq!(answer["binding"], "time");
    let text = exaplan(&asked[..asked.len() - 1]);
    assert!(
        text.stdout.contains("Bound") && text.stdout.contains("Plan it:") && text.stdout.contains("Shelf"),
        "{}",
        text.stdout
    );
}

#[test]
fn hostile_points_end_in_words() {
    let dir = scratch("scale-hostile");
    let header = "params,tokens,loss\n";
    let row = "1e9,2e10,3.0\n";
    let cases = [
        ("nan.csv", format!("{header}1e9,2e10,NaN\n"), "`loss` is `NaN`"),
        ("zero.csv", format!("{header}1e9,0,3.1\n"), "`tokens` is `0`"),
        ("negative.csv", format!("{header}-1,2e10,3.1\n"), "`params` is `-1`"),
        ("one.csv", format!("{header}{row}"), "1 rows are too few"),
        (
            "equal.csv",
            format!("{header}{}", row.repeat(50)),
            "all 50 rows have the same params",
        ),
        (
            "many.csv",
            format!("{header}{}", "1,1,1\n".repeat(200_000)),
            "more than the 100000 rows",
        ),
        ("empty.csv", String::new(), "there is no column"),
        ("head.csv", header.to_string(), "has no row with params"),
        ("binary.csv", "\u{0}\u{1}\u{2},\n".repeat(9), "there is no column"),
        ("quote.csv", format!("{header}\"1e9,2e10,3\n"), "`params` is `1e9,2e10,3"),
    ];
    for (name, text, word) in cases {
        let file = dir.join(name);
        std::fs::write(&file, text).unwrap();
        let out = exaplan(&["scale", "fit", file.to_str().unwrap()]);
        assert_eq!(out.code, 2, "{name}: {}{}", out.stdout, out.stderr);
        assert!(out.stderr.contains(word), "{name}: {}", out.stderr);
    }
}

/// Ten million rows are refused by their size, before they are held.
#[test]
fn ten_million_rows_are_refused_before_they_are_read() {
    use std::io::Write;
    let dir = scratch("scale-ten-million");
    let path = dir.join("huge.csv");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    file.write_all(b"params,tokens,loss\n").unwrap();
    let block = "1e9,2e10,3.0\n".repeat(10_000);
    for _ in 0..1000 {
        file.write_all(block.as_bytes()).unwrap();
    }
    file.flush().unwrap();
    let out = exaplan(&["scale", "fit", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(out.code, 2);
    assert!(
        out.stderr.contains("more than the") && out.stderr.contains("at most 100000 runs"),
        "{}",
        out.stderr
    );
}

#[test]
fn wrong_requests_name_the_flag_and_a_way_out() {
    let fit = points("gadre_overtraining.csv");
    for (arguments, word) in [
        (&["scale", "optimal"][..], "there is no budget"),
        (&["scale", "optimal", "--tokens", "1T"], "tokens alone bound no size"),
        (&["scale", "optimal", "--flop", "0"], "--flop is 0, out of range"),
        (&["scale", "optimal", "--flop", "many"], "--flop"),
        (
            &["scale", "optimal", "--flop", "1e24", "--law", "chinchila"],
            "did you mean `chinchilla`",
        ),
        (&["scale", "optimal", "--flop", "1e24", "--law", "llama3-tokens"], "tells no loss"),
        (&["scale", "optimal", "--flop", "1e24", "--bits", "99"], "--bits"),
        (
            &["scale", "optimal", "--flop", "1e24", "--experts", "8", "--active", "9"],
            "--active 9",
        ),
        (
            &["scale", "optimal", "--flop", "1e24", "--experts", "8", "--route", "guess"],
            "leverage=FACTOR",
        ),
        (&["scale", "optimal", "--deadline", "60"], "no unit"),
        (
            &["scale", "fit", &fit, "--column", "loss=loss_c4", "--bootstrap", "0"],
            "did you mean `loss_c4_val`",
        ),
        (&["scale", "fit", &fit, "--column", "loss=loss_c4_val", "--delta", "0"], "--delta"),
        (&["scale", "data", "--need", "15T", "--recipe", "finweb"], "did you mean `fineweb`"),
        (&["scale", "data", "--need", "15T", "--mix", "web=0.5"], "sum to 0.5"),
        (
            &["scale", "data", "--need", "15T", "--licence", "book=1"],
            "there is no price `book`",
        ),
        (&["scale", "curriculum", "--batch", "4M@1B"], "--batch ends at"),
        (&["scale", "curriculum", "--method", "3"], "--method is 3"),
        (
            &["scale", "ladder", "--target-params", "x", "--target-tokens", "1T"],
            "--target-params",
        ),
        (&["scale", "limits", "--flop", "1e25", "--step", "0"], "--step is 0"),
        (&["scale", "extras"], "nothing was asked"),
        (&["scale", "verify", "."], "none of the files"),
    ] {
        let out = exaplan(arguments);
        assert_eq!(out.code, 2, "{arguments:?}: {}{}", out.stdout, out.stderr);
        assert!(out.stderr.contains(word), "{arguments:?}: {}", out.stderr);
    }
}

#[test]
fn verify_finds_what_is_published_and_names_what_is_absent() {
    let out = exaplan(&[
        "scale",
        "verify",
        &root().join("tests/data/scaling").display().to_string(),
        "--json",
    ])
    .json();
    assert_eq!(out["n_missed"], 0, "{out}");
    assert_eq!(out["absent"], serde_json::json!(["Chinchilla"]));
    assert!(out["checks"].as_array().unwrap().iter().all(|c| c["holds"] == Value::Bool(true)));
}

#[test]
fn the_text_of_an_optimum() {
    let out = exaplan(&["scale", "optimal", "--flop", "5.76e23"]);
    insta::assert_snapshot!(out.stdout);
}

#[test]
fn the_text_of_a_shipped_law() {
    let out = exaplan(&["scale", "laws", "chinchilla"]);
    insta::assert_snapshot!(out.stdout);
}
