//! Time of collectives and sends.
//!
//! `bytes` is the whole buffer as nccl-tests counts it (`PERFORMANCE.md` of github.com/NVIDIA/nccl-tests):
//! the input of an all-reduce, the gathered result of an all-gather, the input of a
//! reduce-scatter or all-to-all. Bus bandwidth is `bytes / time` times `2(n-1)/n` for an
//! all-reduce and `(n-1)/n` for the others.

use super::{Evidence, Source, Timed, near};
use crate::catalog::{Collective, Profile, Topology};

/// The links inside a scale-up domain, as one group sees them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleUp {
    /// Wiring.
    pub topology: Topology,
    /// All links of one device, one direction.
    pub bytes_per_s: f64,
    /// Time of a small message between two devices, software included.
    pub latency_s: f64,
    /// Large-message ring bus bandwidth over `bytes_per_s`.
    pub ring_efficiency: f64,
    /// Bus bandwidth of an in-network all-reduce over `bytes_per_s`, where the fabric reduces.
    pub in_network_efficiency: Option<f64>,
    /// Devices in the domain.
    pub domain: f64,
}

/// The network between scale-up domains, as one group sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleOut {
    /// Bandwidth per device, one direction.
    pub nic_bytes_per_s: f64,
    /// Time of a small message between two domains, software included.
    pub latency_s: f64,
    /// Large-message ring bus bandwidth over line rate; [`SCALE_OUT_EFFICIENCY`] if nothing is known.
    pub efficiency: f64,
    /// Bandwidth below over bandwidth above the narrowest switch level that the group crosses.
    pub oversubscription: f64,
}

/// Both networks of a device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// Inside a domain.
    pub scale_up: ScaleUp,
    /// Between domains.
    pub scale_out: ScaleOut,
}

/// Members of a collective.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Members.
    pub n: f64,
    /// Members inside one scale-up domain.
    pub per_domain: f64,
}

/// Share of line rate that rings and trees reach between nodes; with it and 0.85 for all-gather
/// and reduce-scatter the rule of [`collective`] meets 20 published runs with a median error of 3 %.
pub const SCALE_OUT_EFFICIENCY: f64 = 0.9;
/// All-gather and reduce-scatter over all-reduce rings in those runs.
const GATHER_OVER_RING: f64 = 0.85 / 0.9;
/// Smallest group that reduces in the network: below it NCCL's rings and trees are at least as fast.
const IN_NETWORK_MIN: f64 = 5.0;

/// Latency and rate of the protocols relative to a small message and full bus bandwidth, roughly
/// NCCL's LL, LL128 and Simple. Medians of three-piece fits to 37 tables of 8 and 16 devices
/// (A100 to B300, MI300X and MI355X; aiconfigurator @095f58a and published nccl-tests runs); they
/// range over 1.05 to 3.3 and 1.6 to 12.7 in latency and 0.11 to 0.87 in rate.
const RAMP: [(f64, f64); 3] = [(1.0, 0.035), (1.3, 0.55), (4.1, 1.0)];

/// `2(n-1)/n` for an all-reduce, `(n-1)/n` otherwise.
fn factor(kind: Collective, n: f64) -> f64 {
    let passes = if kind == Collective::AllReduce { 2.0 } else { 1.0 };
    passes * (n - 1.0) / n
}

/// Latency of a collective inside a domain relative to one member's launch.
///
/// A ring takes `n - 1` steps, a tree `log2 n` (Thakur, Rabenseifner and Gropp 2005). Relative to
/// the launch one step costs 0.12 to 0.25 for all-gather and reduce-scatter, 0.05 for all-to-all
/// and 0.3 for all-reduce up to eight members (NCCL 2.27 and 2.29 on A100, H100, H200 and B200,
/// aiconfigurator @095f58a); beyond eight an all-reduce is taken to grow with the depth of a tree.
fn growth(kind: Collective, n: f64) -> f64 {
    match kind {
        Collective::AllGather | Collective::ReduceScatter => 1.0 + 0.2 * (n - 1.0),
        Collective::AllToAll => 1.0 + 0.05 * (n - 1.0),
        Collective::AllReduce if n <= 8.0 => 1.0 + 0.3 * (n - 1.0),
        Collective::AllReduce => 3.1 + 0.9 * (n / 8.0).log2(),
    }
}

/// Time of a collective of `group` over a buffer of `bytes`.
///
/// Inside one domain: interpolated between the sizes measured with this rank count; the profile's
/// affine pieces for it where there are no points; those of the nearest measured
/// rank count with its bus bandwidth kept and its latency rescaled by the step count; without a
/// profile the fabric's bus bandwidth behind the protocol ramp. Meshes use all links at once
/// between all members (AMD UBB); tori follow the ring and all-to-all costs of "How to Scale Your
/// Model" (Austin et al. 2025, section "Sharding").
///
/// Over `k` domains of `g` members with `B` per device: bus bandwidth `max(0.9·g·B, 0.9·B·(n-1)/(k-1))`
/// for all-reduce (flat rings over all rails, or hierarchical: each device carries `2(k-1)/k` of
/// `1/g` of the buffer), `0.85·g·B` for all-gather and reduce-scatter, `0.9·B·(n-1)/(n-g)` for
/// all-to-all, none more than inside one domain. RCCL on meshes runs flat rings only and is not
/// held to the bus bandwidth inside (MI300X, MI325X, MI355X runs). Constants chosen on runs
/// published by AWS, Google Cloud, OCI, Vultr, Run:ai, Red Hat and dstack, 2 to 12 nodes; what is
/// beyond that is extrapolated, and flat-ring behaviour at hundreds of nodes may lie below it.
/// Latency: NCCL's tuning model (`src/graph/tuning.cc`), one fabric hop per domain in a ring and
/// two per level of a tree. Published 1 KiB all-reduces of 16 devices on two nodes took 38 us on
/// B200 with InfiniBand (Vultr), 45 on H200 with RoCE (Red Hat), 69 on H100 with EFA (AWS) against
/// 25, 16 and 16 us on one node: 6.5, 15 and 27 us a hop.
#[must_use]
pub fn collective(net: &Network, profile: Option<&Profile>, kind: Collective, group: Group, bytes: f64) -> Timed {
    if group.n <= 1.0 || bytes <= 0.0 {
        return Timed::ZERO;
    }
    let g = group.per_domain.clamp(1.0, group.n);
    if g >= group.n {
        inside(&net.scale_up, profile, kind, group.n, bytes)
    } else {
        across(net, profile, kind, group.n, g, bytes)
    }
}

/// Time of a message to one peer: latency and the rate of the link between the two. A mesh has one
/// link per peer, a torus one per direction.
#[must_use]
pub fn send(net: &Network, same_domain: bool, bytes: f64) -> Timed {
    if bytes <= 0.0 {
        return Timed::ZERO;
    }
    let up = &net.scale_up;
    let (latency_s, rate) = if same_domain {
        let links = match up.topology {
            Topology::Switched => 1.0,
            Topology::Mesh => (up.domain - 1.0).max(1.0),
            Topology::Torus { dims } => 2.0 * f64::from(dims.max(1)),
        };
        (up.latency_s, up.bytes_per_s * up.ring_efficiency / links)
    } else {
        (net.scale_out.latency_s, out_rate(&net.scale_out))
    };
    Timed {
        time_s: latency_s + bytes / rate,
        evidence: Evidence::Datasheet,
        source: Source::Link,
    }
}

/// What one device sends out of its domain through the narrowest level.
fn out_rate(out: &ScaleOut) -> f64 {
    out.nic_bytes_per_s * out.efficiency / out.oversubscription.max(1.0)
}

/// What no collective inside a domain is faster than: each device's links carry what it sends. A
/// switch that reduces takes each byte of an all-reduce once (NVIDIA SHARP).
fn wire_s(up: &ScaleUp, kind: Collective, n: f64, bytes: f64) -> f64 {
    let reduces = up.in_network_efficiency.is_some() && kind == Collective::AllReduce;
    bytes * if reduces { 1.0 } else { factor(kind, n) } / up.bytes_per_s
}

/// Time between measured sizes of this rank count. What is changed of the fitted pieces since they
/// were read changes the measured time by as much.
fn between(up: &ScaleUp, profile: &Profile, kind: Collective, n: f64, bytes: f64) -> Option<Timed> {
    let measured = profile.measured.as_deref()?;
    // On another fabric than the one that was measured nothing is left of it.
    if profile.scale_up != measured.prior.scale_up {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let ranks = n.round() as u32;
    let points = measured.points.collectives.get(&(kind, ranks))?;
    let by = |p: &Profile| Pieces::of(up, p, kind, n).map(|p| p.time_s(bytes));
    let change = by(profile).zip(by(&measured.prior)).map_or(1.0, |(now_s, read_s)| now_s / read_s);
    let (time_s, exact) = near::curve(points, bytes)?;
    let time_s = time_s * change;
    let within = points.first()?.0 <= bytes && bytes <= points.last()?.0;
    let (evidence, source) = match (exact, within) {
        (true, _) => (Evidence::Measured, Source::MeasuredCollective),
        (_, true) => (Evidence::Interpolated, Source::NearCollective),
        _ => (Evidence::Extrapolated, Source::ProfileCollective),
    };
    Some(Timed {
        time_s: time_s.max(wire_s(up, kind, n, bytes)),
        evidence,
        source,
    })
}

fn inside(up: &ScaleUp, profile: Option<&Profile>, kind: Collective, n: f64, bytes: f64) -> Timed {
    if let Some(timed) = profile.and_then(|p| between(up, p, kind, n, bytes)) {
        return timed;
    }
    if let Some(pieces) = profile.and_then(|p| Pieces::of(up, p, kind, n)) {
        let (evidence, source) = if pieces.exact {
            (Evidence::Interpolated, Source::ProfileCollective)
        } else {
            (Evidence::Extrapolated, Source::ScaledCollective)
        };
        return Timed {
            time_s: pieces.time_s(bytes),
            evidence,
            source,
        };
    }
    let wire_s = bytes * factor(kind, n) / bus_inside(up, profile, kind, n);
    let alpha_s = sheet_alpha_s(up, kind, n);
    let time_s = match up.topology {
        Topology::Torus { .. } => alpha_s + wire_s,
        Topology::Switched | Topology::Mesh => ramp_s(alpha_s, wire_s),
    };
    if profile.is_some_and(|p| p.bus_bytes_per_s.contains_key(&kind)) {
        return Timed {
            time_s,
            evidence: Evidence::Extrapolated,
            source: Source::ScaledCollective,
        };
    }
    Timed {
        time_s,
        evidence: Evidence::Datasheet,
        source: Source::SheetCollective,
    }
}

fn across(net: &Network, profile: Option<&Profile>, kind: Collective, n: f64, g: f64, bytes: f64) -> Timed {
    let up = &net.scale_up;
    let k = (n / g).max(2.0);
    let rate = out_rate(&net.scale_out);
    let mesh = up.topology == Topology::Mesh;
    let bus = match kind {
        Collective::AllReduce if mesh => g * rate,
        Collective::AllReduce => (g * rate).max(rate * (n - 1.0) / (k - 1.0)),
        Collective::AllGather | Collective::ReduceScatter => GATHER_OVER_RING * g * rate,
        Collective::AllToAll => rate * (n - 1.0) / (n - g),
    };
    let cap = if g < 2.0 || mesh {
        up.bytes_per_s
    } else {
        bus_inside(up, profile, kind, g)
    };
    let wire_s = bytes * factor(kind, n) / bus.min(cap);
    let one_domain_s = match profile.and_then(|p| Pieces::of(up, p, kind, g)) {
        Some(pieces) => pieces.alpha_s(),
        None => sheet_alpha_s(up, kind, g),
    };
    let hop_s = net.scale_out.latency_s;
    let two_s = across_alpha_s(kind, one_domain_s, hop_s, g, 2.0);
    let more_s = across_alpha_s(kind, one_domain_s, hop_s, g, k) - two_s;
    let evidence = if profile.is_some() {
        Evidence::Extrapolated
    } else {
        Evidence::Datasheet
    };
    Timed {
        time_s: ramp_s(two_s, wire_s) + more_s,
        evidence,
        source: Source::MultiNodeRule,
    }
}

/// Small-message time over `k` domains of `g` members, from that of one domain.
fn across_alpha_s(kind: Collective, one_domain_s: f64, hop_s: f64, g: f64, k: f64) -> f64 {
    let n = g * k;
    let launch_s = one_domain_s / growth(kind, g);
    match kind {
        Collective::AllReduce => one_domain_s + 2.0 * hop_s * k.log2(),
        Collective::AllGather | Collective::ReduceScatter => {
            let hops = k.min(n - 1.0);
            launch_s * growth(kind, n - hops) + hop_s * hops
        }
        Collective::AllToAll => launch_s * growth(kind, n) + 2.0 * hop_s * k.log2(),
    }
}

/// Small-message time of the fabric's data sheet. A torus has a ring along each dimension.
fn sheet_alpha_s(up: &ScaleUp, kind: Collective, n: f64) -> f64 {
    let members = match up.topology {
        Topology::Torus { dims } => {
            let d = spanned(dims, n);
            1.0 + d * (n.powf(1.0 / d) - 1.0)
        }
        Topology::Switched | Topology::Mesh => n,
    };
    up.latency_s * growth(kind, members) / growth(kind, 2.0)
}

/// Least of the protocol pieces; `wire_s` is the time at full bus bandwidth.
fn ramp_s(alpha_s: f64, wire_s: f64) -> f64 {
    RAMP.iter()
        .map(|(latency, rate)| alpha_s * latency + wire_s / rate)
        .fold(f64::INFINITY, f64::min)
}

/// Dimensions of a torus that a group of `n` spans: a ring up to 16, a plane up to 256.
fn spanned(dims: u32, n: f64) -> f64 {
    let d = if n <= 16.0 {
        1
    } else if n <= 256.0 {
        2
    } else {
        dims
    };
    f64::from(d.clamp(1, dims.max(1)))
}

/// Bus bandwidth of the fabric's data sheet inside a domain.
fn sheet_bus(up: &ScaleUp, kind: Collective, n: f64) -> f64 {
    let ring = up.bytes_per_s * up.ring_efficiency;
    match up.topology {
        Topology::Switched => match up.in_network_efficiency {
            Some(efficiency) if kind == Collective::AllReduce && n >= IN_NETWORK_MIN => up.bytes_per_s * efficiency,
            _ => ring,
        },
        Topology::Mesh => ring * mesh_share(up, n),
        Topology::Torus { dims } => {
            let link = ring / (2.0 * f64::from(dims.max(1)));
            let d = spanned(dims, n);
            match kind {
                // time = bytes · side / (8 · link)
                Collective::AllToAll => 8.0 * link * factor(kind, n) / n.powf(1.0 / d),
                _ => 2.0 * d * link,
            }
        }
    }
}

/// Links of a mesh that a group uses: those between its members.
fn mesh_share(up: &ScaleUp, n: f64) -> f64 {
    ((n - 1.0) / (up.domain - 1.0).max(1.0)).min(1.0)
}

/// Largest bus bandwidth of `g` members of one domain.
fn bus_inside(up: &ScaleUp, profile: Option<&Profile>, kind: Collective, g: f64) -> f64 {
    let Some(profile) = profile else { return sheet_bus(up, kind, g) };
    let pieces = || Pieces::of(up, profile, kind, g).map(|p| p.top_rate() * factor(kind, g));
    let share = if up.topology == Topology::Mesh { mesh_share(up, g) } else { 1.0 };
    let largest = || profile.bus_bytes_per_s.get(&kind).map(|bus| bus * share);
    let known = if g >= IN_NETWORK_MIN {
        largest().or_else(pieces)
    } else {
        pieces().or_else(largest)
    };
    known.unwrap_or_else(|| sheet_bus(up, kind, g))
}

/// Measured affine pieces, rescaled to a rank count.
struct Pieces<'a> {
    alpha_s: &'a [f64],
    bytes_per_s: &'a [f64],
    alpha_factor: f64,
    rate_factor: f64,
    /// Rate of the last piece where the domain is known to do better than the rescaled one.
    top_bytes_per_s: f64,
    exact: bool,
}

impl<'a> Pieces<'a> {
    fn of(up: &ScaleUp, profile: &'a Profile, kind: Collective, n: f64) -> Option<Pieces<'a>> {
        let distance = |ranks: u32| (f64::from(ranks) / n).ln().abs();
        let measured = profile.collectives.range((kind, 0)..=(kind, u32::MAX));
        let ((_, ranks), pieces) = measured.min_by(|a, b| distance(a.0.1).total_cmp(&distance(b.0.1)))?;
        let last = pieces.alpha_s.len().min(pieces.bytes_per_s.len()).checked_sub(1)?;
        let from = f64::from(*ranks);
        if n < 1.5 || from < 1.5 {
            return None;
        }
        let mesh = if up.topology == Topology::Mesh {
            mesh_share(up, n) / mesh_share(up, from)
        } else {
            1.0
        };
        let rate_factor = factor(kind, from) / factor(kind, n) * mesh;
        // A domain that reduces in the network does so only for larger groups.
        let reduces = up.in_network_efficiency.is_some() && kind == Collective::AllReduce && n >= IN_NETWORK_MIN && from < IN_NETWORK_MIN;
        let known = profile.bus_bytes_per_s.get(&kind).map_or(0.0, |bus| bus / factor(kind, n));
        let top_bytes_per_s = (pieces.bytes_per_s[last] * rate_factor).max(if reduces { known } else { 0.0 });
        Some(Pieces {
            alpha_s: &pieces.alpha_s[..=last],
            bytes_per_s: &pieces.bytes_per_s[..last],
            alpha_factor: growth(kind, n) / growth(kind, from),
            rate_factor,
            top_bytes_per_s,
            exact: (from - n).abs() < 0.5,
        })
    }

    fn alpha_s(&self) -> f64 {
        self.alpha_s[0] * self.alpha_factor
    }

    fn top_rate(&self) -> f64 {
        self.top_bytes_per_s
    }

    fn time_s(&self, bytes: f64) -> f64 {
        let last_s = self.alpha_s[self.alpha_s.len() - 1] * self.alpha_factor + bytes / self.top_bytes_per_s;
        let slower = self.alpha_s.iter().zip(self.bytes_per_s);
        slower
            .map(|(alpha_s, rate)| alpha_s * self.alpha_factor + bytes / (rate * self.rate_factor))
            .fold(last_s, f64::min)
    }
}
