//! `exaplan size`.

use super::{command, exaplan, ran, scratch};
use exaplan::Catalog;
use exaplan::catalog::{Kind, Offer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

const SMALL: &str = "format = 1\nname = \"Llama 3 8B\"\n[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\nsequence = 8192\n\
global_batch = \"512 sequences\"\n[cluster]\nnode = \"dgx-h100\"\nnodes = 16\nregion = \"us-east-1\"\n";

/// A scenario that is planned in a moment.
pub fn small(name: &str) -> PathBuf {
    let path = scratch(name).join("small.toml");
    std::fs::write(&path, SMALL).unwrap();
    path
}

fn number(value: &Value, pointer: &str) -> f64 {
    value
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("{pointer}"))
}

/// Run the printed command in a shell and hold what it plans against what was told.
fn planned_again(size: &Value) {
    let text = size["best"]["command"].as_str().unwrap();
    let text = text.strip_prefix("exaplan ").unwrap();
    let mut shell = std::process::Command::new("sh");
    let line = format!("'{}' {text} --json --check", env!("CARGO_BIN_EXE_exaplan"));
    let out = ran(shell
        .args(["-c", &line])
        .env("XDG_CONFIG_DIRS", "/nonexistent")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap());
    assert_eq!((out.code, out.stderr.as_str()), (0, ""), "{line}");
    let plan: Value = serde_json::from_str(&out.stdout).unwrap();
    let best = &size["best"];
    for (told, planned) in [
        ("/wall_s", "/run/wall_s"),
        ("/cost_usd", "/bill/cost_usd/total"),
        ("/carbon_kg_co2e", "/bill/carbon_kg_co2e/total"),
        ("/step_time_s", "/step/time_s"),
        ("/mfu", "/step/mfu"),
        ("/goodput", "/run/goodput"),
    ] {
        assert_eq!(number(best, told), number(&plan, planned), "{told}");
    }
    assert_eq!(best["layout"], plan["layout"]);
}

#[test]
fn the_main_question_over_eight_accelerators_and_every_provider() {
    const EIGHT: &str = "h100-sxm-80gb,h200-sxm,b200-sxm,b300-sxm,gb200,a100-sxm-80gb,mi300x,tpu-v5p";
    let catalog = Catalog::builtin();
    let mut priced: BTreeSet<(String, String)> = BTreeSet::new();
    for name in catalog.entries(Kind::Offer).entries.keys() {
        let offer: Offer = catalog.get(name).unwrap();
        if EIGHT.split(',').any(|a| a == offer.accelerator) {
            priced.insert((offer.accelerator, offer.provider));
        }
    }
    for (flag, limit, share) in [("--deadline", "60d", "deadline"), ("--budget", "60MUSD", "budget")] {
        let size = exaplan(&["size", flag, limit, "--accelerators", EIGHT, "--json"]).json();
        let machines = size["machines"].as_array().unwrap();
        assert_eq!(machines.len(), 8);
        let shown: BTreeSet<(String, String)> = machines
            .iter()
            .flat_map(|m| {
                let accelerator = m["accelerator"].as_str().unwrap();
                let rows = m["providers"].as_array().unwrap();
                rows.iter()
                    .map(move |r| (accelerator.to_string(), r["provider"].as_str().unwrap().to_string()))
            })
            .collect();
        assert_eq!(shown, priced, "{flag}");
        let best = &size["best"];
        assert!(number(best, &format!("/shares/{share}")) <= 1.0);
        planned_again(&size);
        // Each row that fits keeps the limit; each other one tells by how much it misses.
        for row in machines.iter().flat_map(|m| m["providers"].as_array().unwrap()) {
            match (&row["best"], &row["miss"]) {
                (Value::Null, miss) => assert!(number(miss, &format!("/shares/{share}")) > 1.0),
                (best, Value::Null) => assert!(best["fits"] == true),
                both => panic!("{both:?}"),
            }
        }
    }
}

#[test]
fn the_text_of_an_answer() {
    let small = small("size-text");
    let mut program = command(&[
        "size",
        "small.toml",
        "--deadline",
        "10d",
        "--power",
        "1MW",
        "--accelerators",
        "h100-sxm-80gb,mi300x,a100-sxm-40gb",
    ]);
    let out = ran(program
        .args(["--providers", "nebius,cudo,aws,oci"])
        .current_dir(small.parent().unwrap())
        .output()
        .unwrap());
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert!(out.stdout.lines().all(|l| l.chars().count() <= 100), "{}", out.stdout);
    insta::assert_snapshot!(unclocked(&out.stdout));
}

#[test]
fn the_text_of_no_answer() {
    let small = small("size-none");
    let mut program = command(&["size", "small.toml", "--deadline", "5d", "--budget", "30kUSD", "--devices", "512"]);
    let out = ran(program
        .args(["--accelerators", "h100-sxm-80gb,mi300x"])
        .current_dir(small.parent().unwrap())
        .output()
        .unwrap());
    assert_eq!((out.code, out.stderr.as_str()), (1, ""));
    insta::assert_snapshot!(unclocked(&out.stdout));
}

/// Without the time it took and the digest of the catalog.
fn unclocked(text: &str) -> String {
    let one = |line: &str| match (line.find("were planned in"), line.starts_with("exaplan 0.")) {
        (Some(i), _) => format!("{}were planned in TIME …", &line[..i]),
        (None, true) => "exaplan VERSION, catalog DIGEST".to_string(),
        _ => line.trim_end().to_string(),
    };
    // What follows the time is wrapped by its length.
    let mut wrapped = false;
    let keep = |line: &&str| {
        let drop = wrapped;
        wrapped = (wrapped || line.contains("were planned in")) && !line.is_empty();
        !drop || line.is_empty() || line.starts_with("Left out")
    };
    text.lines().filter(keep).map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn limits_of_the_scenario_are_enough() {
    let small = small("size-limits");
    let path = small.to_str().unwrap();
    let one = ["--accelerators", "h100-sxm-80gb", "--json"];
    let flags = exaplan(&[&["size", path, "--deadline", "9d"], &one[..]].concat()).json();
    let set = exaplan(&[&["size", path, "--set", "limits.deadline=9 d"], &one[..]].concat()).json();
    assert_eq!(flags["best"]["devices"], set["best"]["devices"]);
    planned_again(&set);
    // A flag wins over them.
    let over = exaplan(&[&["size", path, "--set", "limits.deadline=9 d", "--deadline", "3d"], &one[..]].concat()).json();
    assert!(number(&over, "/best/devices") > number(&set, "/best/devices"));
    assert_eq!(number(&over, "/limits/wall_s"), 3.0 * 86_400.0);
}

#[test]
fn the_scenario_keeps_its_own_price_machine_and_profile() {
    let small = small("size-own");
    let path = small.to_str().unwrap();
    let own = [
        "--set",
        "cluster.fabric=roce-400g",
        "--set",
        "cost.usd_per_device_hour=1.5 USD/h",
        "--set",
        "software.stack=torchtitan",
    ];
    let size = exaplan(
        &[
            &["size", path, "--deadline", "9d", "--accelerators", "h100-sxm-80gb", "--json"],
            &own[..],
        ]
        .concat(),
    )
    .json();
    assert_eq!(size["best"]["fabric"]["scale_out"], "roce-400g");
    planned_again(&size);
    let hf = crate::support::root().join("tests/fixtures/hf/qwen3-8b.json");
    let size = exaplan(&[
        "size",
        path,
        "--hf",
        hf.to_str().unwrap(),
        "--deadline",
        "9d",
        "--accelerators",
        "b200-sxm",
        "--json",
    ])
    .json();
    assert!(size["best"]["command"].as_str().unwrap().contains("--hf"));
    planned_again(&size);
}

#[test]
fn what_is_wrong_is_told_with_a_way_out() {
    let small = small("size-wrong");
    let path = small.to_str().unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&[], "give --deadline 60d, --budget 60MUSD"),
        (&["--deadline", "60"], "has no unit"),
        (&["--deadline", "0d"], "out of range"),
        (&["--deadline", "9d", "--accelerators", "h100-smx"], "did you mean `h100-sxm`?"),
        (&["--deadline", "9d", "--providers", "coreweve"], "did you mean `coreweave`?"),
        (&["--deadline", "9d", "--regions", "us-est-1"], "did you mean `us-east-1`?"),
        (&["--deadline", "9d", "--commitment", "1year"], "did you mean `1-year`?"),
        (&["--deadline", "9d", "--objective", "speed"], "possible values"),
        (&["--budget", "9kt"], "not a unit"),
    ];
    for (flags, words) in cases {
        let out = exaplan(&[&["size", path], flags].concat());
        assert_eq!(out.code, 2, "{flags:?} {}", out.stderr);
        assert!(out.stderr.contains(words) && out.stdout.is_empty(), "{flags:?} {}", out.stderr);
    }
}

#[test]
fn every_form_is_written() {
    let small = small("size-forms");
    let dir = small.parent().unwrap();
    for (file, words) in [
        ("a.html", "<svg"),
        ("a.md", "| Accelerator"),
        ("a.csv", "accelerator,node,provider"),
        ("a.json", "exaplan.size/1"),
        ("a.txt", "Plan it:"),
    ] {
        let target = dir.join(file);
        let out = exaplan(&[
            "size",
            small.to_str().unwrap(),
            "--deadline",
            "10d",
            "--accelerators",
            "h100-sxm-80gb",
            "-o",
            target.to_str().unwrap(),
        ]);
        assert_eq!(out.code, 0, "{file} {}", out.stderr);
        let text = std::fs::read_to_string(&target).unwrap();
        assert!(text.contains(words), "{file}: {}", &text[..300.min(text.len())]);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_answer() {
    let small = small("size-threads");
    let of = |threads: &str| {
        let mut program = command(&[
            "size",
            small.to_str().unwrap(),
            "--deadline",
            "10d",
            "--accelerators",
            "h100-sxm-80gb,mi300x,l40s",
            "--json",
        ]);
        let mut value: Value = ran(program.env("RAYON_NUM_THREADS", threads).output().unwrap()).json();
        value["elapsed_s"] = Value::Null;
        value
    };
    let one = of("1");
    assert_eq!(one, of("2"));
    assert_eq!(one, of("5"));
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_it() {
    let mut child = command(&["size", "--deadline", "60d", "--exhaustive", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let code = child.wait().unwrap().code();
    let out = ran(child.wait_with_output().unwrap());
    assert_eq!((code, out.stdout.as_str()), (Some(130), ""));
}
