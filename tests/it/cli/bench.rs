//! Measuring, the terminal and the manual.

use super::{command, exaplan, ran, scratch};

const SMALL: [&str; 10] = [
    "bench",
    "run",
    "--suite",
    "cpu-gemm",
    "--budget",
    "100ms",
    "--matrix",
    "64",
    "--threads",
    "2",
];

#[test]
fn this_machine_is_measured() {
    assert!(exaplan(&["bench", "list"]).stdout.contains("cpu-stream"));
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
    let small = ["--budget", "200ms", "--matrix", "64", "--buffer", "1 MiB", "--threads", "2"];
    let out = exaplan(&[&["bench", "run", "-o", path][..], &small].concat());
    assert_eq!(out.code, 0, "{}", out.stderr);
    let (toml, csv) = (
        std::fs::read_to_string(&file).unwrap(),
        std::fs::read_to_string(dir.join("this-machine-gemm.csv")).unwrap(),
    );
    for word in ["[profile.this-machine]", "sha256", "clocks", "environment", "memory_bytes_per_s"] {
        assert!(toml.contains(word), "{word}: {toml}");
    }
    assert!(
        csv.starts_with("dtype,m,n,k,time_s,spread_fraction,n_repeats\n") && csv.contains("fp32,64,64,64,"),
        "{csv}"
    );
    // Nothing half-written stays.
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);

    let plan = exaplan(&["plan", "--profile", path, "--json"]).json();
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

    // A table that is not the one that was written.
    std::fs::write(dir.join("this-machine-gemm.csv"), csv.replace("fp32,64", "fp32,65")).unwrap();
    let other = exaplan(&["plan", "--profile", path]);
    assert!(
        other.code == 2 && other.stderr.contains("not the file that was written"),
        "{}",
        other.stderr
    );

    let stream = exaplan(&[
        "bench", "run", "--suite", "cpu-gemm", "-o", path, "--budget", "50ms", "--matrix", "32",
    ]);
    assert!(
        stream.code == 2 && stream.stderr.contains("--suite cpu-stream"),
        "{}",
        stream.stderr
    );
    assert_eq!(exaplan(&["bench", "run", "-o", "Mine.csv"]).code, 2);
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
