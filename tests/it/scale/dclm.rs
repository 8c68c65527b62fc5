//! Utilization of small models, as the pools of DataComp-LM took it.

use crate::support::plan_text;

/// Parameters, tokens and H100 hours of table 1 of Li et al. 2024 (arXiv 2406.11794), with the shapes of
/// OpenLM that have those parameters: width, depth, heads, feed-forward. The source states no batch and no
/// number of GPUs: those are what somebody would choose who knows such runs.
struct Pool {
    shape: (u32, u32, u32, u32),
    n_params: f64,
    n_tokens: f64,
    h100_hours: f64,
    n_devices: u32,
    n_sequences: u32,
}

const POOLS: [Pool; 5] = [
    Pool {
        shape: (1024, 24, 8, 2816),
        n_params: 412e6,
        n_tokens: 8.2e9,
        h100_hours: 26.0,
        n_devices: 8,
        n_sequences: 512,
    },
    Pool {
        shape: (2048, 24, 16, 5632),
        n_params: 1.4e9,
        n_tokens: 28.8e9,
        h100_hours: 240.0,
        n_devices: 32,
        n_sequences: 512,
    },
    Pool {
        shape: (2560, 32, 32, 6912),
        n_params: 2.8e9,
        n_tokens: 55.9e9,
        h100_hours: 740.0,
        n_devices: 64,
        n_sequences: 1024,
    },
    Pool {
        shape: (4096, 32, 32, 11008),
        n_params: 6.9e9,
        n_tokens: 138e9,
        h100_hours: 3700.0,
        n_devices: 128,
        n_sequences: 2048,
    },
    Pool {
        shape: (4096, 32, 32, 11008),
        n_params: 6.9e9,
        n_tokens: 276e9,
        h100_hours: 7300.0,
        n_devices: 128,
        n_sequences: 2048,
    },
];

const PEAK_FLOP_PER_S: f64 = 989e12;

/// Measured and predicted `6 N D` over the peak.
fn utilization(pool: &Pool) -> (f64, f64) {
    let (hidden, layers, heads, ffn) = pool.shape;
    // OpenLM is plain PyTorch with FSDP.
    let text = format!(
        "name = \"pool\"\n[model]\nlayers = {layers}\nhidden = {hidden}\nheads = {heads}\nffn_hidden = {ffn}\nvocab = 50432\nsource = \"OpenLM\"\n\
         [training]\ntokens = \"{}\"\nsequence = 2048\nglobal_batch = \"{} sequences\"\n\
         [cluster]\nnode = \"dgx-h100\"\nnodes = {}\nregion = \"us-east-1\"\n[software]\nstack = \"pytorch-eager\"\n\
         [layout]\ntensor = 1\npipeline = 1\ncontext = 1\nsharding = \"zero3\"\n",
        pool.n_tokens,
        pool.n_sequences,
        pool.n_devices / 8
    );
    let plan = plan_text(&text, &[]).unwrap();
    assert!(
        (plan.counts.params_total / pool.n_params - 1.0).abs() < 0.03,
        "{}",
        plan.counts.params_total
    );
    let flop_per_token = 6.0 * pool.n_params;
    let measured = flop_per_token * pool.n_tokens / (pool.h100_hours * 3600.0 * PEAK_FLOP_PER_S);
    (measured, flop_per_token * plan.step.tokens_per_s_per_device() / PEAK_FLOP_PER_S)
}

#[test]
fn small_models_use_less_of_a_device_as_dclm_measured() {
    let list: Vec<(f64, f64)> = POOLS.iter().map(utilization).collect();
    for (measured, predicted) in &list {
        println!("measured {:.1} %, predicted {:.1} %", 100.0 * measured, 100.0 * predicted);
        assert!((predicted / measured - 1.0).abs() < 0.35, "{list:?}");
    }
    assert!((list[0].0 - 0.219).abs() < 1e-3 && (list[4].0 - 0.440).abs() < 1e-3, "{list:?}");
    assert!(list.windows(2).all(|w| w[1].1 >= w[0].1), "{list:?}");
}
