//! explain timeline, and uneven devices.

use super::{command, exaplan, ran};

/// A pipeline small enough to read.
const SMALL: [&str; 10] = [
    "--set",
    "cluster.nodes=16",
    "--set",
    "model.use=llama3-70b",
    "--set",
    "layout.pipeline=4",
    "--set",
    "layout.data=4",
    "--set",
    "training.global_batch=32 sequences",
];

fn small(arguments: &[&str], columns: &str) -> super::Ran {
    let all = [arguments, &SMALL, &["--set", "layout.virtual_stages=1"]].concat();
    ran(command(&all).env("COLUMNS", columns).output().unwrap())
}

#[test]
fn a_timeline_fits_sixty_columns() {
    let out = small(&["explain", "timeline"], "60");
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(out.stdout.lines().all(|l| l.chars().count() <= 60), "{}", out.stdout);
    insta::assert_snapshot!(out.stdout);
}
