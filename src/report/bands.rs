//! Bands as a catalog file.

use crate::catalog::band::title;
use crate::study::bands::table;
use crate::study::cross::LeftOut;
use std::collections::BTreeSet;
use std::fmt::Write;

const HEAD: &str = "\
format = 1

# Between which ratios of predicted to measured throughput eight of ten runs lie that nobody fitted, by
# class of runs. Written by `exaplan calibrate --bands FILE`, not by hand.
";

/// Bands of these left-out runs as a catalog file; `source` says on what they rest.
#[must_use]
pub fn toml(list: &[LeftOut], source: &str) -> String {
    let mut out = String::from(HEAD);
    for (number, band) in table(list).into_iter().enumerate() {
        // A plan's own prediction is its median, so its range must hold it.
        let (low, high) = (band.ln_error.0.exp().min(1.0), band.ln_error.1.exp().max(1.0));
        let _ = write!(
            out,
            "\n[band.{}]\ntitle = \"{}\"\nlow_ratio = {low:.3}\nhigh_ratio = {high:.3}\nn_families = {}\nn_runs = {}\n",
            band.class,
            title(&band.class),
            band.n_families,
            band.n_runs
        );
        // The class of all runs stands first.
        if number == 0 {
            out += &names("stacks", list.iter().map(|p| p.stack.as_str()).collect());
            out += &names("accelerators", list.iter().map(|p| p.accelerator.as_str()).collect());
        }
        let _ = writeln!(out, "source = \"{source}\"");
    }
    out
}

fn names(key: &str, names: BTreeSet<&str>) -> String {
    let lines: Vec<String> = names.into_iter().map(|n| format!("    \"{n}\",\n")).collect();
    format!("{key} = [\n{}]\n", lines.concat())
}
