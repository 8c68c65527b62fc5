//! Mistakes of names and of entries.

use super::{Case, file};

pub const CASES: &[Case] = &[
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
        "unknown stack with changes",
        &[(11, "[software]\nstack = \"megatron-cor\"\nmath_slowdown = 1.2")],
        12,
        &["`extends` names `megatron-cor`", "did you mean `megatron-core`?"],
    ),
    file(
        "unknown key of a stack",
        &[(11, "[software]\nstack = \"megatron-core\"\ntensor_overlap = 1.0")],
        13,
        &["unknown key", "tensor_overlap", "did you mean `tensor_overlap_fraction`?"],
    ),
    file(
        "stack misspelled",
        &[(11, "[software]\nstak = \"megatron-core\"")],
        12,
        &["unknown key `software.stak`", "did you mean `stack`?"],
    ),
    file(
        "unknown context exchange",
        &[(11, "[software]\ncontext_exchange = \"rings\"")],
        12,
        &["context_exchange` is `rings`", "did you mean `ring`?", "all-to-all"],
    ),
    file(
        "overlap beyond everything",
        &[(11, "[software]\ntensor_overlap_fraction = 1.5")],
        12,
        &["tensor_overlap_fraction` is 1.5, out of range", "from 0 to 1"],
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
];
