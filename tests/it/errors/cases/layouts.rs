//! Layouts that cannot be: questions without an answer, and those that contradict themselves: bad input.

use super::{Case, file, unfit};

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
    unfit(
        "a schedule for another number of chunks",
        &[(11, "[layout]\ntensor = 8\npipeline = 4\nvirtual_stages = 1\nschedule = \"zb-v\"")],
        &["no zb-v schedule: zb-v has 2 chunks per stage, not 1", "choose virtual_stages = 2"],
    ),
    unfit(
        "a second copy of the model has no virtual stages",
        &[(
            11,
            "[layout]\ntensor = 8\npipeline = 4\nvirtual_stages = 2\nschedule = \"dualpipe\"",
        )],
        &["dualpipe has 2 chunks per stage, not 4", "choose virtual_stages = 1"],
    ),
    unfit(
        "too few micro-batches for a schedule",
        &[(
            11,
            "[layout]\ntensor = 1\ncontext = 1\npipeline = 4\nmicro_batch = 8\nschedule = \"dualpipe-v\"",
        )],
        &[
            "no dualpipe-v schedule: 4 micro-batches; the warm-up needs 8",
            "a batch of 8 micro-batches",
        ],
    ),
    unfit(
        "stages that cannot be passed both ways",
        &[
            (10, "nodes = 9"),
            (
                11,
                "[layout]\ntensor = 8\ncontext = 1\npipeline = 9\nmicro_batch = 1\nschedule = \"dualpipe\"",
            ),
        ],
        &["9 stages cannot be passed both ways", "an even pipeline degree"],
    ),
    unfit(
        "numbers of layers for another number of chunks",
        &[(
            11,
            "[layout]\npipeline = 4\nvirtual_stages = 1\ntensor = 8\nschedule = \"zb-v\"\nstage_layers = [8, 8, 8, 8]",
        )],
        &["zb-v has 2 chunks per stage"],
    ),
    unfit(
        "a host without room",
        &[
            (9, "node = { use = \"gaudi2-8\", host_memory_bytes = 1e9 }"),
            (11, "[layout]\ntensor = 8\npipeline = 1\ncontext = 1\noffload = \"optimizer\""),
        ],
        &["of host memory per device", "offload less"],
    ),
    file(
        "layers that do not add up",
        &[(11, "[layout]\npipeline = 4\nstage_layers = [8, 8, 8, 9]")],
        13,
        &["`layout.stage_layers`: the stages hold 33 layers, the model has 32", "add up to 32"],
    ),
    file(
        "layers for another pipeline",
        &[(11, "[layout]\npipeline = 4\nstage_layers = [16, 16]")],
        13,
        &["2 numbers of layers for 4 stages", "write 4 numbers"],
    ),
    file(
        "half a layer",
        &[(11, "[layout]\nstage_layers = [15.5, 16.5]")],
        12,
        &["`layout.stage_layers` is not a list of whole numbers", "[15, 16, 16, 15]"],
    ),
    file(
        "two ways to deal the same layers",
        &[(11, "[layout]\nstage_layers = [16, 16]\nsplit = \"balanced\"")],
        13,
        &[
            "`layout.split` and `layout.stage_layers` say different things",
            "leave out stage_layers or split",
        ],
    ),
    file(
        "ends that leave what cannot be shared",
        &[(11, "[layout]\npipeline = 4\nfirst_stage_layers = 7")],
        13,
        &["25 layers are left for 3 stages", "a multiple of the stages between"],
    ),
    file(
        "an embedding that does not fit in",
        &[(11, "[layout]\npipeline = 4\nvirtual_stages = 1\ncount_embedding = true")],
        14,
        &["33 layers, with what is counted as one, are not a multiple of 4", "stage_layers"],
    ),
    file(
        "a split of no name",
        &[(11, "[layout]\nsplit = \"balance\"")],
        12,
        &["`layout.split` is `balance`", "did you mean `balanced`?", "`even`"],
    ),
    file(
        "an offload of no name",
        &[(11, "[layout]\noffload = \"optimiser\"")],
        12,
        &["`layout.offload` is `optimiser`", "did you mean `optimizer`?"],
    ),
    file(
        "offloading over an unknown link",
        &[
            (9, "node = \"mine\""),
            (
                11,
                "[layout]\noffload = \"all\"\n[node.mine]\nextends = \"gaudi2-8\"\naccelerator = \"mine\"\n[accelerator.mine]\nvendor = \"x\"\n\
                 memory_bytes = 1e11\nmemory_bytes_per_s = 2e12\ntdp_w = 600\n[accelerator.mine.peak]\nbf16_flop_per_s = 4e14\nvector_flop_per_s = 1e13",
            ),
        ],
        12,
        &[
            "nothing is known of the link between `mine` and its host",
            "--set accelerator.mine.host_bytes_per_s=",
        ],
    ),
];
