//! Layouts that cannot be: questions without an answer, not bad input.

use super::{Case, unfit};

pub const CASES: &[Case] = &[
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
