//! Measuring, the terminal and the manual.

use super::{command, exaplan, ran, scratch};

const SMALL: [&str; 10] = [
    "bench",
    "run",
    "--suite",
    "cpu-gemm",
    "--budget",
    "1s",
    "--matrix",
    "64",
    "--threads",
    "2",
];

#[test]
fn this_machine_is_measured() {
    assert!(exaplan(&["bench", "list"]).stdout.contains("stream"));
    let out = exaplan(&SMALL);
    assert_eq!(out.code, 0, "{}", out.stderr);
    for word in ["gemm-fp32", "FLOP/s", "Interval", "Error", "nothing here is predicted"] {
        assert!(out.stdout.contains(word), "{word}: {}", out.stdout);
    }
    let json = exaplan(&[&SMALL[..], &["--json"]].concat()).json();
    assert_eq!(json["complete"], true);
    for m in json["measurements"].as_array().unwrap() {
        let rate = |key: &str| m[key].as_f64().unwrap();
        assert!(rate("flop_per_s_low") <= rate("flop_per_s") && rate("flop_per_s") <= rate("flop_per_s_high"));
        assert!(m["kernel"].is_string() && m["n_checked"].as_u64().unwrap() > 0);
    }
    assert_eq!(exaplan(&["bench", "run", "--suite", "cpu-gem"]).code, 2);
    assert_eq!(exaplan(&["bench", "run", "--budget", "ten"]).code, 2);
}

#[test]
fn a_measured_profile_is_read_back() {
    let dir = scratch("bench-profile");
    let file = dir.join("this-machine.toml");
    let path = file.to_str().unwrap();
    let small = ["--budget", "3s", "--matrix", "64", "--buffer", "1 MiB", "--threads", "2"];
    let suites = ["--suite", "gemm", "--suite", "stream"];
    let out = exaplan(&[&["bench", "run", "-o", path][..], &small, &suites].concat());
    assert_eq!(out.code, 0, "{}", out.stderr);
    let table = || {
        let names = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path());
        let found: Vec<_> = names.filter(|p| p.extension().is_some_and(|e| e == "csv")).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    };
    let (toml, csv) = (std::fs::read_to_string(&file).unwrap(), std::fs::read_to_string(table()).unwrap());
    for word in [
        "[profile.this-machine]",
        "sha256",
        "clocks",
        "environment",
        "memory_bytes_per_s",
        "[node.cpu-host]",
    ] {
        assert!(toml.contains(word), "{word}: {toml}");
    }
    assert!(
        csv.starts_with("dtype,m,n,k,time_s,spread_fraction,n_repeats\n") && csv.contains("fp32,64,64,64,"),
        "{csv}"
    );
    // Profile, table, journal; nothing half-written stays.
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 3);

    let plan = exaplan(&["plan", "small-cpu", "--profile", path, "--json"]).json();
    assert_eq!(plan["scenario"]["profile"], "this-machine");
    let named = exaplan(&["plan", "--profile", "b200-sxm-simumax", "--json"]).json();
    assert_eq!(named["scenario"]["profile"], "b200-sxm-simumax");
    // A file that is missing is not taken for a name.
    let missing = exaplan(&["plan", "--profile", "no-such.toml"]);
    assert!(
        missing.code == 2 && missing.stderr.contains("cannot read `no-such.toml`"),
        "{}",
        missing.stderr
    );
    let none = exaplan(&["plan", "--profile", "h100-sxn"]);
    assert!(
        none.code == 2 && none.stderr.contains("did you mean `h100-sxm`?"),
        "{}",
        none.stderr
    );

    // The same command goes on, and has nothing left to do.
    let again = exaplan(&[&["bench", "run", "-o", path, "--json"][..], &small, &suites].concat());
    assert!(
        again.code == 0 && again.stderr.contains("goes on with 4 measurements"),
        "{}",
        again.stderr
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), toml);

    // A point that cannot be is refused with its line; one that was changed by hand, by its digest.
    for (time, word) in [("nan", "is not allowed"), ("-1e-5", "is not allowed"), ("1e-12", "times as fast")] {
        let broken: Vec<String> = csv
            .lines()
            .map(|l| {
                if l.starts_with("fp32,") {
                    format!("fp32,64,64,64,{time},0.01,9")
                } else {
                    l.to_string()
                }
            })
            .collect();
        std::fs::write(table(), broken.join("\n")).unwrap();
        let told = exaplan(&["plan", "small-cpu", "--profile", path]);
        assert_eq!(told.code, 2);
        for part in ["line 2", word, "not the file that was written"] {
            assert!(told.stderr.contains(part), "{part}: {}", told.stderr);
        }
    }

    let bare = dir.join("bare.toml");
    let only = [
        "--suite",
        "cpu-gemm",
        "-o",
        bare.to_str().unwrap(),
        "--budget",
        "1s",
        "--matrix",
        "32",
    ];
    let stream = exaplan(&[&["bench", "run"][..], &only].concat());
    assert!(stream.code == 2 && stream.stderr.contains("--suite stream"), "{}", stream.stderr);
    assert_eq!(exaplan(&["bench", "run", "-o", "Mine.csv"]).code, 2);
}

#[test]
fn the_kernels_of_a_scenario_come_first() {
    let words = [
        "bench",
        "run",
        "--scenario",
        "small-cpu",
        "--only",
        "--budget",
        "2s",
        "--buffer",
        "1 MiB",
        "--json",
    ];
    let json = exaplan(&words).json();
    let list = json["measurements"].as_array().unwrap();
    let shapes: Vec<&str> = list.iter().map(|m| m["shape"].as_str().unwrap()).collect();
    // The output head of 8,192 words by 384 is the largest product; its micro-batch is the search's choice.
    assert!(shapes.iter().any(|s| s.contains("n=8192 k=384")), "{shapes:?}");
}

#[test]
fn results_of_other_tools_become_a_profile() {
    let dir = scratch("bench-import");
    let (csv, out) = (dir.join("points.csv"), dir.join("imported.toml"));
    let head = "op,ranks,bytes,time_s\n";
    let words = |tool: &str| {
        let mut words = vec!["bench", "import", "csv", csv.to_str().unwrap(), "--accelerator", "h100-sxm"];
        words[2] = if tool == "csv" { "csv" } else { "nccl-test" };
        words.extend(["--fabric", "nvlink4", "-o", out.to_str().unwrap()]);
        exaplan(&words)
    };
    std::fs::write(&csv, format!("{head}all-reduce,8,1048576,3e-5\nall-reduce,8,16777216,9e-5\n")).unwrap();
    let done = words("csv");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stderr.contains("2 points"), "{}", done.stderr);
    assert_eq!(
        exaplan(&["plan", "--profile", out.to_str().unwrap(), "--json"]).json()["scenario"]["profile"],
        "imported"
    );
    // Faster than the links: refused with the line, and nothing stays.
    std::fs::write(&csv, format!("{head}all-reduce,8,1048576,3e-5\nall-reduce,8,1073741824,9e-5\n")).unwrap();
    std::fs::remove_file(&out).unwrap();
    let fast = words("csv");
    assert!(
        fast.code == 2 && fast.stderr.contains("line 3") && !out.is_file(),
        "{}",
        fast.stderr
    );
    let name = words("nccl-test");
    assert!(
        name.code == 2 && name.stderr.contains("did you mean `nccl-tests`?"),
        "{}",
        name.stderr
    );
}

#[test]
fn without_python_or_devices_the_doctor_still_tells() {
    let out = exaplan(&["bench", "doctor", "--python", "no-such-python", "--json"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let json = out.json();
    let state = |name: &str| {
        let list = json["backends"].as_array().unwrap();
        list.iter().find(|b| b["backend"] == name).unwrap().clone()
    };
    assert!(state("cpu")["present"] == true && state("cpu")["n_right"].as_u64().unwrap() >= 12);
    assert!(state("jax")["missing"].as_str().unwrap().contains("no-such-python"));
    assert!(json["never_run"].as_str().unwrap().contains("CUDA"));
    let none = exaplan(&["bench", "run", "--backend", "cuda"]);
    assert!(none.code == 2 && none.stderr.contains("--backend torch"), "{}", none.stderr);
}

#[cfg(unix)]
#[test]
fn a_killed_run_leaves_a_profile() {
    use std::process::Stdio;
    let dir = scratch("bench-killed");
    let path = dir.join("killed.toml");
    let mut child = command(&[
        "bench",
        "run",
        "--budget",
        "300s",
        "--buffer",
        "1 MiB",
        "-o",
        path.to_str().unwrap(),
    ])
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    for _ in 0..600 {
        if path.is_file() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let plan = exaplan(&["plan", "small-cpu", "--profile", path.to_str().unwrap(), "--json"]).json();
    assert_eq!(plan["scenario"]["profile"], "killed");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_measured() {
    use std::process::Stdio;
    let mut child = command(&["bench", "run", "--json", "--budget", "300s", "--buffer", "64 MiB", "-v"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first note comes with the first result, after ctrl-c is caught.
    let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("copy") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut err, &mut line).unwrap() > 0);
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let out = ran(child.wait_with_output().unwrap());
    assert_eq!(out.code, 130);
    let json: serde_json::Value = serde_json::from_str(&out.stdout).unwrap();
    assert_eq!(json["complete"], false);
    assert!(!json["measurements"].as_array().unwrap().is_empty());
}

#[test]
fn the_terminal_needs_one() {
    let out = exaplan(&["tui"]);
    assert_eq!((out.code, out.stdout.as_str()), (2, ""));
    assert!(
        out.stderr.contains("needs a terminal") && out.stderr.contains("exaplan plan"),
        "{}",
        out.stderr
    );
}

#[test]
fn every_command_has_a_page() {
    let dir = scratch("man");
    assert_eq!(exaplan(&["man", dir.to_str().unwrap()]).code, 0);
    for name in ["exaplan.1", "exaplan-plan.1", "exaplan-catalog-diff.1"] {
        let page = std::fs::read_to_string(dir.join(name)).unwrap();
        assert!(page.contains(".TH"), "{name}");
    }
}
