//! Whatever is thrown at the readers, they return: a value, or problems with a way out.

use super::strategy::config;
use crate::support::{Folder, origin};
use exaplan::catalog::{Catalog, Layer, raw, source};
use exaplan::error::{Diagnostic, Error};
use exaplan::plan::Scenario;
use exaplan::units::{self, Unit};
use proptest::prelude::*;

const VALID: &str = include_str!("../../../scenarios/llama3-405b.toml");

/// A problem is said in a sentence and mended by another.
fn useful(problems: &[Diagnostic]) -> Result<(), TestCaseError> {
    prop_assert!(!problems.is_empty());
    for d in problems {
        prop_assert!(!d.message.trim().is_empty());
        prop_assert!(d.help.as_ref().is_some_and(|h| !h.trim().is_empty()), "no help: {}", d.message);
        if let Some(at) = &d.at {
            prop_assert!(
                at.line() >= 1 && at.span.start <= at.origin.text.len() && at.span.start <= at.span.end,
                "{:?} of {}",
                at.span,
                d.message
            );
        }
    }
    Ok(())
}

fn read(text: &str, overrides: &[String]) -> Result<(), TestCaseError> {
    match Scenario::parse(&origin(text), overrides, Catalog::builtin()) {
        Ok(_) => Ok(()),
        Err(Error::Invalid(problems)) => useful(&problems),
        Err(other) => Err(TestCaseError::fail(other.to_string())),
    }
}

/// Pieces that parsers stumble over.
fn shards() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        prop::sample::select(vec![
            "[",
            "]",
            "[[",
            "]]",
            "=",
            "\"",
            "'''",
            "\"\"\"",
            ".",
            ",",
            "{",
            "}",
            "#",
            "\n",
            "\r",
            "\t",
            "\u{feff}",
            "nan",
            "-inf",
            "1e400",
            "-1",
            "0x7fffffffffffffffff",
            "99999999999999999999",
            "true",
            "1979-05-27",
            "[model]",
            "[cluster.node]",
            "extends = \"this-scenario\"",
            "use = \"x\"",
            "x-note = 1",
            "\\u0000",
            "€",
            "0",
        ])
        .prop_map(str::to_string),
    ]
}

/// A valid scenario with a few pieces cut out, put in or doubled.
fn mutated() -> impl Strategy<Value = String> {
    prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, shards()), 1..4).prop_map(|edits| {
        let mut chars: Vec<char> = VALID.chars().collect();
        for (at, cut, put) in edits {
            let from = at.index(chars.len() + 1);
            let to = (from + cut).min(chars.len());
            chars.splice(from..to, put.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn any_text_is_parsed_or_explained(text in "(?s).{0,200}") {
        let (_, problems) = raw::parse(&origin(&text));
        if !problems.is_empty() {
            useful(&problems)?;
        }
    }

    #[test]
    fn any_toml_shards_are_parsed_or_explained(parts in prop::collection::vec(shards(), 0..40)) {
        let (_, problems) = raw::parse(&origin(&parts.concat()));
        if !problems.is_empty() {
            useful(&problems)?;
        }
    }

    #[test]
    fn any_quantity_is_read_or_explained(text in "\\PC{0,30}", unit in prop::sample::select(&Unit::ALL[..])) {
        match units::parse(&text, unit) {
            Ok(v) => prop_assert!(v.is_finite()),
            Err(why) => prop_assert!(!why.is_empty()),
        }
    }

    #[test]
    fn any_number_with_any_unit_is_read_or_explained(number in any::<f64>(), word in "[A-Za-z/%µ$ ]{0,8}", unit in prop::sample::select(&Unit::ALL[..])) {
        match units::parse(&format!("{number}{word}"), unit) {
            Ok(v) => prop_assert!(v.is_finite()),
            Err(why) => prop_assert!(why.contains("write") || why.contains("finite"), "{}", why),
        }
    }

    #[test]
    fn any_override_is_taken_or_explained(text in "\\PC{0,40}") {
        let (mut tree, _) = raw::parse(&origin(VALID));
        if let Err(problem) = raw::set(&mut tree, &text) {
            useful(&[problem])?;
        }
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn a_damaged_scenario_is_read_or_explained(text in mutated()) {
        read(&text, &[])?;
    }

    #[test]
    fn arbitrary_bytes_in_a_file_are_read_or_explained(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = Folder::new();
        let path = folder.path().join("any.toml");
        std::fs::write(&path, &bytes).unwrap();
        match source::read(&path) {
            Ok(origin) => prop_assert!(std::str::from_utf8(&bytes).is_ok() && origin.text.len() <= bytes.len()),
            Err(Error::Invalid(problems)) => useful(&problems)?,
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn a_damaged_override_is_taken_or_explained(
        key in prop::sample::select(vec![
            "cluster.nodes", "cluster.node.idle_w", "model.layers", "model", "training", "layout.tensor", "accelerator.tpu-v5p.tdp_w", "accelerator.nope.tdp_w",
            "training.tokens", "reliability.restart", "format", "cost.offer", "limits.budget", "x-mine.a.b", "node.gaudi2-8.accelerator", "model.moe.experts",
        ]),
        value in shards(),
    ) {
        read(VALID, &[format!("{key}={value}")])?;
    }

    #[test]
    fn a_damaged_catalog_folder_is_read_or_explained(parts in prop::collection::vec(shards(), 0..8)) {
        let folder = Folder::new();
        let text = format!("format = 1\n[accelerator.mine]\nextends = \"h100-sxm\"\ntdp_w = 600\n{}", parts.concat());
        std::fs::write(folder.path().join("mine.toml"), text).unwrap();
        match Catalog::builtin().overlay_dir(folder.path(), Layer::Project) {
            Ok(_) => {}
            Err(Error::Invalid(problems)) => useful(&problems)?,
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
