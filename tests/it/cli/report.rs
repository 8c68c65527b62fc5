//! report: every format, files that are there, bills in FOCUS, comparisons, sweeps and saved results.

use super::{Ran, command, exaplan, ran, scratch};
use serde_json::Value;
use std::path::Path;

/// Dates of a report are those of this second: 2026-12-01.
const EPOCH: &str = "1796083200";

fn at_epoch(arguments: &[&str]) -> Ran {
    ran(command(arguments).env("SOURCE_DATE_EPOCH", EPOCH).output().unwrap())
}

fn written(arguments: &[&str], path: &Path) -> String {
    let out = at_epoch(&[arguments, &["-o", path.to_str().unwrap()]].concat());
    assert_eq!((out.code, out.stdout.as_str()), (0, ""), "{arguments:?}: {}", out.stderr);
    std::fs::read_to_string(path).unwrap()
}

/// Markdown without the insides of its pictures, which are the models' business.
fn without_pictures(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let fence = line.starts_with("```");
        if fence || !inside {
            out += line;
        }
        inside ^= fence;
    }
    out
}

/// Numbers and the lengths of bars are the models' business: what stays is the shape of a report.
fn shape(text: &str) -> String {
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    // A number in powers of ten has one letter; a digest has more.
    let digest = |w: &str| {
        let signs: Vec<char> = w.chars().filter(char::is_ascii_alphanumeric).collect();
        signs.len() >= 12 && signs.iter().all(char::is_ascii_hexdigit) && signs.iter().filter(|c| c.is_ascii_alphabetic()).count() > 1
    };
    let text: String = words
        .map(|w| {
            if digest(w) {
                format!("HEX{}", w.replace(|c: char| c.is_ascii_alphanumeric(), ""))
            } else {
                w.to_string()
            }
        })
        .collect();
    let text = without_pictures(&text);
    let mut out = String::new();
    let mut digits = false;
    let next = |i: usize| text[i + 1..].chars().next().is_some_and(|c| c.is_ascii_digit());
    for (i, c) in text.char_indices() {
        let number = c.is_ascii_digit() || (digits && (c == '.' || c == ',') && next(i));
        match (number, digits) {
            (true, false) => out.push('#'),
            (true, true) => {}
            (false, _) if "█▏▎▍▌▋▊▉".contains(c) => {}
            (false, _) => out.push(c),
        }
        digits = number;
    }
    out.lines()
        .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The page without its style, script and the insides of its pictures.
fn outline(html: &str) -> String {
    let cut = |text: &str, from: &str, to: &str| {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(from) {
            out += before;
            rest = after.split_once(to).map_or("", |(_, r)| r);
        }
        out + rest
    };
    let text = cut(html, "<style>", "</style>");
    let text = cut(&text, "<script>", "</script>");
    cut(&text, "<desc>", "</svg>")
}

#[test]
fn the_shape_of_every_text_format() {
    let dir = scratch("shapes");
    let page = written(&["report"], &dir.join("plan.html"));
    let hash = page.split("sha256-").nth(1).and_then(|t| t.split('\'').next()).unwrap().to_string();
    insta::assert_snapshot!("html", shape(&outline(&page).replace(&hash, "HASH")));
    insta::assert_snapshot!("md", shape(&written(&["report"], &dir.join("plan.md"))));
    insta::assert_snapshot!("txt", shape(&written(&["report"], &dir.join("plan.txt"))));
    insta::assert_snapshot!("csv", shape(&written(&["report"], &dir.join("plan.csv"))));
    insta::assert_snapshot!("focus", shape(&written(&["report"], &dir.join("plan.focus.csv"))));
    insta::assert_snapshot!(
        "focus_1_4",
        shape(&written(
            &["report", "--set", "cost.owned=true", "--focus-version", "1.4"],
            &dir.join("p14.focus.csv")
        ))
    );
    let trace = written(&["report"], &dir.join("step.trace.json"));
    insta::assert_snapshot!("trace", shape(&trace.chars().take(600).collect::<String>()));
    let two = ["report", "llama3-405b", ":cluster.nodes=1024,layout.data=64"];
    insta::assert_snapshot!("compare_md", shape(&written(&two, &dir.join("two.md"))));
    insta::assert_snapshot!("compare_csv", shape(&written(&two, &dir.join("two.csv"))));
}

#[test]
fn every_format_is_the_same_twice() {
    let dir = scratch("twice");
    for name in [
        "p.html",
        "p.md",
        "p.txt",
        "p.csv",
        "p.json",
        "p.xlsx",
        "p.focus.csv",
        "p.trace.json",
    ] {
        let both = ["a", "b"].map(|copy| {
            let path = dir.join(format!("{copy}-{name}"));
            let out = at_epoch(&["report", "--samples", "200", "-o", path.to_str().unwrap()]);
            assert_eq!(out.code, 0, "{name}: {}", out.stderr);
            std::fs::read(path).unwrap()
        });
        assert!(!both[0].is_empty() && both[0] == both[1], "{name}");
    }
    for name in ["two.html", "two.xlsx", "two.md", "two.csv"] {
        let both = ["a", "b"].map(|copy| {
            let path = dir.join(format!("{copy}-{name}"));
            let out = at_epoch(&[
                "report",
                "llama3-405b",
                ":cost.owned=true",
                "--samples",
                "200",
                "-o",
                path.to_str().unwrap(),
            ]);
            assert_eq!(out.code, 0, "{name}: {}", out.stderr);
            std::fs::read(path).unwrap()
        });
        assert!(!both[0].is_empty() && both[0] == both[1], "{name}");
    }
    let manifest = |copy: &str| std::fs::read_to_string(dir.join(format!("{copy}-p.focus.manifest.json"))).unwrap();
    assert_eq!(manifest("a").replace("a-p", "b-p"), manifest("b"));
}

#[test]
fn a_file_is_replaced_with_force_alone() {
    let dir = scratch("force");
    let file = |name: &str| dir.join(name).to_str().unwrap().to_string();
    for name in ["p.html", "p.xlsx", "p.focus.csv"] {
        std::fs::write(dir.join(name), "mine").unwrap();
        let out = exaplan(&["report", "-o", &file(name)]);
        assert!(
            out.code == 2 && out.stderr.contains("--force"),
            "{name}: {} {}",
            out.code,
            out.stderr
        );
        assert_eq!(std::fs::read_to_string(dir.join(name)).unwrap(), "mine");
        let out = exaplan(&["report", "--force", "-o", &file(name)]);
        assert_eq!(out.code, 0, "{name}: {}", out.stderr);
        assert_ne!(std::fs::read(dir.join(name)).unwrap(), b"mine");
    }
    // A bill has a file beside it, which is not taken either.
    std::fs::write(dir.join("q.focus.manifest.json"), "mine").unwrap();
    let out = exaplan(&["report", "-o", &file("q.focus.csv")]);
    assert!(out.code == 2 && out.stderr.contains("q.focus.manifest.json"), "{}", out.stderr);
    assert!(!dir.join("q.focus.csv").exists());
    // Other commands that write hold the same rule.
    for arguments in [
        &["plan"][..],
        &["compare", "llama3-405b", ":layout.data=128"],
        &["scale", "laws"],
        &["search"],
        &["validate"],
        &["calibrate"],
    ] {
        let kept = file(if arguments[0] == "calibrate" { "kept.toml" } else { "kept.md" });
        std::fs::write(&kept, "mine").unwrap();
        let out = exaplan(&[arguments, &["-o", &kept]].concat());
        assert!(
            out.code == 2 && out.stderr.contains("is there already"),
            "{arguments:?}: {} {}",
            out.code,
            out.stderr
        );
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");
    }
    // What is no file is never replaced.
    #[cfg(target_os = "linux")]
    {
        let out = exaplan(&["report", "--format", "md", "--force", "-o", "/dev/null"]);
        assert!(out.code == 2 && out.stderr.contains("no file"), "{} {}", out.code, out.stderr);
    }
    let hidden = std::fs::read_dir(&dir)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

/// Every kind of report in every format: a directory is no file, what is there stays without --force and is
/// replaced whole with it, and a place that cannot be written is told before the work.
#[cfg(all(feature = "parquet", target_os = "linux"))]
#[test]
fn every_kind_of_report_keeps_the_rules_of_files() {
    let dir = scratch("rules");
    let path = |name: &str| dir.join(name).to_str().unwrap().to_string();
    let study = "name = \"s\"\nscenario = \"llama3-405b\"\n[[axis]]\npath = \"training.tokens\"\nvalues = [\"1T\", \"2T\"]\n";
    std::fs::write(dir.join("study.toml"), study).unwrap();
    assert_eq!(exaplan(&["sweep", "run", &path("study.toml")]).code, 0);
    let results = path("study.parquet");
    let every = ["html", "xlsx", "md", "csv", "json", "txt"];
    let own = ["focus.csv", "trace.json"];
    for (kind, arguments, formats) in [
        ("plan", &[][..], [&every[..], &own].concat()),
        ("two", &["llama3-405b", ":layout.data=128"], every.to_vec()),
        ("sweep", &[&results], every.to_vec()),
    ] {
        for format in formats {
            let run = |file: &str, more: &[&str]| exaplan(&[&["report"], arguments, &["-o", file], more].concat());
            let directory = path(&format!("{kind}-dir.{format}"));
            std::fs::create_dir(&directory).unwrap();
            let out = run(&directory, &["--force"]);
            assert!(
                out.code == 2 && out.stderr.contains("is a directory"),
                "{kind} {format}: {}",
                out.stderr
            );
            let file = path(&format!("{kind}.{format}"));
            std::fs::write(&file, "mine").unwrap();
            let out = run(&file, &[]);
            assert!(out.code == 2 && out.stderr.contains("--force"), "{kind} {format}: {}", out.stderr);
            assert_eq!(std::fs::read(&file).unwrap(), b"mine");
            let out = run(&file, &["--force"]);
            assert_eq!(out.code, 0, "{kind} {format}: {}", out.stderr);
            assert!(std::fs::read(&file).unwrap().len() > 100, "{kind} {format}");
            let out = run(&format!("/proc/nowhere/{kind}.{format}"), &[]);
            assert!(
                out.code == 3 && out.stderr.contains("cannot write"),
                "{kind} {format}: {}",
                out.stderr
            );
        }
    }
    let hidden = |e: &std::fs::DirEntry| e.file_name().to_str().unwrap().starts_with('.');
    assert_eq!(std::fs::read_dir(&dir).unwrap().filter(|e| hidden(e.as_ref().unwrap())).count(), 0);
}

#[test]
fn a_bill_says_what_it_is_and_is_checked() {
    let dir = scratch("bill");
    let path = dir.join("estimate.focus.csv");
    let csv = written(&["report"], &path);
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("estimate.focus.manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["schema"], "exaplan.focus/1");
    assert_eq!(manifest["file"], "estimate.focus.csv");
    let plan = exaplan(&["plan", "--json"]).json();
    let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 0.01;
    assert!(near(&manifest["totals_usd"]["effective"], &plan["bill"]["cost_usd"]["total"]));
    for q in ["p10", "p50", "p90"] {
        assert!(near(&manifest["ranges"]["cost_usd"][q], &plan["ranges"]["cost_usd"][q]), "{q}");
    }
    let good = exaplan(&["report", "check", path.to_str().unwrap()]);
    assert_eq!(good.code, 0, "{}", good.stdout);
    // A cent more, and both the row and the manifest notice.
    let cost = csv.lines().nth(1).unwrap().split(',').nth(1).unwrap();
    std::fs::write(&path, csv.replacen(cost, "1.0", 1)).unwrap();
    let bad = exaplan(&["report", "check", path.to_str().unwrap(), "--json"]);
    assert_eq!(bad.code, 1);
    let told: Value = serde_json::from_str(&bad.stdout).unwrap();
    assert!(
        told["findings"].as_array().unwrap().iter().any(|f| f["rule"] == "manifest"),
        "{told}"
    );
    for (arguments, word) in [
        (&["report", "check", "nowhere.csv"][..], "no such file"),
        (&["report", "--format", "focus", "--starting", "2020-01"], "has begun"),
        (&["report", "--format", "focus", "--starting", "soon"], "2027-03"),
        (&["report", "--format", "focus", "--focus-version", "2.0"], "1.4"),
        (&["compare", "llama3-405b", ":layout.data=128", "--format", "focus"], "only a plan"),
    ] {
        let out = exaplan(arguments);
        assert!(
            out.code == 2 && out.stderr.contains(word),
            "{arguments:?}: {} {}",
            out.code,
            out.stderr
        );
    }
    let first = |arguments: &[&str]| {
        at_epoch(&[&["report", "--format", "focus"], arguments].concat())
            .stdout
            .lines()
            .nth(1)
            .unwrap()
            .to_string()
    };
    assert!(first(&[]).contains("2027-01-01T00:00:00Z"));
    assert!(first(&["--starting", "2029-07"]).contains("2029-07-01T00:00:00Z"));
    assert!(first(&["--set", "carbon.start=2030-07-19"]).contains("2027-07-01T00:00:00Z"));
}

#[test]
fn every_report_opens_with_what_it_is() {
    let dir = scratch("opens");
    let two = ["report", "llama3-405b", ":cluster.nodes=1024,layout.data=64"];
    for (arguments, name) in [(&["report"][..], "one"), (&two, "two")] {
        for extension in ["html", "md", "txt"] {
            let text = written(arguments, &dir.join(format!("{name}.{extension}")));
            let opening: String = text.chars().take(if extension == "html" { 30_000 } else { 6_000 }).collect();
            for word in ["stimate, not a quote", "in 8 cases of 10"] {
                assert!(opening.contains(word), "{name}.{extension}: {word}");
            }
            assert!(
                opening.contains("AACE 18R-97") && opening.contains("Not in it"),
                "{name}.{extension}"
            );
        }
    }
    for (arguments, name, words) in [
        (&["report"][..], "one.csv", ["what,\"An estimate, not a quote.", "not_in_it,"]),
        (&two, "two.csv", ["estimate_class", "cost_p90_usd"]),
    ] {
        let text = written(arguments, &dir.join(name));
        assert!(words.iter().all(|w| text.contains(w)), "{name}: {text}");
    }
    // What is declared is in it.
    let text = at_epoch(&["report", "--format", "md", "--set", "cost.tax_fraction=0.19"]).stdout;
    assert!(text.contains("Taxes as declared.") && !text.contains("Not in it:** taxes"));
}

#[test]
fn saved_results_are_reported_as_long_as_they_hold() {
    let dir = scratch("saved");
    let path = |name: &str| dir.join(name).to_str().unwrap().to_string();
    let saved = written(
        &[
            "plan",
            "--set",
            "cluster.nodes=1024",
            "--set",
            "layout.data=64",
            "--samples",
            "100",
            "--seed",
            "7",
        ],
        &dir.join("plan.json"),
    );
    let direct = at_epoch(&[
        "report",
        "--set",
        "cluster.nodes=1024",
        "--set",
        "layout.data=64",
        "--samples",
        "100",
        "--seed",
        "7",
        "--format",
        "md",
    ]);
    assert_eq!(at_epoch(&["report", &path("plan.json"), "--format", "md"]).stdout, direct.stdout);
    written(
        &[
            "compare",
            "llama3-405b",
            ":cluster.nodes=1024,layout.data=64",
            "--what-if",
            "layout.micro_batch=2",
        ],
        &dir.join("two.json"),
    );
    let shown = at_epoch(&["report", &path("two.json"), "--format", "md"]);
    assert!(
        shown.code == 0 && shown.stdout.contains("B against A") && shown.stdout.contains("What if"),
        "{}",
        shown.stderr
    );
    let digest = serde_json::from_str::<Value>(&saved).unwrap()["provenance"]["catalog_digest"]
        .as_str()
        .unwrap()
        .to_string();
    std::fs::write(dir.join("old.json"), saved.replace(&digest, "0123456789ab")).unwrap();
    std::fs::write(dir.join("foreign.json"), "{\"a\":1}").unwrap();
    for (name, word) in [("old.json", "another catalog"), ("foreign.json", "no saved plan")] {
        let out = exaplan(&["report", &path(name), "--format", "md"]);
        assert!(out.code == 2 && out.stderr.contains(word), "{name}: {} {}", out.code, out.stderr);
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_sweep_is_reported_with_its_front_and_axes() {
    let dir = scratch("sweep_report");
    let study = "name = \"Small\"\nscenario = \"llama3-405b\"\n[[axis]]\nzip = { cluster.nodes = [512, 1024, 2048], layout.data = [32, 64, 128] }\n\
                 [[axis]]\npath = \"layout.micro_batch\"\nvalues = [1, 2, 64]\n[[axis]]\npath = \"cost.usd_per_device_hour\"\nvalues = [1.5, 3.0]\n";
    std::fs::write(dir.join("study.toml"), study).unwrap();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_string();
    assert_eq!(exaplan(&["sweep", "run", &path("study.toml")]).code, 0);
    let results = path("study.parquet");
    let text = written(&["report", &results], &dir.join("study.md"));
    for word in [
        "An estimate, not a quote.",
        "Cheapest",
        "Shortest",
        "No case is both",
        "cluster.nodes",
        "Why cases fell",
        "P90",
    ] {
        // A chart stands in pages only.
        assert!(text.contains(word) || word == "No case is both", "{word}");
    }
    insta::assert_snapshot!("sweep_md", shape(&text));
    let csv = written(&["report", &results], &dir.join("study.csv"));
    assert_eq!(csv.lines().count(), 19);
    assert!(csv.starts_with("case,cluster.nodes,layout.data,layout.micro_batch,cost.usd_per_device_hour,feasible,reason,"));
    let html = written(&["report", &results], &dir.join("study.html"));
    assert!(html.contains("No case is both faster and cheaper") && html.contains("<svg"));
    let best = exaplan(&["sweep", "run", &path("study.toml"), "--json"]).json();
    let cheapest = best["best"]["cost_usd"]["value"].as_f64().unwrap();
    let told: Value = serde_json::from_str(&written(&["report", &results], &dir.join("study.json"))).unwrap();
    assert_eq!(told["schema"], "exaplan.sweep.report/1");
    assert!(told.to_string().contains(&cheapest.to_string()), "{cheapest}");
    let book = at_epoch(&["report", &results, "-o", &path("study.xlsx")]);
    assert_eq!(book.code, 0, "{}", book.stderr);
    let out = exaplan(&["report", &path("nowhere.parquet"), "--format", "md"]);
    assert!(out.code == 2 && out.stderr.contains("no results"), "{}", out.stderr);
}
