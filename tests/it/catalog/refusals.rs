//! Malformed folders: each is refused with the file, the line and a way out. Mistakes that a
//! scenario can make too are in `errors`.

use crate::support::Folder;
use exaplan::catalog::{Catalog, Layer};
use exaplan::error::{Diagnostic, Error};

/// What the file holds, the line that is at fault (0: none), and words of the answer.
const CASES: [(&str, usize, &[&str]); 31] = [
    ("[accelerator.x\n", 1, &["not valid TOML"]),
    ("format = 2\n", 1, &["`format` is 2, this program reads 1", "newer exaplan"]),
    ("format = \"one\"\n", 1, &["`format` is a string", "write format = 1"]),
    (
        "[acelerator.x]\ntdp_w = 1\n",
        1,
        &["unknown key `acelerator`", "did you mean `accelerator`?"],
    ),
    ("[accelerator]\nx = 5\n", 2, &["`accelerator.x` is an integer", "[accelerator.x]"]),
    (
        "[accelerator.x]\nextends = \"h100-sxm-80gb\"\ntdp_v = 3\n",
        3,
        &["unknown key `accelerator.x.tdp_v`", "did you mean `tdp_w`?"],
    ),
    (
        "[accelerator.x]\ntitle = \"X\"\n",
        1,
        &["`accelerator.x.peak` is missing", "bf16_flop_per_s", "dense, not sparse"],
    ),
    (
        "[accelerator.x]\nextends = \"h100-sxm-80gb\"\nmemory_bytes = \"80 GB/s\"\n",
        3,
        &["`accelerator.x.memory_bytes`", "`GB/s` is not a unit that fits here", "GiB"],
    ),
    (
        "[accelerator.x]\nextends = \"h100-sxm-80gb\"\ntdp_w = 0\n",
        3,
        &["`accelerator.x.tdp_w` is 0", "out of range"],
    ),
    (
        "[accelerator.x]\nextends = \"h100-sxm-80gb\"\ntdp_w = nan\n",
        3,
        &["`accelerator.x.tdp_w` is NaN", "write"],
    ),
    (
        "[accelerator.x]\nextends = \"h100-sxm-80gb\"\n[accelerator.x.peak]\nbf16_sparse_flop_per_s = 1e15\n",
        4,
        &["unknown key `accelerator.x.peak.bf16_sparse_flop_per_s`", "did you mean"],
    ),
    (
        "[accelerator.x]\nextends = \"h100-sxm-80gb\"\npeak = 1e15\n",
        3,
        &["`accelerator.x.peak`", "expected a table"],
    ),
    (
        "[accelerator.x]\nextends = \"h100-sxm-80gb\"\naliases = [1]\n",
        3,
        &["`accelerator.x.aliases` holds an integer", "write"],
    ),
    (
        "[accelerator.x]\nextends = \"h100-sxm-80gb\"\naliases = [\"a100\"]\n",
        1,
        &["alias `a100`", "also means", "remove it"],
    ),
    (
        "[fabric.x]\nextends = \"ib-ndr\"\ntopology = \"ring\"\n",
        3,
        &["`fabric.x.topology` is `ring`", "`switched`", "`torus`"],
    ),
    (
        "[fabric.x]\nextends = \"ib-ndr\"\nlatency_s = \"2 h\"\n",
        3,
        &["`fabric.x.latency_s` is 2 h, out of range", "write"],
    ),
    (
        "[node.x]\nextends = \"dgx-h100\"\naccelerator = \"h100-sxn\"\n",
        3,
        &["no accelerator is called `h100-sxn`", "did you mean `h100-sxm"],
    ),
    (
        "[node.x]\nextends = \"dgx-h100\"\nn_devices = 0\n",
        3,
        &["`node.x.n_devices` is 0, out of range", "from 1 to 100000"],
    ),
    (
        "[node.x]\nextends = \"dgx-h100\"\nidle_w = 9000\nactive_w = 8000\n",
        3,
        &["idle power is above active power", "check `idle_w`"],
    ),
    (
        "[cluster.x]\nnode = \"dgx-h100\"\n",
        1,
        &["`cluster.x.n_nodes` is missing", "add `n_nodes"],
    ),
    (
        "[cluster.x]\nnode = \"dgx-h100\"\nn_nodes = 8\n[[cluster.x.level]]\nn_devices = 64\n",
        4,
        &["`cluster.x.level[0].oversubscription` is missing", "add `oversubscription"],
    ),
    (
        "[cluster.x]\nnode = \"dgx-h100\"\nn_nodes = 8\nreliability = \"good\"\n",
        4,
        &["no reliability is called `good`", "catalog list reliability"],
    ),
    (
        "[grid.x]\nlocation_kg_co2e_per_kwh = 400\nwater_l_per_kwh = 1\n",
        2,
        &["`grid.x.location_kg_co2e_per_kwh` is 400", "out of range", "from 0 to 3"],
    ),
    (
        "[region.x]\nextends = \"us-east-1\"\npue = 0.9\n",
        3,
        &["`region.x.pue` is 0.9, out of range", "from 1 to 5"],
    ),
    (
        "[region.x]\nextends = \"us-east-1\"\ngrid = \"nowhere\"\n",
        3,
        &["no grid is called `nowhere`", "catalog list grid"],
    ),
    (
        "[offer.x]\nprovider = \"us\"\naccelerator = \"h100\"\nas_of = \"2026\"\n",
        1,
        &["`offer.x.base_usd_per_device_hour` is missing", "add `base_usd_per_device_hour"],
    ),
    (
        "[offer.x]\nprovider = \"us\"\naccelerator = \"h100\"\nas_of = \"2026\"\nbase_usd_per_device_hour = 2\ncommitment = \"forever\"\n",
        6,
        &["`offer.x.commitment` is `forever`", "`on-demand`", "`spot`"],
    ),
    (
        "[finance.x]\nextends = \"default\"\nutilization_fraction = 84\n",
        3,
        &["`finance.x.utilization_fraction` is 84", "from 0.01 to 1"],
    ),
    (
        "[model.x]\nextends = \"mamba2-130m\"\nlayers = 25\n",
        1,
        &["`layer_pattern` has 24 characters for 25 layers", "one character per layer"],
    ),
    (
        "[model.x]\nextends = \"llama3-8b\"\nlayers = 2\nlayer_pattern = \"MQ\"\n",
        4,
        &["`layer_pattern` holds `Q`", "`M` Mamba-2 only"],
    ),
    (
        "[model.x]\nextends = \"llama3-8b\"\nlayers = 2\nlayer_pattern = \"XX\"\n",
        4,
        &["`layer_pattern` needs the table `model.x.moe`", "add [model.x.moe]"],
    ),
];

fn refused(text: &str) -> Option<Vec<Diagnostic>> {
    let folder = Folder::new();
    std::fs::write(folder.path().join("ours.toml"), text).unwrap();
    match Catalog::builtin().overlay_dir(folder.path(), Layer::User) {
        Err(Error::Invalid(list)) => Some(list),
        _ => None,
    }
}

#[test]
fn every_malformed_folder_is_refused_with_its_place_and_a_remedy() {
    let mut wrong = Vec::new();
    for (text, line, words) in CASES {
        let Some(list) = refused(text) else {
            wrong.push(format!("accepted:\n{text}"));
            continue;
        };
        let said = list.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let missing: Vec<&&str> = words.iter().filter(|w| !said.contains(**w)).collect();
        let at: Vec<usize> = list.iter().filter_map(|d| d.at.as_ref()).map(exaplan::error::At::line).collect();
        let helped = list.iter().all(|d| d.help.as_ref().is_some_and(|h| !h.is_empty()));
        if !missing.is_empty() || !at.contains(&line) || !helped || !said.contains("ours.toml") {
            wrong.push(format!(
                "{text}wants line {line} and {missing:?}, lines {at:?}, remedies {helped}:\n{said}\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_bad_file_does_not_hide_the_problems_of_another() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("a.toml"), "[grid.x\n").unwrap();
    std::fs::write(folder.path().join("b.toml"), "[region.x]\nextends = \"us-east-1\"\npue = 9\n").unwrap();
    let error = Catalog::builtin()
        .overlay_dir(folder.path(), Layer::User)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("a.toml:1") && error.contains("b.toml:3"), "{error}");
}

#[test]
fn an_entry_defined_in_two_files_of_a_folder_is_refused() {
    let folder = Folder::new();
    let text = "[grid.x]\nextends = \"world-average\"\n";
    std::fs::write(folder.path().join("a.toml"), text).unwrap();
    std::fs::write(folder.path().join("b.toml"), text).unwrap();
    let error = Catalog::builtin()
        .overlay_dir(folder.path(), Layer::User)
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("grid `x` is defined twice") && error.contains("a.toml"), "{error}");
}

#[test]
fn a_folder_that_is_not_there_is_refused_by_name() {
    let folder = Folder::new();
    let path = folder.path().join("missing");
    let error = Catalog::builtin().overlay_dir(&path, Layer::User).err().unwrap().to_string();
    assert!(error.contains("missing"), "{error}");
}
