//! The habits of the crate, held by a machine: rooms, suffixes, sizes, sources.

mod catalog;
mod rooms;
mod source;

use crate::support;

/// Every Rust file of `src` with its path below it.
fn sources() -> Vec<(String, String)> {
    let base = support::root().join("src");
    let paths = support::files("src")
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs"));
    paths
        .map(|p| {
            (
                p.strip_prefix(&base).unwrap().display().to_string(),
                std::fs::read_to_string(&p).unwrap(),
            )
        })
        .collect()
}

/// The text without comments, strings' insides kept: enough to read `use` lines and calls.
fn code(text: &str) -> String {
    text.lines()
        .map(|l| if l.trim_start().starts_with("//") { "" } else { l })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The text up to its test module, which stands last in our files; nothing of a test file.
fn shipped<'a>(path: &str, text: &'a str) -> &'a str {
    let test_file = path.ends_with("tests.rs") || path.contains("/tests/");
    if test_file {
        ""
    } else {
        text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
    }
}
