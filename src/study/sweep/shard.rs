//! Which cases a shard works on.

use super::Study;

/// One of several processes that share a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// Numbers in a row that stay together at most: neighbours share their step.
const LONGEST_BLOCK: u64 = 256;
/// Blocks that a shard gets at least, where there are so many: what is slow is seldom all in one place.
const BLOCKS: u64 = 16;

impl Shard {
    /// The only one.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Numbers that stay together. They are dealt in turn: block `b` is the shard's when `b mod count` is its index.
    fn block(self, study: &Study) -> u64 {
        let n = study.n_numbers();
        (n / (u64::from(self.count) * BLOCKS)).clamp(1, LONGEST_BLOCK)
    }

    /// Its cases from a number on, in order.
    pub fn cases(self, study: &Study, from: u64) -> impl Iterator<Item = u64> {
        let (n, block, count) = (study.n_numbers(), self.block(study), u64::from(self.count));
        let first = from / block;
        // Blocks before the first one of this shard at or after `first`.
        let skip = (u64::from(self.index) + count - first % count) % count;
        let blocks = (first + skip..n.div_ceil(block)).step_by(usize::try_from(count).unwrap_or(usize::MAX));
        let numbers = blocks.flat_map(move |b| (b * block).max(from)..((b + 1) * block).min(n));
        numbers.filter(|number| study.has(*number))
    }

    /// The number of the shard, of `count`, that has a case.
    #[must_use]
    pub fn owner(study: &Study, case: u64, count: u32) -> u32 {
        let block = Shard { index: 0, count }.block(study);
        u32::try_from(case / block % u64::from(count.max(1))).unwrap_or(0)
    }

    /// How many cases it has.
    #[must_use]
    pub fn n_cases(self, study: &Study) -> u64 {
        self.cases(study, 0).count() as u64
    }
}
