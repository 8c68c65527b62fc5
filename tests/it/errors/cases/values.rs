//! Mistakes of numbers and overrides.

use super::{Case, file, set};

pub const CASES: &[Case] = &[
    // Numbers.
    file(
        "not a number",
        &[(10, "nodes = nan")],
        10,
        &["`cluster.nodes` is NaN, out of range", "from 1 to"],
    ),
    file(
        "infinite",
        &[(10, "nodes = inf")],
        10,
        &["`cluster.nodes` is inf, out of range", "from 1 to"],
    ),
    file(
        "1e400",
        &[(6, "sequence = 1e400")],
        6,
        &["`training.sequence` is inf, out of range"],
    ),
    file(
        "1e400 with a unit",
        &[(5, "tokens = \"1e400\"")],
        5,
        &["1e400", "not a finite number"],
    ),
    file(
        "negative",
        &[(10, "nodes = -8")],
        10,
        &["`cluster.nodes` is -8, out of range", "from 1 to"],
    ),
    file("zero nodes", &[(10, "nodes = 0")], 10, &["`cluster.nodes` is 0, out of range"]),
    file(
        "10^12 nodes",
        &[(10, "nodes = 1_000_000_000_000")],
        10,
        &["`cluster.nodes` is 1000000000000, out of range", "10000000"],
    ),
    file(
        "more than 64 bits of nodes",
        &[(10, "nodes = 99999999999999999999")],
        10,
        &["`cluster.nodes` is 100000000000000000000, out of range"],
    ),
    file(
        "too many devices",
        &[(
            10,
            "nodes = 10_000_000\n[node.gaudi2-8]\nextends = \"gaudi2-8\"\nn_devices = 100_000",
        )],
        10,
        &["1000000000000 devices", "100000000"],
    ),
    file("half a node", &[(10, "nodes = 1.5")], 10, &["1.5, not a whole number"]),
    file(
        "wrong unit",
        &[(10, "nodes = 8\nnic = \"400 GiB\"")],
        11,
        &["`GiB` is not a unit that fits here", "Gb/s"],
    ),
    file(
        "unit missing",
        &[(10, "nodes = 8\nnic = 400e9")],
        11,
        &["`cluster.nic` has no unit", "Gb/s"],
    ),
    file(
        "batch without a unit",
        &[(7, "global_batch = 512")],
        7,
        &["`training.global_batch` has no unit", "2048 sequences"],
    ),
    file(
        "batch of half a sequence",
        &[(7, "global_batch = \"511.5 sequences\"")],
        7,
        &["not a whole number of sequences"],
    ),
    file(
        "impossible restart",
        &[(11, "[reliability]\nrestart = \"1e300 s\"")],
        12,
        &["1e300 s, out of range"],
    ),
    file(
        "no bandwidth",
        &[(10, "nodes = 8\nnic = \"0 Gb/s\"")],
        11,
        &["0 Gb/s, out of range"],
    ),
    file(
        "price beyond reason",
        &[(11, "[cost]\nusd_per_device_hour = 1e300")],
        12,
        &["`cost.usd_per_device_hour` is 1", "out of range"],
    ),
    // Overrides.
    set(
        "--set without =",
        &["cluster.nodes"],
        &["`cluster.nodes` has no `=`", "--set cluster.nodes=64"],
    ),
    set(
        "--set of an unknown path",
        &["cluster.nodez=4"],
        &["unknown key `cluster.nodez`", "did you mean `nodes`?"],
    ),
    set(
        "--set of an unknown table",
        &["clutser.nodes=4"],
        &["unknown key `clutser`", "did you mean `cluster`?"],
    ),
    set(
        "--set through a scalar",
        &["cluster.nodes.more=4"],
        &["`nodes` is an integer, not a table"],
    ),
    set("--set of an empty path", &["cluster..nodes=4"], &["empty part"]),
    set("--set of nothing", &["cluster.nodes="], &["`cluster.nodes`"]),
    set(
        "--set out of range",
        &["cluster.nodes=-1"],
        &["`cluster.nodes` is -1, out of range"],
    ),
    set(
        "--set of an unknown entry",
        &["accelerator.gaudi22.tdp_w=500"],
        &["gaudi22", "did you mean `gaudi2`?"],
    ),
];
