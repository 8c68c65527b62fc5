//! Ranges that inputs must keep to: wide enough for anything built, narrow enough for slips, and
//! such that everything computed from them stays finite.

use super::reader::Bounds;
use Bounds::Within;

/// Bytes per second of a link, a memory or a file system.
pub const BANDWIDTH: Bounds = Within(1e3, 1e18);
/// Watts.
pub const POWER: Bounds = Within(0.0, 1e9);
/// Wide enough for anything bought and narrow enough that sums over a cluster stay finite.
pub const MONEY: Bounds = Within(0.0, 1e12);
/// Rent of one device and hour.
pub const RENT: Bounds = Within(0.0, 1e5);
/// Up to three thousand years.
pub const PAUSE: Bounds = Within(0.0, 1e11);
/// From a second to thirty billion years, which is never.
pub const MTBF: Bounds = Within(1.0, 1e18);
/// Devices of one node or scale-up domain.
pub const MAX_NODE_DEVICES: u64 = 100_000;
/// Nodes of one cluster: a thousand times the largest announced.
pub const MAX_NODES: u64 = 10_000_000;
/// Devices of one scenario.
pub const MAX_DEVICES: u64 = 100_000_000;
/// Power usage effectiveness: a facility draws at least what its IT equipment does.
pub const PUE: Bounds = Within(1.0, 5.0);
