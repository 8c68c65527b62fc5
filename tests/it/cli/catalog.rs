//! The catalog and its layers.

use super::{command, exaplan, ran, scratch};

const OWN: &str = "format = 1\n[accelerator.h100-sxm-80gb]\nextends = \"h100-sxm-80gb\"\ntdp_w = 650.0\nsource = \"our meter\"\n";

#[test]
fn the_catalog_is_sound() {
    let out = exaplan(&["catalog", "check"]);
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert!(out.stdout.ends_with("no problems\n"), "{}", out.stdout);
}

#[test]
fn entries_show_values_sources_and_lines() {
    let out = exaplan(&["catalog", "show", "h100"]).stdout;
    for word in [
        "memory_bytes_per_s",
        "3.35 TB/s",
        "https://",
        "nvidia-hopper.toml:",
        "h100-sxm-80gb",
    ] {
        assert!(out.contains(word), "{word}: {out}");
    }
    let json = exaplan(&["catalog", "show", "h100", "--json"]).json();
    assert!(json["values"].as_array().unwrap().iter().all(|v| v["source"].is_string()));
    let list = exaplan(&["catalog", "list", "models", "--json"]).json();
    assert!(list["entries"].as_array().unwrap().iter().any(|e| e["name"] == "llama3-405b"));
    assert!(exaplan(&["catalog", "list", "--origin"]).stdout.contains("builtin:"));
}

#[test]
fn layers_lie_over_each_other_and_say_so() {
    let home = scratch("layers");
    let user = home.join("exaplan/hardware");
    std::fs::create_dir_all(&user).unwrap();
    std::fs::write(user.join("own.toml"), OWN).unwrap();
    // Settings and scenarios are no catalog files.
    std::fs::write(home.join("exaplan/config.toml"), "theme = \"dark\"\n").unwrap();
    std::fs::create_dir_all(home.join("exaplan/scenarios")).unwrap();
    std::fs::write(home.join("exaplan/scenarios/mine.toml"), "name = \"mine\"\n").unwrap();
    let with = |arguments: &[&str]| ran(command(arguments).env("XDG_CONFIG_HOME", &home).output().unwrap());
    let shown = with(&["catalog", "show", "h100-sxm-80gb"]);
    assert!(
        shown.stdout.contains("650 W") && shown.stdout.contains("our meter"),
        "{}{}",
        shown.stdout,
        shown.stderr
    );
    assert_eq!(shown.stderr.lines().count(), 1);
    assert!(shown.stderr.contains("accelerator `h100-sxm-80gb`"));
    assert_eq!(with(&["-q", "plan"]).stderr, "");
    let digest = |out: &serde_json::Value| out["provenance"]["catalog_digest"].clone();
    assert_ne!(
        digest(&with(&["plan", "--json"]).json()),
        digest(&exaplan(&["plan", "--json"]).json())
    );
    assert!(with(&["info"]).stdout.contains("exists"));
}

#[test]
fn an_exported_catalog_is_the_same() {
    let dir = scratch("export").join("catalog");
    let dir = dir.to_str().unwrap();
    assert_eq!(exaplan(&["catalog", "export", dir]).code, 0);
    assert_eq!(exaplan(&["catalog", "export", dir]).code, 2);
    assert_eq!(exaplan(&["catalog", "check", dir]).code, 0);
    let (own, exported) = (
        exaplan(&["plan", "--json"]).json(),
        exaplan(&["plan", "--json", "--catalog", dir]).json(),
    );
    assert_eq!(own["step"], exported["step"]);
    assert_eq!(own["bill"], exported["bill"]);
}

#[test]
fn wrong_entries_are_shown_with_their_line() {
    let dir = scratch("wrong");
    std::fs::write(dir.join("a.toml"), "[accelerator.x]\nextends = \"h100-sxm-80gb\"\ntdp_v = 3\n").unwrap();
    let out = exaplan(&["catalog", "check", dir.to_str().unwrap()]);
    assert_eq!(out.code, 2);
    assert!(out.stderr.contains("a.toml:3:1") && out.stderr.contains("tdp_w"), "{}", out.stderr);
}

#[test]
fn values_that_can_hardly_be_true_are_warnings() {
    let dir = scratch("implausible");
    let text = "[node.x]\nextends = \"dgx-h100\"\nsource = \"us\"\nactive_w = 99000.0\n";
    std::fs::write(dir.join("a.toml"), text).unwrap();
    let out = exaplan(&["catalog", "check", dir.to_str().unwrap()]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.contains("1 value to look at"), "{}", out.stdout);
    for word in ["warning:", "a.toml:4:", "above max_w", "help:"] {
        assert!(out.stderr.contains(word), "{word}: {}", out.stderr);
    }
    let json = exaplan(&["catalog", "check", "--json", "-q", dir.to_str().unwrap()]).json();
    assert!(json["implausible"][0]["origin"].as_str().unwrap().ends_with("a.toml:4"));
}

#[test]
fn of_two_directories_the_later_wins() {
    let (first, second) = (scratch("later-1"), scratch("later-2"));
    std::fs::write(first.join("a.toml"), OWN).unwrap();
    std::fs::write(second.join("b.toml"), OWN.replace("650.0", "600.0")).unwrap();
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let tdp = |a: &str, b: &str| {
        let out = exaplan(&["catalog", "show", "h100-sxm-80gb", "--json", "--catalog", a, "--catalog", b]).json();
        let values = out["values"].as_array().unwrap().clone();
        values.iter().find(|v| v["key"] == "tdp_w").unwrap()["number"].as_f64().unwrap()
    };
    assert_eq!((tdp(first, second), tdp(second, first)), (600.0, 650.0));
    // In one directory it is still a mistake.
    std::fs::write(std::path::Path::new(first).join("b.toml"), OWN).unwrap();
    let out = exaplan(&["catalog", "check", first]);
    assert_eq!(out.code, 2);
    assert!(out.stderr.contains("defined twice"), "{}", out.stderr);
}

#[test]
fn a_layer_shows_what_it_changes() {
    let dir = scratch("diff");
    let text = format!(
        "{OWN}[grid.ours]\ntitle = \"Our dam\"\nlocation_kg_co2e_per_kwh = 0.01\nwater_l_per_kwh = 5.0\nyear = 2024\nsource = \"us\"\n"
    );
    std::fs::write(dir.join("a.toml"), text).unwrap();
    let dir = dir.to_str().unwrap();
    let out = exaplan(&["catalog", "diff", dir]);
    for word in [
        "accelerator h100-sxm-80gb: derived",
        "tdp_w",
        "700",
        "650",
        "our meter",
        "grid ours: added",
    ] {
        assert!(out.stdout.contains(word), "{word}: {}{}", out.stdout, out.stderr);
    }
    assert!(!out.stdout.contains("memory_bytes"), "{}", out.stdout);
    let json = exaplan(&["catalog", "diff", "--json", "--catalog", dir]).json();
    let changed = json["entries"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["kind"] == "accelerator")
        .unwrap()
        .clone();
    assert_eq!(
        (&changed["keys"][0]["old"]["number"], &changed["keys"][0]["new"]["number"]),
        (&700.0.into(), &650.0.into())
    );
    assert!(exaplan(&["catalog", "diff"]).stdout.contains("nothing lies over"));
}
