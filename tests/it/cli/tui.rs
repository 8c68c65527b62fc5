//! The numbers on the screen are those of the command line, and what the screen prints makes them again.

use super::*;
use exaplan::report::Kind;
use exaplan::tui::headless::Headless;
use exaplan::tui::{Asked, Depth, Looks, Setup};
use serde_json::Value;
use std::time::Duration;

fn headless(sets: &[&str], size: (u16, u16)) -> Headless {
    let setup = Setup {
        catalog: exaplan::Catalog::builtin(),
        asked: vec![Asked {
            name: "asked".to_string(),
            source: "llama3-405b".to_string(),
            sets: sets.iter().map(ToString::to_string).collect(),
        }],
        flags: Vec::new(),
        hidden: Vec::new(),
        builtin: Vec::new(),
        looks: Looks {
            theme: None,
            depth: Depth::True,
            ascii: false,
            mouse: false,
            still: true,
            session: None,
            fresh: true,
        },
    };
    let mut out = Headless::start(setup, size).unwrap();
    out.settle(Duration::from_secs(60));
    out
}

/// `exaplan plan --json` of these words.
fn planned(words: &[String]) -> Value {
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--json"]).collect();
    let out = exaplan(&words);
    assert_eq!(out.code, 0, "{words:?}: {}", out.stderr);
    serde_json::from_str(&out.stdout).unwrap()
}

const SCENARIOS: [&[&str]; 10] = [
    &[],
    &["cluster.nodes=1024", "layout.data=64"],
    &["layout={}"],
    &["cluster.node=dgx-h200"],
    &["cluster.node=dgx-b200", "layout={}"],
    &["cluster.region=eu-north-1", "cost.owned=true"],
    &["training.tokens=1T", "reliability.node_mtbf=90 d"],
    &["model.use=llama3-70b", "layout={}", "cluster.nodes=128"],
    &["model.use=deepseek-v3", "layout={}", "cluster.nodes=256", "training.tokens=14.8T"],
    &["training.precision=fp8", "cost.usd_per_device_hour=2.5"],
];

/// Rows of the comparison with the place of their number in the JSON.
const ROWS: [(&str, &str, Kind); 13] = [
    ("devices", "/scenario/n_devices", Kind::Plain(0)),
    ("step time", "/step/time_s", Kind::Duration),
    ("tokens/s/device", "/step/tokens_per_s_per_device", Kind::Plain(0)),
    ("MFU", "/step/mfu", Kind::Percent),
    ("HFU", "/step/hfu", Kind::Percent),
    ("peak memory", "/memory/peak_bytes", Kind::Bytes),
    ("goodput", "/run/goodput", Kind::Percent),
    ("failures expected", "/run/expected_failures", Kind::Plain(0)),
    ("time ", "/run/wall_s", Kind::Duration),
    ("cost ", "/bill/cost_usd/total", Kind::Usd),
    ("energy", "/bill/energy_j/total", Kind::Energy),
    ("carbon", "/bill/carbon_kg_co2e/total", Kind::Carbon),
    ("water", "/bill/water_l", Kind::Si("L")),
];

#[test]
fn the_screen_says_what_the_json_says() {
    for sets in SCENARIOS {
        let words: Vec<String> = ["plan".to_string(), "llama3-405b".to_string()]
            .into_iter()
            .chain(sets.iter().flat_map(|s| ["--set".to_string(), (*s).to_string()]))
            .collect();
        let json = planned(&words);
        let mut screen = headless(sets, (160, 48));
        screen.draw();
        let lines = screen.screen();
        for (name, pointer, kind) in ROWS {
            let value = json.pointer(pointer).and_then(Value::as_f64);
            let wanted = value.map_or("-".to_string(), |v| kind.number(v, &kind.scale(v)));
            // The column of the comparison, between the second pair of borders.
            let row = |l: &&String| l.split(['│', '║']).nth(3).is_some_and(|t| t.trim_start().starts_with(name));
            let line = lines.iter().find(row).unwrap_or_else(|| panic!("{name}: {}", lines.join("\n")));
            let cells: Vec<&str> = line.split(['│', '║']).nth(3).unwrap().split_whitespace().collect();
            assert!(cells.contains(&wanted.as_str()), "{sets:?} {name}: {wanted} is not in `{line}`");
        }
    }
}

/// The words of a command line as a shell reads it.
fn words(line: &str) -> Vec<String> {
    let mut out: Vec<String> = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => out.push(String::new()),
            other => out.last_mut().unwrap().push(other),
        }
    }
    out
}

#[test]
fn a_printed_command_line_makes_the_same_plan() {
    for keys in [
        "l",
        "jl",
        "jjjlL",
        "jjjjjhh",
        "jjjjjjjljhh",
        "jjjjjjjjjlljl",
        "ajjjL",
        "jjjjjjjjjjjjjjjjL",
        "jjjjjjjjjjjjjjl",
    ] {
        let mut screen = headless(&["cluster.region=eu-north-1"], (80, 24));
        screen.key('6');
        for key in keys.chars() {
            screen.key(key);
            screen.settle(Duration::from_secs(60));
        }
        let line = screen.command().unwrap();
        let list = words(&line);
        assert!(
            list[0] == "exaplan" && list.iter().filter(|w| *w == "--set").count() > 1,
            "{keys}: {line}"
        );
        let Some(own) = screen.json() else {
            panic!("{keys}: {line} makes no plan: {}", screen.screen().join("\n"))
        };
        let mut again = planned(&list[1..]);
        again.as_object_mut().unwrap().remove("uncertainty");
        let mut own: Value = serde_json::from_str(&own).unwrap();
        // How a plan is made again is the matter of the command that made it.
        for json in [&mut own, &mut again] {
            json.as_object_mut().unwrap().remove("again");
        }
        assert!(own == again, "{keys}: {line}");
    }
}

#[test]
fn keys_are_printed_and_a_pipe_is_refused() {
    let out = exaplan(&["tui", "--print-keys"]);
    assert_eq!(out.code, 0);
    assert!(out.stdout.starts_with("| screen | keys |") && out.stdout.lines().count() > 90);
    let out = exaplan(&["tui"]);
    assert_eq!(out.code, 2);
    assert!(
        out.stderr.contains("needs a terminal") && out.stderr.contains("exaplan plan"),
        "{}",
        out.stderr
    );
    let out = exaplan(&[]);
    assert_eq!(out.code, 2);
    assert!(out.stderr.contains("Usage:"), "{}", out.stderr);
    let out = exaplan(&["tui", "--theme", "pink"]);
    assert!(out.code == 2 && out.stderr.contains("contrast"), "{}", out.stderr);
}
