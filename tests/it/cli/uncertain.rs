//! Samples in `plan` and `report`.

use super::{command, exaplan, ran, scratch};

const SCENARIO: &str = r#"
[unknowns]
"cost.usd_per_device_hour" = { triangular = ["2 USD/h", "2.5 USD/h", "4 USD/h"] }
"reliability.node_mtbf" = { lognormal = { p10 = "200 d", p90 = "600 d" } }
region.us-east-1.pue = { beta = [2, 4, 1.05, 1.5] }

[limits]
deadline = "100 d"
budget = "100 MUSD"
"#;

/// The built-in scenario with unknowns.
fn file(name: &str) -> String {
    let dir = scratch(name);
    let path = dir.join("unknown.toml");
    let text = format!("{}{SCENARIO}", include_str!("../../../scenarios/llama3-405b.toml"));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn the_same_bytes_whatever_the_number_of_threads() {
    let path = file("threads");
    let on = |threads: &str, seed: &str| {
        let mut run = command(&["plan", &path, "--json", "--samples", "500", "--seed", seed]);
        let out = ran(run.env("RAYON_NUM_THREADS", threads).output().unwrap());
        assert_eq!((out.code, out.stderr.as_str()), (0, ""));
        out.stdout
    };
    let one = on("1", "7");
    for threads in ["2", "3", "8"] {
        assert!(on(threads, "7") == one, "{threads} threads");
    }
    assert!(on("2", "8") != one);
}

#[test]
fn unknowns_of_a_scenario_are_drawn_without_being_asked() {
    let path = file("automatic");
    let plan = exaplan(&["plan", &path, "--json"]).json();
    let study = &plan["uncertainty"];
    assert_eq!(study["n_samples"], 10_000);
    let paths: Vec<&str> = study["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "step.time",
            "cost.usd_per_device_hour",
            "region.us-east-1.pue",
            "reliability.node_mtbf"
        ]
    );
    // The ranges of the plan are those that were drawn, and the totals rise from P10 to P90.
    for (range, output) in [
        ("wall_s", "wall_s"),
        ("cost_usd", "cost_usd"),
        ("energy_j", "energy_j"),
        ("carbon_kg_co2e", "carbon_kg_co2e"),
    ] {
        let at = |q: &str| plan["ranges"][range][q].as_f64().unwrap();
        assert!(at("p10") < at("p50") && at("p50") < at("p90"), "{range}");
        assert_eq!(plan["ranges"][range]["p90"], study["outputs"][output]["p90"]);
    }
    let met = |limit: &str| study["chances"][limit]["met_fraction"].as_f64().unwrap();
    assert!(
        met("all") <= met("deadline").min(met("budget")) && met("deadline") > 0.5 && met("budget") > 0.3,
        "{}",
        study["chances"]
    );
    assert_eq!(exaplan(&["plan", "--json"]).json()["uncertainty"], serde_json::Value::Null);
}

#[test]
fn people_see_ranges_and_what_decides_them() {
    let path = file("screen");
    let out = exaplan(&["plan", &path, "--samples", "400"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.lines().all(|l| l.chars().count() <= 100), "{}", out.stdout);
    for words in [
        "P10",
        "P90",
        "Deadline met",
        "Budget met",
        "All limits met",
        "One at a time",
        "400 samples",
        "the layout stays",
    ] {
        assert!(out.stdout.contains(words), "{words}: {}", out.stdout);
    }
    let page = scratch("page").join("plan.html");
    let out = exaplan(&["report", &path, "--samples", "400", "-o", page.to_str().unwrap()]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let text = std::fs::read_to_string(&page).unwrap();
    for words in ["Rank regression", "one input at a time", "input at its P90"] {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn mistakes_stand_at_their_line() {
    let dir = scratch("mistakes");
    let path = dir.join("wrong.toml");
    for (line, words) in [
        ("\"cost.usd_per_device_hour\" = { normal = [1] }", "takes 2 numbers"),
        (
            "\"cost.usd_per_device_hor\" = { uniform = [1, 2] }",
            "did you mean `usd_per_device_hour`",
        ),
        ("\"region.us-east-1.pue\" = { uniform = [0.5, 2] }", "min = … and max = …"),
        ("\"cluster.nodes\" = { empirical = [1024, 2048] }", "the layout stays fixed"),
    ] {
        let text = format!("{}\n[unknowns]\n{line}\n", include_str!("../../../scenarios/llama3-405b.toml"));
        std::fs::write(&path, &text).unwrap();
        let out = exaplan(&["plan", path.to_str().unwrap()]);
        assert_eq!(out.code, 2, "{line}: {}", out.stderr);
        assert!(out.stderr.contains(words), "{line}: {}", out.stderr);
        let number = text.lines().count();
        assert!(out.stderr.contains(&format!("wrong.toml:{number}:")), "{line}: {}", out.stderr);
    }
}
