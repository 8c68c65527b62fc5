//! `exaplan sweep`: whatever stops it and however it is divided, the results are the same bytes.

use super::{Ran, command, exaplan, ran, scratch};
use exaplan::report::sweep::results::Reader;
use exaplan::study::sweep::row::{COLUMNS, Cell};
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Three steps, of which one does not fit, and 200 prices and sizes of each.
const STUDY: &str = r#"
name = "Small"
scenario = "llama3-405b"
set = ["cluster.nodes=64", "layout.data=4", "layout.virtual_stages=1"]

[[axis]]
path = "layout.micro_batch"
values = [1, 2, 3]

[[axis]]
path = "training.tokens"
from = "1T"
to = "16T"
n = 20
log = true

[[axis]]
path = "cost.usd_per_device_hour"
from = 1.5
to = 6.0
n = 10
"#;

fn study(dir: &Path) -> String {
    let path = dir.join("study.toml");
    fs::write(&path, STUDY).unwrap();
    path.display().to_string()
}

/// The results of an unsharded run that nothing stops.
fn whole(name: &str) -> Vec<u8> {
    let dir = scratch(name);
    let done = exaplan(&["sweep", "run", &study(&dir)]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(!dir.join("study.sweep").exists(), "nothing is left behind");
    fs::read(dir.join("study.parquet")).unwrap()
}

#[test]
fn rows_are_the_plans_of_their_overrides() {
    let dir = scratch("sweep-rows");
    let study = study(&dir);
    let told = exaplan(&["sweep", "run", &study, "--json"]).json();
    assert_eq!((&told["n_cases"], &told["n_feasible"]), (&600.into(), &400.into()));
    let mut reader = Reader::new(File::open(dir.join("study.parquet")).unwrap(), "study.parquet").unwrap();
    let label = reader.label().unwrap();
    assert_eq!(label.provenance["scenario"], "llama3-405b");
    assert!(label.provenance["catalog_digest"].is_string() && label.shard.is_none());
    let names = reader.names();
    assert_eq!(
        names[..4],
        ["case", "layout.micro_batch", "training.tokens", "cost.usd_per_device_hour"]
    );
    assert_eq!(names.len(), 4 + COLUMNS.len());
    let mut rows = Vec::new();
    while let Some(row) = reader.row().unwrap() {
        rows.push(row);
    }
    assert_eq!(rows.len(), 600);
    for case in [0, 7, 123, 399] {
        let row = &rows[case];
        assert_eq!(row[0], Cell::Whole(case as i64));
        let sets = names[1..4].iter().zip(&row[1..4]).map(|(name, cell)| match cell {
            Cell::Whole(n) => format!("{name}={n}"),
            Cell::Number(x) => format!("{name}={x:?}"),
            Cell::Text(t) => format!("{name}=\"{t}\""),
            other => panic!("{other:?}"),
        });
        let mut args = vec!["plan".to_string(), "--json".to_string()];
        let fixed = ["cluster.nodes=64", "layout.data=4", "layout.virtual_stages=1"].map(String::from);
        args.extend(fixed.into_iter().chain(sets).flat_map(|s| ["--set".to_string(), s]));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let plan = exaplan(&args).json();
        let number = |name: &str| match &row[names.iter().position(|n| n == name).unwrap()] {
            Cell::Number(x) => *x,
            Cell::Whole(n) => *n as f64,
            other => panic!("{name}: {other:?}"),
        };
        for (name, path) in [
            ("n_devices", "/scenario/n_devices"),
            ("tensor", "/layout/tensor"),
            ("step_time_s", "/step/time_s"),
            ("mfu", "/step/mfu"),
            ("peak_bytes", "/memory/peak_bytes"),
            ("n_steps", "/run/n_steps"),
            ("wall_s", "/run/wall_s"),
            ("goodput", "/run/goodput"),
            ("energy_j", "/bill/energy_j/total"),
            ("carbon_kg_co2e", "/bill/carbon_kg_co2e/total"),
            ("water_l", "/bill/water_l"),
            ("cost_usd", "/bill/cost_usd/total"),
            ("usd_per_device_hour", "/bill/offer/usd_per_device_hour"),
            ("wall_p10_s", "/ranges/wall_s/p10"),
            ("wall_p90_s", "/ranges/wall_s/p90"),
            ("cost_p90_usd", "/ranges/cost_usd/p90"),
            ("energy_p10_j", "/ranges/energy_j/p10"),
        ] {
            let want = plan.pointer(path).unwrap().as_f64().unwrap();
            // serde_json reads a number within one unit of its last place.
            assert!(number(name).to_bits().abs_diff(want.to_bits()) <= 1, "case {case}: {name}");
        }
    }
    let fallen = &rows[599];
    assert_eq!(fallen[4], Cell::Flag(false));
    assert!(matches!(&fallen[5], Cell::Text(reason) if reason.contains("batch")), "{fallen:?}");
    assert!(fallen[6..].iter().all(|c| *c == Cell::Null));
}

#[test]
fn shards_merge_to_the_bytes_of_the_whole() {
    let whole = whole("sweep-whole");
    for count in [1_u32, 3, 7] {
        let dir = scratch(&format!("sweep-shards-{count}"));
        let study = study(&dir);
        if count > 1 {
            let early = exaplan(&["sweep", "run", &study, "--shard", &format!("1/{count}")]);
            assert_eq!(early.code, 0, "{}", early.stderr);
            let early = exaplan(&["sweep", "merge", &study]);
            assert!(early.code == 75 && early.stderr.contains("missing: shard 0"), "{}", early.stderr);
            let status = exaplan(&["sweep", "status", &study, "--json"]).json();
            let states: Vec<&str> = status["shards"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| s["state"].as_str().unwrap())
                .collect();
            assert_eq!(states[..2], ["missing", "complete"]);
        }
        for index in 0..count {
            // Twice is as good as once.
            let done = exaplan(&["sweep", "run", &study, "--shard", &format!("{index}/{count}"), "-j", "2"]);
            assert_eq!(done.code, 0, "{}", done.stderr);
        }
        let merged = exaplan(&["sweep", "merge", &study]);
        assert_eq!(merged.code, 0, "{}", merged.stderr);
        assert!(fs::read(dir.join("study.parquet")).unwrap() == whole, "{count} shards");
    }
}

/// Start a run and kill it after a while; whether it came to its end before.
fn killed(study: &str, signal: Option<&str>, after: Duration) -> Option<Ran> {
    let mut child = command(&["sweep", "run", study, "-j", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while start.elapsed() < after {
        if child.try_wait().unwrap().is_some() {
            return Some(ran(child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    match signal {
        None => child.kill().unwrap(),
        Some(signal) => {
            let told = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("kill -{signal} {}", child.id()))
                .status();
            assert!(told.unwrap().success());
            return Some(ran(child.wait_with_output().unwrap()));
        }
    }
    child.wait().unwrap();
    None
}

/// Start a run and kill it when its journal is longer; false where it came to its end before.
fn killed_beyond(study: &str, journal: &Path, bytes: u64) -> bool {
    let mut child = command(&["sweep", "run", study, "-j", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while child.try_wait().unwrap().is_none() {
        if fs::metadata(journal).is_ok_and(|m| m.len() > bytes) {
            child.kill().unwrap();
            child.wait().unwrap();
            return journal.exists();
        }
    }
    false
}

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_bytes() {
    let whole = whole("sweep-unkilled");
    let dir = scratch("sweep-killed");
    let study = study(&dir);
    let mut n_killed = 0;
    let mut done = None;
    // Moments from just after the start to late, by a Weyl sequence; each run gets further.
    for i in 0..60_u32 {
        let share = (f64::from(i) * 0.618_033_988_75).fract();
        done = killed(&study, None, Duration::from_secs_f64(0.01 + 0.4 * share + 0.02 * f64::from(i)));
        if done.is_some() {
            break;
        }
        n_killed += 1;
    }
    let done = done.expect("it comes to its end at last");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(n_killed >= 1, "killed {n_killed} times");
    assert!(fs::read(dir.join("study.parquet")).unwrap() == whole, "killed {n_killed} times");
}

#[test]
fn a_torn_tail_is_dropped_and_another_study_refused() {
    let whole = whole("sweep-untorn");
    let dir = scratch("sweep-torn");
    let study = study(&dir);
    let journal = dir.join("study.sweep/shard-0-of-1.journal");
    // Killed in the middle, whenever that is on this machine; again where it was done before anybody looked.
    while !killed_beyond(&study, &journal, 3000) {
        fs::remove_file(dir.join("study.parquet")).unwrap();
    }
    let mut bytes = fs::read(&journal).unwrap();
    bytes.truncate(bytes.len() - 5);
    bytes.extend([7; 30]);
    fs::write(&journal, &bytes).unwrap();
    let status = exaplan(&["sweep", "status", &study, "--json"]).json();
    assert_eq!(status["shards"][0]["state"], "stopped");
    let done = exaplan(&["sweep", "run", &study]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(fs::read(dir.join("study.parquet")).unwrap() == whole);
    // The same names, another study.
    fs::write(dir.join("study.toml"), STUDY.replace("16T", "17T")).unwrap();
    let other = exaplan(&["sweep", "run", &study]);
    assert!(other.code == 2 && other.stderr.contains("holds other results"), "{}", other.stderr);
    assert_eq!(exaplan(&["sweep", "run", &study, "--restart"]).code, 0);
    assert!(fs::read(dir.join("study.parquet")).unwrap() != whole);
}

#[test]
fn signals_stop_it_so_that_it_can_go_on() {
    let whole = whole("sweep-unstopped");
    for (signal, code) in [("TERM", 75), ("INT", 130)] {
        let dir = scratch(&format!("sweep-{signal}"));
        let study = study(&dir);
        let mut after = 0.15;
        loop {
            let done = killed(&study, Some(signal), Duration::from_secs_f64(after)).unwrap();
            if done.code == code {
                break;
            }
            // Too early for the handler, or too late: it was done.
            let _ = fs::remove_file(dir.join("study.parquet"));
            after = if done.code == 0 { after / 2.0 } else { after + 0.05 };
            assert!(after < 5.0, "{}", done.stderr);
        }
        assert!(!dir.join("study.parquet").exists());
        let done = exaplan(&["sweep", "run", &study]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert!(fs::read(dir.join("study.parquet")).unwrap() == whole, "{signal}");
    }
}

#[test]
fn schedulers_tell_the_shard() {
    let dir = scratch("sweep-slurm");
    let study = study(&dir);
    for (task, index) in [("1", 0), ("3", 1)] {
        let mut run = command(&["sweep", "run", &study, "--json"]);
        run.envs([
            ("SLURM_ARRAY_TASK_ID", task),
            ("SLURM_ARRAY_TASK_MIN", "1"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
        ]);
        let done = ran(run
            .envs([("SLURM_ARRAY_TASK_COUNT", "2"), ("SLURM_CPUS_PER_TASK", "1")])
            .output()
            .unwrap());
        assert_eq!(done.json()["shard"], serde_json::json!({ "index": index, "count": 2 }));
    }
    assert_eq!(exaplan(&["sweep", "merge", &study]).code, 0);
    let lost = exaplan(&["sweep", "run", &study, "--shards", "4"]);
    assert!(lost.code == 2 && lost.stderr.contains("which of 4 shards"), "{}", lost.stderr);
}

/// A script without what differs between machines.
fn plain(text: &str, dir: &Path) -> String {
    let text = text.replace(&dir.display().to_string(), "DIR");
    text.replace(env!("CARGO_BIN_EXE_exaplan"), "EXAPLAN")
}

#[test]
fn a_script_or_a_manifest_is_written() {
    let dir = scratch("sweep-submit");
    let study = study(&dir);
    let slurm = exaplan(&[
        "sweep",
        "submit",
        &study,
        "--shards",
        "8",
        "--at-once",
        "2",
        "--cpus",
        "4",
        "--memory",
        "2G",
        "--time",
        "00:30:00",
        "--dry-run",
    ]);
    insta::assert_snapshot!("sweep_slurm", plain(&slurm.stdout, &dir));
    let pods = ["sweep", "submit", &study, "--shards", "8", "--engine", "kubernetes"];
    let lacks = exaplan(&pods);
    assert!(lacks.code == 2 && lacks.stderr.contains("--image"), "{}", lacks.stderr);
    let pods = exaplan(&[&pods[..], &["--image", "registry.example/exaplan:0.1", "--claim", "studies"]].concat());
    insta::assert_snapshot!("sweep_kubernetes", pods.stdout);
    // Without Slurm it says so; the script is there all the same.
    let none = ran(command(&["sweep", "submit", &study, "--shards", "2"])
        .env("PATH", "/nonexistent")
        .output()
        .unwrap());
    assert!(none.code == 3 && none.stderr.contains("cannot run sbatch"), "{}", none.stderr);
}

#[test]
fn a_map_shows_one_metric_over_two_axes() {
    let dir = scratch("sweep-map");
    let study = study(&dir);
    let early = exaplan(&["sweep", "map", &study]);
    assert!(early.code == 2 && early.stderr.contains("no results"), "{}", early.stderr);
    assert_eq!(exaplan(&["sweep", "run", &study, "-q"]).code, 0);
    let axes = [
        "--x",
        "layout.micro_batch",
        "--y",
        "cost.usd_per_device_hour",
        "--where",
        "training.tokens=16T",
    ];
    let map = exaplan(&[&["sweep", "map", &study][..], &axes].concat());
    insta::assert_snapshot!("sweep_map", map.stdout);
    let page = dir.join("map.html");
    let html = exaplan(&[&["sweep", "map", &study, "-o", &page.display().to_string()][..], &axes].concat());
    assert_eq!(html.code, 0, "{}", html.stderr);
    let html = fs::read_to_string(page).unwrap();
    // 3 × 10 cells, of which a third fit nothing.
    assert!(html.matches("<rect fill=").count() == 20 && html.matches(r#"<rect class="rest""#).count() == 10);
    let json = exaplan(&["sweep", "map", &study, "--metric", "mfu", "--json"]).json();
    let values = &json["blocks"][0]["heat"]["values"];
    assert_eq!((values.as_array().unwrap().len(), values[0].as_array().unwrap().len()), (20, 3));
    assert!(values[0][0].as_f64().unwrap() > 0.1 && values[0][2].is_null());
    for (flag, value, words) in [
        ("--metric", "cost", "cost_usd"),
        ("--x", "layout.tensor", "no axis"),
        ("--where", "layout.micro_batch=9", "no case"),
    ] {
        let wrong = exaplan(&["sweep", "map", &study, flag, value]);
        assert!(wrong.code == 2 && wrong.stderr.contains(words), "{}", wrong.stderr);
    }
}
