//! One mistake each: the exit code, and what helps.

use super::{command, exaplan, ran, scratch};

fn fails(arguments: &[&str], code: i32, words: &[&str]) {
    let out = exaplan(arguments);
    assert_eq!(out.code, code, "{arguments:?}: {}", out.stderr);
    for word in words {
        assert!(out.stderr.contains(word), "{arguments:?} lacks `{word}`: {}", out.stderr);
    }
    assert!(!out.stderr.contains("panicked") && !out.stderr.contains("RUST_BACKTRACE"));
}

#[test]
fn help_and_version() {
    let bare = exaplan(&[]);
    assert_eq!((bare.code, bare.stdout.as_str()), (2, ""));
    assert!(bare.stderr.contains("Usage: exaplan"));
    for arguments in [
        &["-h"][..],
        &["--help"],
        &["help", "plan"],
        &["plan", "-h"],
        &["catalog", "show", "--help"],
        &["-V"],
    ] {
        assert_eq!(exaplan(arguments).code, 0, "{arguments:?}");
    }
    let long = exaplan(&["--help"]).stdout;
    assert!(long.contains("Exit codes:") && long.contains("130"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(exaplan(&["completions", shell]).stdout.contains("exaplan"));
    }
}

#[test]
fn wrong_requests() {
    fails(&["plam"], 2, &["plan"]);
    fails(&["plan", "--jsn"], 2, &["--json"]);
    fails(&["plan", "llama3-405"], 2, &["did you mean `llama3-405b`?"]);
    fails(&["plan", "nowhere.toml"], 2, &["no such file"]);
    fails(&["plan", "/"], 2, &["is a directory"]);
    fails(&["plan", "--set", "model.use=llama3-405"], 2, &["llama3-405b"]);
    fails(&["plan", "--set", "cluster.node=dgx-h10"], 2, &["dgx-h100", "catalog list node"]);
    fails(&["plan", "--set", "cluster.nodez=3"], 2, &["nodes", "--set:1:1"]);
    fails(&["plan", "--set", "nothing"], 2, &["error:"]);
    fails(&["plan", "--set", "training.tokens=-3T"], 2, &["training.tokens"]);
    fails(&["plan", "--json", "--format", "md"], 2, &["contradict"]);
    fails(&["plan", "-o", "plan.docx"], 2, &["tells no format"]);
    fails(&["plan", "--catalog", "/nonexistent"], 2, &["/nonexistent"]);
    fails(&["explain", "step.tim_s"], 2, &["did you mean `step.time_s`?"]);
    fails(&["catalog", "show", "h100-sxm-80g"], 2, &["h100-sxm-80gb"]);
    fails(&["catalog", "list", "acelerator"], 2, &["accelerator"]);
    fails(&["search", "--top", "0"], 2, &["0"]);
}

#[test]
fn no_layout_fits() {
    fails(
        &["plan", "--set", "cluster.nodes=5"],
        1,
        &["none of", "degrees do not multiply", "help:"],
    );
    let arguments = ["search", "--set", "cluster.nodes=1"];
    fails(&arguments, 1, &["out of memory", "the nearest is", "more memory"]);
    let json = exaplan(&["search", "--set", "cluster.nodes=1", "--json"]);
    assert_eq!(json.code, 1);
    let found: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(found["best"].as_array().unwrap().is_empty() && found["nearest"].is_string());
}

#[test]
fn a_file_shows_every_problem_with_its_line() {
    let dir = scratch("problems");
    let path = dir.join("bad.toml");
    let text =
        "[model]\nuse = \"llama3-405b\"\n[training]\ntokens = \"15 T/s\"\nsequense = 8192\n[cluster]\nnode = \"dgx-h100\"\nnodes = 0\n";
    std::fs::write(&path, text).unwrap();
    let out = exaplan(&["plan", path.to_str().unwrap()]);
    assert_eq!(out.code, 2);
    for place in ["bad.toml:4:10", "bad.toml:5:1", "bad.toml:8:9"] {
        assert!(out.stderr.contains(place), "{place}: {}", out.stderr);
    }
    assert!(out.stderr.contains("did you mean `sequence`?") && out.stderr.contains("^^^^"));
}

#[test]
fn broken_and_hostile_files() {
    let dir = scratch("hostile");
    let long = format!("x = \"{}\n", "a".repeat(200_000));
    let deep = format!("x = {}1{}\n", "[".repeat(60_000), "]".repeat(60_000));
    let many: String = (0..500).map(|i| format!("unknown{i} = 1\n")).collect();
    let cases: [(&str, &[u8]); 9] = [
        ("empty", b""),
        ("binary", &[0xff, 0xfe, 0, 1]),
        ("escape", b"\x1b[2J = 1\n"),
        ("key", "\u{202e}\"\u{7}\" = 1\n[model]\nuse = \"\\u001b[31mred\"\n".as_bytes()),
        ("half", b"[model\nuse = "),
        ("bom", b"\xef\xbb\xbf[model]\nuse = 3\n"),
        ("long", long.as_bytes()),
        ("deep", deep.as_bytes()),
        ("many", many.as_bytes()),
    ];
    for (name, bytes) in cases {
        let path = dir.join(format!("{name}.toml"));
        std::fs::write(&path, bytes).unwrap();
        let out = exaplan(&["plan", path.to_str().unwrap()]);
        assert_eq!(out.code, 2, "{name}: {}", out.stderr);
        assert!(
            out.stderr.contains("error:") && !out.stderr.contains("panicked"),
            "{name}: {}",
            out.stderr
        );
        assert!(
            out.stderr.chars().all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}')),
            "{name}: {:?}",
            out.stderr
        );
        assert!(out.stderr.len() < 40_000, "{name}: {} bytes", out.stderr.len());
    }
    assert!(
        exaplan(&["plan", dir.join("many.toml").to_str().unwrap()])
            .stderr
            .contains("more problems")
    );
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let dir = scratch("unwritable");
    std::fs::write(dir.join("file"), "x").unwrap();
    let under_file = dir.join("file").join("plan.json");
    fails(&["plan", "-o", under_file.to_str().unwrap()], 3, &["cannot write"]);
    std::fs::create_dir(dir.join("taken.json")).unwrap();
    fails(&["plan", "-o", dir.join("taken.json").to_str().unwrap()], 2, &["taken.json"]);
    let mut left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["file", "taken.json"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let out = ran(command(&["plan"]).stdout(full).output().unwrap());
    assert_eq!(out.code, 3, "{}", out.stderr);
    assert!(out.stderr.contains("stdout"));
}
