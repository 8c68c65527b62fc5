//! The built-in data as a whole: how much there is, that it agrees with itself and with what is
//! published. That every value has a source and every entry passes its checks is held by `tidy`.

mod clusters;
mod efficiency;
mod overlay;
mod ranks;
mod refusals;
mod tables;

use crate::support::root;
use exaplan::catalog::{Catalog, Kind, Model};
use exaplan::workload::count;

#[test]
fn the_catalog_is_as_large_as_promised() {
    let catalog = Catalog::builtin();
    let promised = [
        (Kind::Accelerator, 50),
        (Kind::Fabric, 90),
        (Kind::Node, 75),
        (Kind::Cluster, 45),
        (Kind::Model, 180),
        (Kind::Offer, 250),
        (Kind::Grid, 150),
    ];
    let listed: Vec<(&str, usize, usize)> = promised
        .iter()
        .map(|(kind, least)| (kind.name(), catalog.entries(*kind).entries.len(), *least))
        .collect();
    assert!(listed.iter().all(|(_, n, least)| n >= least), "{listed:?}");
}

/// `tests/data/run_names.csv` holds every name by which published runs call their accelerator,
/// model and fabric.
#[test]
fn every_name_of_a_published_run_resolves_or_says_why_not() {
    let catalog = Catalog::builtin();
    let mut reader = csv::Reader::from_path(root().join("tests/data/run_names.csv")).unwrap();
    let (mut n, mut wrong) = (0, Vec::new());
    for record in reader.records() {
        let record = record.unwrap();
        let (kind, name, to, reason) = (&record[0], &record[1], &record[3], &record[4]);
        let kind = Kind::from_name(kind).unwrap();
        n += 1;
        if to.is_empty() && reason.is_empty() {
            wrong.push(format!("`{name}` resolves to nothing and has no reason"));
        }
        for id in to.split('|').filter(|id| !id.is_empty()) {
            match catalog.entry(kind, id) {
                Ok(entry) if entry.name == id => {}
                Ok(entry) => wrong.push(format!("`{name}`: `{id}` is an alias of `{}`", entry.name)),
                Err(error) => wrong.push(format!("`{name}`: {error}")),
            }
        }
        // Runs name accelerators and models as the catalog does; of fabrics they tell stories.
        if kind != Kind::Fabric && !to.is_empty() && catalog.entry(kind, name).ok().map(|e| e.name.as_str()) != Some(to) {
            wrong.push(format!("`{name}` does not resolve to `{to}`"));
        }
    }
    assert!(n > 200 && wrong.is_empty(), "{n} names\n{}", wrong.join("\n"));
}

/// Sequence at which a model with learned positions was trained; others do not depend on it.
const LEARNED: [(&str, f64); 1] = [("gpt2", 1024.0)];
/// Models whose stated count is not ours, with the reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

#[test]
fn counted_parameters_are_those_stated_within_half_a_percent() {
    let catalog = Catalog::builtin();
    let (mut n, mut wrong) = (0, Vec::new());
    for name in catalog.entries(Kind::Model).entries.keys() {
        let model: Model = catalog.get(name).unwrap();
        let Some(stated) = model.stated_params else { continue };
        n += 1;
        let sequence = LEARNED
            .iter()
            .find(|(family, _)| name.starts_with(family))
            .map_or(2048.0, |(_, s)| *s);
        let counted = count(&model, sequence).params_total;
        let error = counted / stated - 1.0;
        let excepted = EXCEPTIONS.iter().any(|(id, reason)| id == name && !reason.is_empty());
        if (error.abs() <= 0.005) == excepted {
            wrong.push(format!(
                "{name}: stated {stated:.5e}, counted {counted:.5e}, {:+.2} %",
                100.0 * error
            ));
        }
    }
    assert!(n >= 60 && wrong.is_empty(), "{n} models\n{}", wrong.join("\n"));
}
