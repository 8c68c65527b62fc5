//! Passes over memory, copies between host and device, and what a launch costs.

use super::device::{Argument, Device, Graph, Memory, Pinned};
use super::input::{Format, spread};
use super::job::{Check, Job};
use super::source::Form;
use crate::bench::{Stream, Way};
use crate::error::Result;

/// Threads of a block of the kernels of `memory.cu`.
pub(super) const BLOCK: u32 = 256;
/// Blocks for each multiprocessor: enough to hide the latency of memory.
const BLOCKS_PER_UNIT: usize = 32;
const N_CHECKED: u64 = 4096;
/// Launches of one graph.
const GRAPH_LAUNCHES: usize = 100;

/// Blocks for `n` pieces of work that the threads walk over.
pub(super) fn blocks(device: &Device, n: u64) -> [usize; 3] {
    let wanted = usize::try_from(n.div_ceil(u64::from(BLOCK))).unwrap_or(usize::MAX);
    [wanted.clamp(1, device.n_units * BLOCKS_PER_UNIT), 1, 1]
}

/// `n` random numbers of a format: see [`super::input`].
///
/// # Errors
/// [`crate::Error::Device`] when memory is refused.
pub(super) fn filled(device: &Device, format: Format, seed: u64, n: u64) -> Result<Memory> {
    let bytes = usize::try_from(n).unwrap_or(usize::MAX).saturating_mul(format.bytes);
    let memory = device.memory(bytes)?;
    let number = |x: u32| Argument::I32(x.cast_signed());
    let arguments = [
        (&memory).into(),
        number(format.bytes as u32),
        number(format.exponent),
        number(format.mantissa),
        Argument::U64(seed),
        Argument::U64(n),
    ];
    device.launch(device.kernel(Form::Memory, "fill")?, blocks(device, n), BLOCK, 0, &arguments)?;
    Ok(memory)
}

/// fp32 with all its bits.
const SINGLE: Format = Format {
    bytes: 4,
    exponent: 8,
    mantissa: 23,
};

/// Copy or triad.
///
/// # Errors
/// [`crate::Error::Device`] when memory is refused.
pub(super) fn stream(device: &Device, stream: Stream, bytes: u64, seed: u64) -> Result<Job<'_>> {
    let n = (bytes / 4).next_multiple_of(4).max(4);
    let (b, c) = (filled(device, SINGLE, seed, n)?, filled(device, SINGLE, seed + 1, n)?);
    let a = device.memory(b.bytes())?;
    let (name, factor, mut arguments) = match stream {
        Stream::Copy => ("stream_copy", 0.0, vec![Argument::from(&a), (&b).into()]),
        Stream::Triad => ("stream_triad", 3.0, vec![Argument::from(&a), (&b).into(), (&c).into()]),
    };
    arguments.push(Argument::U64(n / 4));
    let kernel = device.kernel(Form::Memory, name)?;
    let grid = blocks(device, n / 4);
    device.launch(kernel, grid, BLOCK, 0, &arguments)?;
    let mut check = Check::default();
    for i in spread(n, N_CHECKED, seed) {
        let found = SINGLE.decode_all(&device.read(&a, usize::try_from(4 * i).unwrap_or(0), 4)?)[0];
        let (b, c) = (SINGLE.element(seed, i), SINGLE.element(seed + 1, i));
        let (exact, size) = (b + factor * c, b.abs() + factor * c.abs());
        // Two roundings where multiply and add are not fused.
        check.add(found, exact, size, if factor == 0.0 { 0.0 } else { 2.0 * SINGLE.rounding() * size });
    }
    let kept = (a, b, c);
    Ok(Job::new(
        device,
        "our CUDA kernel, 16 bytes a thread, triad in fp32".to_string(),
        check,
        move || {
            let _ = &kept;
            device.launch(kernel, grid, BLOCK, 0, &arguments)
        },
    ))
}

/// A copy between pinned memory of the host and the device.
///
/// # Errors
/// [`crate::Error::Device`] when memory is refused.
pub(super) fn transfer(device: &Device, way: Way, bytes: u64) -> Result<Job<'_>> {
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let memory = device.memory(bytes)?;
    let mut there = Pinned::new(bytes, 0x5a)?;
    let mut back = Pinned::new(bytes, 0xa5)?;
    device.zero(&memory)?;
    there.copy(device, &memory, true)?;
    back.copy(device, &memory, false)?;
    device.sync()?;
    let mut check = Check::default();
    for i in spread(bytes as u64, N_CHECKED, 1) {
        let byte = back.bytes()[usize::try_from(i).unwrap_or(0)];
        check.add(f64::from(byte), f64::from(0x5a), 1.0, 0.0);
    }
    let to_device = way == Way::HostToDevice;
    let mut pinned = if to_device { there } else { back };
    Ok(Job::new(
        device,
        "copy engine, pinned memory of the host".to_string(),
        check,
        move || pinned.copy(device, &memory, to_device),
    ))
}

/// An empty kernel, launched one by one or a hundred in a graph.
///
/// # Errors
/// [`crate::Error::Device`] of the driver.
pub(super) fn launch(device: &Device, by_graph: bool) -> Result<Job<'_>> {
    let kernel = device.kernel(Form::Memory, "nothing")?;
    let one = move || device.launch(kernel, [1, 1, 1], 32, 0, &[]);
    one()?;
    device.sync()?;
    let mut check = Check::default();
    // There is no result: that it runs is all that can be checked.
    check.add(0.0, 0.0, 1.0, 1.0);
    if !by_graph {
        return Ok(Job::new(device, "empty kernel, launched one by one".to_string(), check, one));
    }
    let graph = Graph::record(device, &mut || (0..GRAPH_LAUNCHES).try_for_each(|_| one()))?;
    graph.launch(device)?;
    device.sync()?;
    Ok(Job {
        parts: GRAPH_LAUNCHES,
        ..Job::new(device, format!("empty kernel, {GRAPH_LAUNCHES} in a graph"), check, move || {
            graph.launch(device)
        })
    })
}
