//! Measured kernel profiles and software stacks, as data.

use super::accelerator::{Accelerator, DType};
use super::points::{Measured, Points};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parameters of the tile and wave quantization model of one matrix-multiply kernel family.
/// Meaning and fit: see `kernel::gemm`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GemmWave {
    /// Fraction of peak inside a full tile.
    pub efficiency: f64,
    /// Extra depth of the k loop that prologue and epilogue cost, in elements.
    pub k0_elements: f64,
    /// Fraction of memory bandwidth reached.
    pub memory_efficiency: f64,
    /// Launch and drain time.
    pub t0_s: f64,
    /// Loss of small tiles, in elements.
    pub tile_c_elements: f64,
    /// 1: whole waves; 0: fractional waves.
    pub wave_fraction: f64,
    /// Bytes moved per activation element to quantize it.
    pub quant_bytes: f64,
    /// Mean absolute relative error of the fit on its own points.
    pub mape_fraction: f64,
}

/// Parameters of the multiplies of many experts in one launch, beside those of the dense kernel.
/// Meaning and fit: see `kernel::grouped`.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupedWave {
    /// Profile that the parameters were fitted for, where it is another.
    pub measured_on: Option<String>,
    /// Fraction of peak inside a full tile.
    pub efficiency: f64,
    /// Extra depth of the k loop that prologue and epilogue of a tile cost, in elements.
    pub k0_elements: f64,
    /// Fraction of memory bandwidth reached.
    pub memory_efficiency: f64,
    /// Fixed time of the measured layer besides its two multiplies.
    pub layer_s: f64,
    /// Bytes of permutation, activation and sum of the measured layer over those of one pass each.
    pub stream_factor: f64,
    /// Mean absolute relative error on the points of the fit.
    pub mape_fraction: f64,
    /// The same on the points held out.
    pub held_out_mape_fraction: f64,
}

/// Parameters of the flash attention forward model; see `kernel::attention`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionWave {
    /// Fraction of peak.
    pub efficiency: f64,
    /// Fraction of memory bandwidth reached.
    pub memory_efficiency: f64,
    /// Launch time.
    pub t0_s: f64,
    /// Extra keys per query block.
    pub s0_tokens: f64,
    /// Head width at which efficiency halves.
    pub d0_elements: f64,
    /// 1: whole waves; 0: fractional waves.
    pub wave_fraction: f64,
    /// Extra key blocks at the end.
    pub tail_blocks: f64,
    /// Backward time over forward time of the training kernel, by the same source family.
    pub backward_ratio: f64,
    /// Mean absolute relative error of the fit on its own points.
    pub mape_fraction: f64,
}

/// A collective operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collective {
    /// Sum over all, result everywhere.
    AllReduce,
    /// Concatenation everywhere.
    AllGather,
    /// Sum, each keeps its part.
    ReduceScatter,
    /// Each sends a part to each.
    AllToAll,
}

impl Collective {
    /// Every kind with its name in files.
    pub const ALL: [(&'static str, Collective); 4] = [
        ("all-reduce", Collective::AllReduce),
        ("all-gather", Collective::AllGather),
        ("reduce-scatter", Collective::ReduceScatter),
        ("all-to-all", Collective::AllToAll),
    ];

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Collective> {
        Collective::ALL.iter().find(|(n, _)| *n == name).map(|(_, c)| *c)
    }
}

/// `t = min_i(alpha_i + bytes / bandwidth_i)` of one collective and rank count inside a domain.
#[derive(Debug, Clone, PartialEq)]
pub struct AffinePieces {
    /// Latencies of the pieces.
    pub alpha_s: Vec<f64>,
    /// Rates of the pieces, whole buffer over time.
    pub bytes_per_s: Vec<f64>,
}

/// Fitted kernels of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Catalog id.
    pub name: String,
    /// Where it was measured and by what.
    pub measured_by: String,
    /// Fabric that its collectives were measured on.
    pub scale_up: Option<String>,
    /// Compute units that the fit assumes (may differ from the accelerator's sheet).
    pub n_compute_units: u32,
    /// Memory bandwidth that the fit assumes.
    pub memory_bytes_per_s: f64,
    /// Board power of the part that was measured, where it is known.
    pub tdp_w: Option<f64>,
    /// Time of matrix kernels under load on the part it serves over that of the part that was measured,
    /// beyond the ratio of their data sheets: see [`Profile::on`].
    pub power_factor: f64,
    /// Peaks that the fit assumes.
    pub peak_flop_per_s: BTreeMap<DType, f64>,
    /// Tile shapes (m, n) that the kernels choose from.
    pub tiles: Vec<(u32, u32)>,
    /// Matrix multiply by format.
    pub gemm: BTreeMap<DType, GemmWave>,
    /// Multiplies of many experts in one launch, by format.
    pub grouped: BTreeMap<DType, GroupedWave>,
    /// Time of the multiplies of many experts, launched one by one, over the dense kernel's.
    pub per_expert_factor: Option<f64>,
    /// Flash attention forward by format.
    pub attention: BTreeMap<DType, AttentionWave>,
    /// Collectives inside the scale-up domain by kind and rank count.
    pub collectives: BTreeMap<(Collective, u32), AffinePieces>,
    /// Largest measured bus bandwidth by collective inside the domain.
    pub bus_bytes_per_s: BTreeMap<Collective, f64>,
    /// The measured points themselves, where the profile has tables of them.
    pub measured: Option<Arc<Measured>>,
    /// How the device at hand is related to the one that was measured.
    pub relation: Relation,
}

/// Which device a profile serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Relation {
    /// The one that it was measured on.
    #[default]
    Same,
    /// One with the same units and other clocks or memory.
    Scaled,
    /// Another of the same architecture.
    Architecture,
}

/// Rates of two sheets of one device differ by this much at most: sheets round.
const SAME_RATE: f64 = 0.02;

impl Profile {
    /// The profile as it serves a device: rates of that device's sheet with the fitted
    /// efficiencies, so that a part with other clocks or memory (A100 40 GB, a what-if) keeps its
    /// own; collectives only on the fabric they were measured on.
    #[must_use]
    pub fn on(mut self, accelerator: &Accelerator, scale_up: &str) -> Profile {
        self.power_factor = self.power_factor.max(self.power_factor_on(accelerator));
        let (peaks, bandwidth) = (self.peak_flop_per_s.clone(), self.memory_bytes_per_s);
        for (dtype, rate) in &mut self.peak_flop_per_s {
            if let Some(own) = accelerator.peak.dense_flop_per_s.get(dtype) {
                *rate = *own;
            }
        }
        self.memory_bytes_per_s = accelerator.memory_bytes_per_s;
        if self.scale_up.as_deref().is_some_and(|measured| measured != scale_up) {
            self.collectives.clear();
            self.bus_bytes_per_s.clear();
            self.scale_up = None;
        }
        let same = |before: f64, now: f64| (now / before - 1.0).abs() <= SAME_RATE;
        let same_peaks = peaks.iter().all(|(d, peak)| same(*peak, self.peak_flop_per_s[d]));
        if !same_peaks || !same(bandwidth, self.memory_bytes_per_s) {
            self.relation = self.relation.max(Relation::Scaled);
        }
        self
    }

    /// The profile as it serves another part of its architecture: its fitted parameters with that
    /// part's rates and units, and nothing that was measured.
    #[must_use]
    pub fn for_sibling(mut self, accelerator: &Accelerator) -> Profile {
        self.relation = Relation::Architecture;
        self.measured = None;
        // Relative to the units and peaks that were measured, before they become this part's.
        self.power_factor = self.power_factor_on(accelerator);
        if accelerator.n_compute_units > 1 {
            self.n_compute_units = accelerator.n_compute_units;
        }
        self.collectives.clear();
        self.bus_bytes_per_s.clear();
        self
    }

    /// The same with measured points, whose residuals are relative to this profile.
    #[must_use]
    pub fn with_points(mut self, points: Arc<Points>) -> Profile {
        self.measured = None;
        self.measured = (!points.is_empty()).then(|| Measured::of(&self, points));
        self
    }

    /// Large matrix kernels sit at the power limit (97 to 98 % of it on H200, B200 and GB200: `sustained`
    /// tables of aiconfigurator @095f58a), where the clock follows the power that switching may take: `N·f³ ∝ P`
    /// for `N` units, as voltage falls with frequency (Mudge 2001, IEEE Computer 34(4)). A part with less
    /// power then runs at `N^(2/3)·P^(1/3)` of the measured one, whatever peak its data sheet names at boost
    /// clock. Idle power does not switch.
    fn power_factor_on(&self, accelerator: &Accelerator) -> f64 {
        let peaks = |dtype: DType| {
            let own = accelerator.peak.dense_flop_per_s.get(&dtype)?;
            Some(own / self.peak_flop_per_s.get(&dtype)?)
        };
        let (Some(measured_w), Some(sheet)) = (self.tdp_w, peaks(DType::Bf16)) else { return 1.0 };
        let idle_w = accelerator.idle_w;
        let power = (accelerator.tdp_w - idle_w) / (measured_w - idle_w);
        let units = f64::from(accelerator.n_compute_units) / f64::from(self.n_compute_units.max(1));
        if power <= 0.0 || power >= 1.0 || units <= 0.0 {
            return 1.0;
        }
        (sheet / (units.powf(2.0 / 3.0) * power.cbrt())).max(1.0)
    }
}

/// How the ranks of a context group bring queries and keys together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContextExchange {
    /// Blocks of keys and values travel round a ring beside attention (Liu et al., arXiv 2310.01889).
    Ring,
    /// Keys and values are gathered, then attention runs (Llama 3, arXiv 2407.21783 §3.3.2).
    AllGather,
    /// Sequence is exchanged for heads before attention and back after it (`DeepSpeed` Ulysses,
    /// arXiv 2309.14509 §3).
    AllToAll,
    /// All-to-all inside a scale-up domain, ring between domains (USP, arXiv 2405.07719 §3).
    Hierarchical,
}

impl ContextExchange {
    /// Every kind with its name in files.
    pub const NAMES: [(&'static str, ContextExchange); 4] = [
        ("ring", ContextExchange::Ring),
        ("all-gather", ContextExchange::AllGather),
        ("all-to-all", ContextExchange::AllToAll),
        ("hierarchical", ContextExchange::Hierarchical),
    ];
}

/// What a stack computes again in backward when a run does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsualRecompute {
    /// Nothing.
    None,
    /// Whole layers.
    Full,
    /// Whatever memory asks for.
    Open,
}

impl UsualRecompute {
    /// Every kind with its name in files.
    pub const NAMES: [(&'static str, UsualRecompute); 3] = [
        ("none", UsualRecompute::None),
        ("full", UsualRecompute::Full),
        ("open", UsualRecompute::Open),
    ];
}

/// How far the predictions of one's own runs of a stack were off, each left out of the calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OwnBand {
    /// Tenth percentile of predicted over measured throughput.
    pub low_ratio: f64,
    /// Its ninetieth percentile.
    pub high_ratio: f64,
    /// Runs.
    pub n_runs: u32,
}

/// How a software stack runs a step: few parameters, shared by every run of that stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Catalog id.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Flash attention (never materializes the score matrix).
    pub flash_attention: bool,
    /// The attention kernel uses the asynchronous tensor cores of Hopper and later (FlashAttention-3, cuDNN).
    pub asynchronous_attention: bool,
    /// The attention kernel is of the first generation: FlashAttention 1 or its Triton version.
    pub early_attention: bool,
    /// Time of attention cores over that of the profile's kernel.
    pub attention_factor: f64,
    /// Time of attention with sinks over that without: fused kernels for it came late.
    pub sink_factor: f64,
    /// Attention skips masked blocks, so causal work is half.
    pub skips_masked: bool,
    /// Passes over memory of element-wise operations, relative to a fully fused kernel.
    pub passes: f64,
    /// Selective recomputation keeps every second matrix multiply and the attention core and does the rest
    /// again, instead of doing the attention core again.
    pub selective_keeps_alternate: bool,
    /// Gradients of weights are added up over micro-batches by the multiply that makes them; otherwise by
    /// a pass of its own.
    pub fuses_gradient_sum: bool,
    /// Fraction of memory bandwidth of fused element-wise kernels, forward.
    pub stream_forward_efficiency: f64,
    /// The same, backward.
    pub stream_backward_efficiency: f64,
    /// Host time to launch one kernel.
    pub launch_s: f64,
    /// Host time of a pipeline slot (one micro-batch through one chunk, one way) besides its launches.
    pub slot_host_s: f64,
    /// Device time below which no kernel goes.
    pub kernel_floor_s: f64,
    /// Kernels launched per transformer layer, forward.
    pub kernels_per_layer: f64,
    /// Kernels launched for a mixture of experts besides, forward: router, permutations, counts.
    pub kernels_per_mixture: f64,
    /// Asynchronous tensor parallelism: a linear's second gather of its input runs beside its input
    /// gradient, the reduction of that gradient beside its weight gradient.
    pub hides_tensor_backward: bool,
    /// Share of tensor-parallel gathers and scatters that is cut into a tile per rank and runs beside
    /// the multiply that it feeds or drains: 0 for bulk collectives, 1 for a ring-overlapped stack.
    /// Where `hides_tensor_backward` already gives a collective a multiply, that one holds.
    pub tensor_overlap_fraction: f64,
    /// Share of data-parallel communication that is sent as soon as it can be, beside math; the rest
    /// follows the last backward.
    pub data_overlap_fraction: f64,
    /// Share of pipeline sends hidden behind math.
    pub pipeline_overlap_fraction: f64,
    /// Share of the expert exchange that runs beside the shared experts.
    pub expert_overlap_fraction: f64,
    /// A token goes once to each scale-up domain that has some of its experts, and is spread inside;
    /// otherwise once to each expert.
    pub dispatches_once_per_domain: bool,
    /// Interleaves its pipeline where a published run is silent.
    pub usually_interleaves: bool,
    /// What is computed again where a published run is silent.
    pub usual_recompute: UsualRecompute,
    /// How context ranks exchange keys and values.
    pub context_exchange: ContextExchange,
    /// Each context rank holds an early and a late part of the sequence, so that causal attention is
    /// equal work for all.
    pub context_balanced: bool,
    /// Share of the sends of a context ring that run beside attention.
    pub context_overlap_fraction: f64,
    /// Slowdown of math while a collective runs beside it.
    pub math_slowdown: f64,
    /// Slowdown of a collective while math runs beside it.
    pub communication_slowdown: f64,
    /// Sustained over burst time of large matrix kernels.
    pub sustained_factor: f64,
    /// Load of the busiest expert rank over the mean.
    pub expert_imbalance: f64,
    /// Spread of node speed; the slowest of n nodes costs `straggler_sigma × E[max of n]`.
    pub straggler_sigma: f64,
    /// Gradients are accumulated and reduced in fp32.
    pub fp32_gradients: bool,
    /// Sustained factor, passes, launch time, sink factor and attention factor before the fit to published
    /// runs: where a fit starts, and what a run is predicted with whose like was left out.
    pub unfitted: [f64; 5],
    /// Errors of runs on one's own machine, where they were calibrated.
    pub own: Option<OwnBand>,
    /// Cross-entropy is fused and keeps no fp32 copy of the logits.
    pub fused_loss: bool,
}
