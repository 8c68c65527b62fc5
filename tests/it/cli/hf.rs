//! `--hf`.

use super::exaplan;
use crate::support::root;

fn fixture(name: &str) -> String {
    root().join("tests/fixtures/hf").join(name).display().to_string()
}

#[test]
fn a_configuration_replaces_the_model_of_a_plan() {
    let file = fixture("llama3-8b.json");
    let ours = exaplan(&["plan", "--json", "--set", "model.use=llama3-8b"]).json();
    let theirs = exaplan(&["plan", "--json", "--hf", &file]).json();
    assert_eq!(ours["step"], theirs["step"]);
    assert_eq!(ours["model"], theirs["model"]);
    let out = exaplan(&["plan", "--hf", &file, "--set", "model.layers=16"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.contains("llama3-8b"), "{}", out.stdout);
}

#[test]
fn search_and_explain_take_it_too() {
    let file = fixture("qwen3-30b-a3b.json");
    let found = exaplan(&[
        "search",
        "--hf",
        &file,
        "--top",
        "1",
        "--set",
        "cluster.nodes=16",
        "--set",
        "training.sequence=4096",
    ]);
    assert_eq!(found.code, 0, "{}", found.stderr);
    let explained = exaplan(&["explain", "step.time_s", "--hf", &fixture("llama3-8b.json")]);
    assert_eq!(explained.code, 0, "{}", explained.stderr);
}

#[test]
fn a_wrong_configuration_is_shown_with_its_line() {
    let out = exaplan(&["plan", "--hf", &fixture("bad/zero-heads.json")]);
    assert_eq!(out.code, 2);
    for word in ["zero-heads.json:5", "`num_attention_heads` is 0", "help"] {
        assert!(out.stderr.contains(word), "{}", out.stderr);
    }
    let out = exaplan(&["plan", "--hf", "nowhere.json"]);
    assert_eq!(out.code, 2);
    assert!(out.stderr.contains("nowhere.json"), "{}", out.stderr);
}
