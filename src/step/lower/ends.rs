//! The ends of the model: embedding, output head and loss.

use super::{Op, new_list};
use crate::catalog::Stack;
use crate::layout::Layout;
use crate::layout::activation::local;
use crate::workload::Workload;

/// Operations of the input embedding.
#[must_use]
pub fn embedding(workload: &Workload, layout: &Layout, stack: &Stack) -> Vec<Op> {
    let l = local(workload, layout);
    let mut list = new_list(workload, layout, stack);
    let elements = l.tokens * l.hidden;
    // Forward reads and writes a row per token; backward adds rows into the weight gradient.
    list.both("embedding", 4.0 * elements, 10.0 * elements);
    list.leave_tensor(2.0 * elements);
    list.ops
}

/// Operations of the final norm, output head and loss.
#[must_use]
pub fn head(workload: &Workload, layout: &Layout, stack: &Stack) -> Vec<Op> {
    let l = local(workload, layout);
    let mut list = new_list(workload, layout, stack);
    let vocab = f64::from(workload.model.vocab) / l.tensor;
    let normed = l.cut_tokens * l.hidden;
    list.both("final norm", 4.0 * normed, 6.0 * normed);
    list.enter_tensor(2.0 * l.tokens * l.hidden);
    list.linear(
        ["output head", "output head dgrad", "output head wgrad"],
        l.tokens,
        vocab,
        l.hidden,
        1.0,
        list.sensitive,
    );
    // Fused cross-entropy reads and writes the 16-bit logits once each way; unfused it casts to
    // fp32, takes the maximum, exponentiates and divides in separate passes.
    let (forward, backward) = if stack.fused_loss { (4.0, 4.0) } else { (22.0, 10.0) };
    list.both("cross-entropy", forward * l.tokens * vocab, backward * l.tokens * vocab);
    for op in &mut list.ops {
        op.recomputed = false;
    }
    list.ops
}
