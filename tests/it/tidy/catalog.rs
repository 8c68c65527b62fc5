//! The catalog in the binary is the catalog in the repository, whole and with sources.

use crate::support;
use exaplan::catalog::{Catalog, Kind, Layer, show, source};
use std::collections::BTreeMap;

#[test]
fn the_binary_holds_every_catalog_file_and_no_other() {
    let mut here: Vec<String> = Vec::new();
    for folder in ["hardware", "profiles", "scenarios"] {
        here.extend(
            support::files(folder)
                .iter()
                .map(|p| p.strip_prefix(support::root()).unwrap().display().to_string()),
        );
    }
    here.sort();
    let embedded: Vec<String> = source::embedded().map(|(path, _)| path).collect();
    assert_eq!(embedded, here);
    for (path, text) in source::embedded() {
        assert_eq!(
            text,
            std::fs::read_to_string(support::root().join(&path)).unwrap(),
            "{path} changed after the build"
        );
    }
}

#[test]
fn every_catalog_file_lies_in_the_folder_of_its_kind() {
    // The log of what bought accuracy lies beside the stacks that it is about; laws of scaling and
    // facts about data are no catalog entries: nothing overlays them.
    let other = |p: &str| p == "profiles/ACCURACY.md" || p.starts_with("profiles/laws/") || p.starts_with("profiles/data/");
    let files = source::embedded().filter(|(p, _)| !other(p));
    for (path, text) in files.filter(|(p, _)| p.contains("hardware/") || p.contains("profiles/") || p.contains("/models/")) {
        let kind = Kind::ALL.iter().find(|(_, _, folder)| path.starts_with(folder));
        let Some((name, ..)) = kind else {
            panic!("{path} is in no folder of a kind")
        };
        // A table of another kind would be passed over without a word.
        let heads = text.lines().filter_map(|l| l.strip_prefix('[')).filter(|l| !l.starts_with('['));
        let strange: Vec<&str> = heads.filter(|l| !l.starts_with(&format!("{name}."))).collect();
        assert!(strange.is_empty(), "{path} holds {strange:?}");
    }
}

#[test]
fn every_built_in_value_has_a_source() {
    let bare: Vec<String> = show::unsourced(&Catalog::builtin()).iter().map(ToString::to_string).collect();
    assert!(bare.is_empty(), "{}", bare.join("\n"));
}

#[test]
fn every_built_in_entry_passes_its_checks() {
    let wrong: Vec<String> = Catalog::builtin().check(Layer::Builtin).iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ids_and_aliases_are_lower_case_and_mean_one_thing() {
    let catalog = Catalog::builtin();
    for (kind_name, kind, _) in Kind::ALL {
        let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in catalog.entries(kind).entries.values() {
            for name in entry.aliases.iter().chain([&entry.name]) {
                owners.entry(name.clone()).or_default().push(entry.name.clone());
                let plain = name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._/".contains(c));
                assert!(plain && !name.is_empty(), "{kind_name} `{name}` is not lower case");
            }
        }
        owners.retain(|_, list| list.len() > 1);
        assert!(owners.is_empty(), "{kind_name}: {owners:?}");
        assert!(!catalog.entries(kind).entries.is_empty(), "no {kind_name} is built in");
    }
}

#[test]
fn every_reference_between_entries_leads_somewhere() {
    let catalog = Catalog::builtin();
    for (kind, key, target) in [(Kind::Accelerator, "profile", Kind::Profile), (Kind::Offer, "region", Kind::Region)] {
        for entry in catalog.entries(kind).entries.values() {
            if let Some(name) = entry.tree.text(key) {
                assert!(
                    catalog.entries(target).get(name).is_some(),
                    "{} `{}` names {key} `{name}`",
                    kind.name(),
                    entry.name
                );
            }
        }
    }
}
