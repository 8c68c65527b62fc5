//! plan, search, explain.

use super::{command, exaplan, ran, scratch};
use std::io::Read;
use std::process::Stdio;

#[test]
fn the_default_plan_fits_a_screen() {
    let out = exaplan(&["plan"]);
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert!(
        out.stdout.lines().count() <= 55 && out.stdout.lines().all(|l| l.chars().count() <= 100),
        "{}",
        out.stdout
    );
    for word in [
        "Time to train",
        "Cost",
        "MFU",
        "Where a step goes",
        "Memory",
        "Goodput",
        "Energy",
        "Carbon",
        "Assumption",
    ] {
        assert!(out.stdout.contains(word), "{word}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(
        exaplan(&["plan", "--json"]).stdout,
        exaplan(&["--json", "plan", "llama3-405b"]).stdout
    );
}

#[test]
fn json_is_consistent() {
    let plan = exaplan(&["plan", "--json"]).json();
    assert_eq!(plan.as_object().unwrap().keys().next().unwrap(), "schema");
    let parts: f64 = plan["step"]["parts"]
        .as_object()
        .unwrap()
        .values()
        .map(|v| v.as_f64().unwrap())
        .sum();
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    assert!(near(parts, plan["step"]["time_s"].as_f64().unwrap()));
    let run = &plan["run"];
    assert!(near(
        run["ideal_s"].as_f64().unwrap() + run["lost"]["total_s"].as_f64().unwrap(),
        run["wall_s"].as_f64().unwrap()
    ));
    let evidence: f64 = plan["evidence"].as_object().unwrap().values().map(|v| v.as_f64().unwrap()).sum();
    assert!(near(evidence, 1.0));
    for (range, value) in [("step_time_s", &plan["step"]["time_s"]), ("wall_s", &plan["run"]["wall_s"])] {
        let at = |q: &str| plan["ranges"][range][q].as_f64().unwrap();
        assert!(at("p10") < at("p50") && at("p50") < at("p90"), "{range}");
        assert_eq!(at("p50"), value.as_f64().unwrap());
    }
}

#[test]
fn set_changes_the_plan_and_is_said() {
    let base = exaplan(&["plan", "--json"]).json();
    let changed = exaplan(&[
        "plan",
        "--json",
        "--set",
        "training.tokens=7.8T",
        "--set",
        "cost.usd_per_device_hour=2",
    ])
    .json();
    let steps = |p: &serde_json::Value| p["run"]["n_steps"].as_f64().unwrap();
    assert!((steps(&base) / steps(&changed) - 2.0).abs() < 1e-3);
    assert_eq!(changed["provenance"]["overrides"][0], "training.tokens=7.8T");
    assert_eq!(changed["bill"]["offer"]["usd_per_device_hour"], 2.0);
}

#[test]
fn check_tells_missed_limits() {
    assert_eq!(exaplan(&["plan", "--check"]).code, 0);
    let missed = exaplan(&["plan", "--check", "--set", "limits.deadline=10 d"]);
    assert_eq!(missed.code, 1);
    assert!(missed.stderr.contains("deadline") && missed.stdout.contains("Time to train"));
    assert_eq!(exaplan(&["plan", "--set", "limits.deadline=10 d"]).code, 0);
}

#[test]
fn files_are_written_by_extension() {
    let dir = scratch("files");
    for (name, start) in [
        ("p.txt", "Llama 3"),
        ("p.md", "# Llama"),
        ("p.csv", "name,value,unit"),
        ("p.json", "{"),
        ("p.html", "<!DOCTYPE html>"),
        ("p.trace.json", "{\"displayTimeUnit\""),
    ] {
        let path = dir.join(name);
        let written = |command: &str| {
            let out = exaplan(&[command, "--force", "-o", path.to_str().unwrap()]);
            assert_eq!((out.code, out.stdout.as_str()), (0, ""), "{name}: {}", out.stderr);
            std::fs::read_to_string(&path).unwrap()
        };
        let text = written("plan");
        assert!(text.to_lowercase().starts_with(&start.to_lowercase()), "{name}: {}", &text[..40]);
        assert_eq!(written("report"), text, "{name}");
    }
    let csv = std::fs::read_to_string(dir.join("p.csv")).unwrap();
    assert!(csv.lines().count() > 150 && csv.contains("\nstep.time_s,") && csv.contains(",usd\n"));
}

#[test]
fn a_workbook_is_the_same_twice_and_replaces_whole() {
    let folder = crate::support::Folder::new();
    let (book, told) = (folder.path().join("p.xlsx"), folder.path().to_str().unwrap());
    let written = || {
        let out = exaplan(&["report", "--force", "-o", book.to_str().unwrap()]);
        assert_eq!((out.code, out.stdout.as_str()), (0, ""), "{}", out.stderr);
        std::fs::read(&book).unwrap()
    };
    let first = written();
    assert!(first.starts_with(b"PK"));
    assert_eq!(written(), first);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let below_a_file = book.join("p.xlsx");
    let cases: [(&[&str], &str, i32); 3] = [
        (&["report", "--format", "xlsx", "-o", told], "is a directory", 2),
        (&["report", "--format", "xlsx"], "give -o FILE.xlsx", 2),
        (&["report", "-o", below_a_file.to_str().unwrap()], "cannot write", 3),
    ];
    for (arguments, word, code) in cases {
        let out = exaplan(arguments);
        assert!(
            out.code == code && out.stderr.contains(word),
            "{arguments:?}: {} {}",
            out.code,
            out.stderr
        );
    }
    assert_eq!(std::fs::read(&book).unwrap(), first);
}

#[test]
fn a_page_stands_alone() {
    let html = exaplan(&["plan", "--format", "html"]).stdout;
    assert!(html.matches("<svg").count() >= 2);
    // One script, in the page itself, that sorts tables.
    assert!(html.matches("<script>").count() == 1 && html.matches("<script").count() == 1);
    assert!(!html.contains("<link") && !html.contains(" src="));
    assert!(!html.contains("NaN"));
}

#[test]
fn search_frees_the_layout_or_keeps_it() {
    let free = exaplan(&["search", "--json", "--top", "3"]).json();
    let kept = exaplan(&["search", "--json", "--keep-layout"]).json();
    assert_eq!(free["best"].as_array().unwrap().len(), 3);
    let count = |s: &serde_json::Value| s["n_considered"].as_u64().unwrap();
    assert!(count(&free) > 10 * count(&kept));
    assert_eq!(kept["best"][0]["layout"]["pipeline"], 16);
    assert_eq!(
        count(&free),
        free["n_evaluated"].as_u64().unwrap() + free["n_pruned"].as_u64().unwrap()
    );
    let text = exaplan(&["search", "--explain-rejections"]);
    assert!(
        text.stdout.contains("Fastest") && text.stdout.contains("out of memory"),
        "{}",
        text.stdout
    );
}

#[test]
fn explain_shows_formula_inputs_and_operations() {
    let out = exaplan(&["explain", "step.time_s"]);
    for word in ["sum of the parts", "step.parts.math_s", "feed-forward", "interpolated"] {
        assert!(out.stdout.contains(word), "{word}: {}", out.stdout);
    }
    let json = exaplan(&["explain", "llama3-405b", "step.time_s", "--json"]).json();
    assert!(json["ops"].as_array().unwrap().len() > 10 && json["value"].as_f64().unwrap() > 1.0);
    assert!(exaplan(&["explain"]).stdout.contains("bill.carbon_kg_co2e"));
    assert!(exaplan(&["explain", "bill.carbon_kg_co2e.total"]).stdout.contains("GHG Protocol"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = command(&["catalog", "list", "--origin"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let end = ran(child.wait_with_output().unwrap());
    assert_eq!((end.code, end.stderr.as_str()), (0, ""));
}

#[test]
fn colors_are_for_terminals() {
    assert!(!exaplan(&["plan"]).stdout.contains('\u{1b}'));
    assert!(exaplan(&["plan", "--color", "always"]).stdout.contains('\u{1b}'));
    let never = command(&["plan"]).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!ran(never).stdout.contains('\u{1b}'));
}
