//! The mistakes, each beside the words that the answer must hold.

/// What is put on disk.
pub enum Input {
    Missing,
    Directory,
    Bytes(fn() -> Vec<u8>),
    /// Lines of [`GOOD`] replaced by number; a number past the end appends.
    Lines(&'static [(usize, &'static str)]),
}

/// One mistake.
pub struct Case {
    pub name: &'static str,
    pub input: Input,
    pub sets: &'static [&'static str],
    pub code: i32,
    /// The line that a problem must point at.
    pub line: Option<usize>,
    pub words: &'static [&'static str],
}

/// A scenario that works.
const GOOD: [&str; 10] = [
    "format = 1",
    "[model]",
    "use = \"llama3-8b\"",
    "[training]",
    "tokens = \"1T\"",
    "sequence = 4096",
    "global_batch = \"512 sequences\"",
    "[cluster]",
    "node = \"gaudi2-8\"",
    "nodes = 8",
];

/// The good scenario with lines replaced.
pub fn edited(edits: &[(usize, &str)]) -> String {
    let mut lines: Vec<&str> = GOOD.to_vec();
    for &(number, text) in edits {
        match lines.get_mut(number - 1) {
            Some(line) => *line = text,
            None => lines.push(text),
        }
    }
    lines.join("\n") + "\n"
}

const fn bytes(name: &'static str, make: fn() -> Vec<u8>, words: &'static [&'static str]) -> Case {
    Case {
        name,
        input: Input::Bytes(make),
        sets: &[],
        code: 2,
        line: None,
        words,
    }
}

const fn file(name: &'static str, edits: &'static [(usize, &'static str)], line: usize, words: &'static [&'static str]) -> Case {
    Case {
        name,
        input: Input::Lines(edits),
        sets: &[],
        code: 2,
        line: Some(line),
        words,
    }
}

const fn set(name: &'static str, sets: &'static [&'static str], words: &'static [&'static str]) -> Case {
    Case {
        name,
        input: Input::Lines(&[]),
        sets,
        code: 2,
        line: None,
        words,
    }
}

const fn unfit(name: &'static str, edits: &'static [(usize, &'static str)], words: &'static [&'static str]) -> Case {
    Case {
        name,
        input: Input::Lines(edits),
        sets: &[],
        code: 1,
        line: None,
        words,
    }
}

pub const CASES: &[Case] = &[
    // Files that are not scenarios.
    Case {
        name: "missing file",
        input: Input::Missing,
        sets: &[],
        code: 2,
        line: None,
        words: &["no such file", "llama3-405b"],
    },
    Case {
        name: "directory",
        input: Input::Directory,
        sets: &[],
        code: 2,
        line: None,
        words: &["is a directory", "file"],
    },
    bytes(
        "binary file",
        || vec![0x7f, b'E', b'L', b'F', 0, 1, 0xff, 0xfe],
        &["not UTF-8", "binary"],
    ),
    bytes("not UTF-8", || b"name = \"caf\xe9\"\n".to_vec(), &["not UTF-8", "byte 11"]),
    bytes("more than 16 MiB", || vec![b'#'; 16 * 1024 * 1024 + 1], &["16777217 bytes", "TOML"]),
    bytes(
        "empty file",
        Vec::new,
        &["`[model]` is missing", "`[training]` is missing", "`[cluster]` is missing"],
    ),
    bytes("null bytes", || vec![0; 64], &["not valid TOML"]),
    bytes("json", || b"{\"model\": \"llama3-8b\"}".to_vec(), &["not valid TOML"]),
    bytes(
        "arrays in arrays",
        || [b"a = ".to_vec(), vec![b'['; 10_000], vec![b']'; 10_000]].concat(),
        &["not valid TOML"],
    ),
    bytes(
        "tables in tables",
        || [b"a = ".to_vec(), b"{ a = ".repeat(10_000), b"1".to_vec(), b" }".repeat(10_000)].concat(),
        &["not valid TOML"],
    ),
    bytes(
        "ten thousand dots",
        || [b"a".to_vec(), b".a".repeat(10_000), b" = 1".to_vec()].concat(),
        &["recursion limit", "deep"],
    ),
    bytes(
        "a header of ten thousand dots",
        || [b"[a".to_vec(), b".a".repeat(10_000), b"]\nb = 1".to_vec()].concat(),
        &["recursion limit", "deep"],
    ),
    bytes(
        "a very long key",
        || [edited(&[]).into_bytes(), vec![b'k'; 100_000], b" = 1\n".to_vec()].concat(),
        &["unknown key `cluster.kkk", "…"],
    ),
    bytes(
        "a very long name",
        || edited(&[(3, &format!("use = \"{}\"", "m".repeat(100_000)))]).into_bytes(),
        &["no model is called `mmm", "…"],
    ),
    // TOML that is not ours.
    file("value without quotes", &[(3, "use = llama3-8b")], 3, &["not valid TOML"]),
    file("unclosed string", &[(3, "use = \"llama3-8b")], 3, &["not valid TOML"]),
    file(
        "duplicate key",
        &[(10, "nodes = 8\nnodes = 9")],
        11,
        &["not valid TOML", "duplicate"],
    ),
    file("format of the future", &[(1, "format = 2")], 1, &["`format` is 2", "1"]),
    file(
        "unknown key",
        &[(6, "seqence = 4096")],
        6,
        &["unknown key `training.seqence`", "did you mean `sequence`?"],
    ),
    file(
        "unknown table",
        &[(4, "[trainin]")],
        4,
        &["unknown key `trainin`", "did you mean `training`?"],
    ),
    file(
        "unknown key of a layout",
        &[(11, "[layout]\ntensr = 8")],
        12,
        &["unknown key `layout.tensr`", "did you mean `tensor`?"],
    ),
    file(
        "wrong type",
        &[(10, "nodes = true")],
        10,
        &["`cluster.nodes` is true or false", "2048"],
    ),
    file(
        "table instead of text",
        &[(9, "node = [\"gaudi2-8\"]")],
        9,
        &["`cluster.node` is an array", "string"],
    ),
    file(
        "text instead of table",
        &[(2, "[x-model]"), (1, "model = \"llama3-8b\"")],
        1,
        &["`model` is a string", "[model]"],
    ),
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
    // Names.
    file(
        "unknown model",
        &[(3, "use = \"llama3-8c\"")],
        3,
        &["no model is called `llama3-8c`", "did you mean `llama3-8b`?", "catalog list model"],
    ),
    file(
        "unknown node",
        &[(9, "node = \"gaudi2-9\"")],
        9,
        &["no node is called `gaudi2-9`", "did you mean `gaudi2-8`?"],
    ),
    file(
        "unknown accelerator",
        &[(10, "nodes = 8\naccelerator = \"gaudi4x\"")],
        11,
        &["no accelerator is called `gaudi4x`", "did you mean `gaudi"],
    ),
    file(
        "unknown fabric",
        &[(10, "nodes = 8\nfabric = \"roce-410g\"")],
        11,
        &["no fabric is called `roce-410g`", "did you mean `roce-4"],
    ),
    file(
        "a scale-up fabric between nodes",
        &[(10, "nodes = 8\nfabric = \"gaudi2-roce\"")],
        11,
        &["is a scale-up fabric", "scale-out"],
    ),
    file(
        "unknown region",
        &[(10, "nodes = 8\nregion = \"us-eest-1\"")],
        11,
        &["no region is called `us-eest-1`", "did you mean `us-"],
    ),
    file(
        "unknown offer",
        &[(11, "[cost]\noffer = \"aws-p5\"")],
        12,
        &["no offer is called `aws-p5`", "catalog list offer"],
    ),
    file(
        "unknown stack",
        &[(11, "[software]\nstack = \"megatron-cor\"")],
        12,
        &["no stack is called `megatron-cor`", "did you mean `megatron-core`?"],
    ),
    file(
        "unknown precision",
        &[(7, "precision = \"bf17\"")],
        7,
        &["`training.precision` is `bf17`", "did you mean `bf16`?"],
    ),
    file(
        "unknown sharding",
        &[(11, "[layout]\nsharding = \"zero4\"")],
        12,
        &["`layout.sharding` is `zero4`", "did you mean `zero"],
    ),
    file("empty model", &[(3, "")], 2, &["`model.use` is missing"]),
    file("model without a name", &[(3, "use = \"\"")], 3, &["model.use", "is empty"]),
    file("no node", &[(9, "")], 8, &["names neither a node nor a cluster", "node = "]),
    file("no tokens", &[(5, "")], 4, &["`training.tokens` is missing", "15T"]),
    // Entries of one's own.
    file(
        "cyclic extends of two",
        &[(11, "[accelerator.a]\nextends = \"b\"\n[accelerator.b]\nextends = \"a\"")],
        12,
        &["goes in a circle", "a → b → a"],
    ),
    file(
        "cyclic extends of three",
        &[(
            11,
            "[node.a]\nextends = \"b\"\n[node.b]\nextends = \"c\"\n[node.c]\nextends = \"a\"",
        )],
        12,
        &["goes in a circle", "→ c →"],
    ),
    file(
        "extends something unknown",
        &[(11, "[accelerator.mine]\nextends = \"gaudi22\"")],
        12,
        &["`extends` names `gaudi22`", "did you mean `gaudi2`?"],
    ),
    file(
        "extends a number",
        &[(11, "[accelerator.mine]\nextends = 5")],
        12,
        &["`extends` is an integer", "name of another accelerator"],
    ),
    file(
        "an entry half redefined",
        &[(11, "[accelerator.gaudi2]\ntdp_w = 500")],
        11,
        &["is missing", "replaces the built-in one", "extends = \"gaudi2\""],
    ),
    file(
        "price range out of order",
        &[(
            11,
            "[accelerator.gaudi2]\nextends = \"gaudi2\"\n[accelerator.gaudi2.price]\nlow_usd = 9\nbase_usd = 5\nhigh_usd = 7",
        )],
        15,
        &["9 .. 5 .. 7 is not in order", "low ≤ base ≤ high"],
    ),
    file(
        "kv heads do not divide heads",
        &[(3, "use = \"llama3-8b\"\nkv_heads = 5")],
        4,
        &["5 key-value heads do not divide 32", "divisor"],
    ),
    file(
        "model of a billion layers",
        &[(3, "use = \"llama3-8b\"\nlayers = 1000000000")],
        4,
        &["`model.this-scenario.layers` is 1000000000", "10000"],
    ),
    file(
        "latent widths beyond 32 bits",
        &[(
            3,
            "use = \"llama3-8b\"\nmla = { kv_lora_rank = 1, qk_nope_head_dim = 4294967295, qk_rope_head_dim = 4294967295, v_head_dim = 1 }",
        )],
        4,
        &["4294967295", "10000000"],
    ),
    file(
        "hsdp without replicas",
        &[(11, "[layout]\nsharding = \"hsdp\"")],
        12,
        &["`hsdp` needs `layout.replicas`", "replicas = 2"],
    ),
    file(
        "replicas of nothing",
        &[(11, "[layout]\nsharding = \"zero1\"\nreplicas = 2")],
        13,
        &["`layout.replicas`", "hsdp"],
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
    // Layouts that cannot be.
    unfit(
        "degrees that do not multiply out",
        &[(11, "[layout]\ntensor = 8\npipeline = 4\ndata = 4")],
        &["the layout needs 128 devices, the cluster has 64", "= 64"],
    ),
    unfit(
        "a degree that divides nothing",
        &[(11, "[layout]\ntensor = 7")],
        &["needs 7 devices, the cluster has 64", "= 64"],
    ),
    unfit(
        "heads not divisible",
        &[(11, "[layout]\ntensor = 64")],
        &["32 attention heads do not split over tensor = 64"],
    ),
    unfit(
        "batch too small",
        &[
            (7, "global_batch = \"4 sequences\""),
            (11, "[layout]\ntensor = 1\npipeline = 1\ncontext = 1"),
        ],
        &["not a multiple of data × micro_batch = 64"],
    ),
    unfit(
        "sequence not divisible",
        &[
            (6, "sequence = 4095"),
            (11, "[layout]\ntensor = 8\ncontext = 1\nsequence_parallel = true"),
        ],
        &["does not split into 8 equal parts"],
    ),
    unfit(
        "pipeline deeper than the layers",
        &[(11, "[layout]\npipeline = 64")],
        &["64 model chunks for 32 layers"],
    ),
    unfit(
        "experts of a dense model",
        &[(11, "[layout]\nexpert = 8")],
        &["no experts to cut", "leave `expert`"],
    ),
    unfit(
        "experts that do not split",
        &[(3, "use = \"mixtral-8x7b\""), (11, "[layout]\nexpert = 3")],
        &["8 experts do not split over expert = 3"],
    ),
    unfit(
        "model larger than the cluster",
        &[(3, "use = \"deepseek-v3\""), (10, "nodes = 1")],
        &["lacks", "GiB", "out of memory", "more devices"],
    ),
    unfit(
        "replicas that do not divide",
        &[(11, "[layout]\nsharding = \"hsdp\"\nreplicas = 3")],
        &["replicas = 3 does not divide"],
    ),
    unfit(
        "virtual stages without a pipeline",
        &[(11, "[layout]\npipeline = 1\nvirtual_stages = 4")],
        &["virtual stages need a pipeline"],
    ),
    unfit(
        "a pipeline of four billion",
        &[(11, "[layout]\npipeline = 4000000000\ndata = 1")],
        &["the layout needs", "devices"],
    ),
    unfit(
        "degrees whose product passes 64 bits",
        &[(
            11,
            "[layout]\ntensor = 4294967295\ncontext = 4294967295\npipeline = 4294967295\ndata = 4294967295\nvirtual_stages = 4294967295\nmicro_batch = 4294967295\nsequence_parallel = true",
        )],
        &["the layout needs 18446744073709551615 devices"],
    ),
];
