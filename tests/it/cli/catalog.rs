//! The catalog and its layers.

use super::{command, exaplan, ran, scratch};

const OWN: &str = "format = 1\n[accelerator.h100-sxm-80gb]\nextends = \"h100-sxm-80gb\"\ntdp_w = 650.0\nsource = \"our meter\"\n";

#[test]
fn the_catalog_is_sound() {
    let out = exaplan(&["catalog", "check"]);
    assert_eq!((out.code, out.stderr.as_str()), (0, ""));
    assert!(out.stdout.contains("no problems"));
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
