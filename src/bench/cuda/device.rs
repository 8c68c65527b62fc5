//! One device: its memory, our kernels on it, launches, and the time between two events.

#![allow(unsafe_code)]

use super::library::Library;
use super::source::{self, Form, Output};
use crate::error::{Error, Result};
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};
use cudarc::driver::{DriverError, result};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CString, c_void};

/// An error of the driver while `doing` something.
fn failed(doing: &str) -> impl Fn(DriverError) -> Error + '_ {
    move |error| {
        let text = error.error_string().map_or(String::new(), |s| format!(", {}", s.to_string_lossy()));
        Error::Device {
            what: format!("{doing}: {:?}{text}", error.0),
        }
    }
}

/// `cuEventElapsedTime`. The bindings of CUDA 13 know only its second version, which drivers before 12.8 have not.
type Elapsed = unsafe extern "C" fn(*mut f32, sys::CUevent, sys::CUevent) -> sys::CUresult;

fn elapsed() -> Result<Elapsed> {
    // SAFETY: the driver is present (see `count`); the type is that of the function in cuda.h since CUDA 2.
    let found = unsafe { sys::culib().get::<Elapsed>(b"cuEventElapsedTime") };
    found.map(|f| *f).map_err(|e| Error::Device {
        what: format!("the driver cannot time: {e}"),
    })
}

/// Number of devices that the driver sees.
///
/// # Errors
/// [`Error::Device`] when there is no driver or no device.
pub fn count() -> Result<usize> {
    Library::Driver.need()?;
    result::init().map_err(failed("the driver does not start"))?;
    let n = result::device::get_count().map_err(failed("no devices"))?;
    Ok(usize::try_from(n).unwrap_or(0))
}

/// An open device.
pub struct Device {
    device: sys::CUdevice,
    stream: sys::CUstream,
    events: [sys::CUevent; 2],
    elapsed: Elapsed,
    modules: RefCell<HashMap<Form, sys::CUmodule>>,
    /// Its name.
    pub name: String,
    /// Major and minor compute capability.
    pub capability: (i32, i32),
    /// Multiprocessors.
    pub n_units: usize,
    /// Memory.
    pub memory_bytes: usize,
    /// Address on the bus.
    pub bus: String,
}

impl Device {
    /// The device with this number.
    ///
    /// # Errors
    /// [`Error::Device`] when there is none.
    pub fn open(ordinal: usize) -> Result<Device> {
        let n = count()?;
        if ordinal >= n {
            let what = format!("device {ordinal} wanted, the driver sees {n}");
            return Err(Error::Device { what });
        }
        let index = i32::try_from(ordinal).unwrap_or(i32::MAX);
        let device = result::device::get(index).map_err(failed("no device"))?;
        let attribute = |a| {
            // SAFETY: the device is one that the driver gave.
            unsafe { result::device::get_attribute(device, a) }.map_err(failed("an attribute of the device"))
        };
        let name = result::device::get_name(device).map_err(failed("the name of the device"))?;
        let capability = (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        );
        let n_units = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let mut bus = [0_u8; 32];
        // SAFETY: the device is one that the driver gave; the buffer is as long as is said; the context is retained
        // until `drop`, and current on this thread, which is the only one that uses it.
        let (memory_bytes, stream) = unsafe {
            let memory_bytes = result::device::total_mem(device).map_err(failed("the memory of the device"))?;
            let _ = sys::cuDeviceGetPCIBusId(bus.as_mut_ptr().cast(), 32, device);
            let context = result::primary_ctx::retain(device).map_err(failed("no context on the device"))?;
            result::ctx::set_current(context).map_err(failed("no context on the device"))?;
            let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
            (memory_bytes, stream.map_err(failed("no stream"))?)
        };
        let event = || result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).map_err(failed("no event"));
        Ok(Device {
            device,
            stream,
            events: [event()?, event()?],
            elapsed: elapsed()?,
            modules: RefCell::default(),
            name,
            capability,
            n_units: usize::try_from(n_units).unwrap_or(1),
            memory_bytes,
            bus: String::from_utf8_lossy(&bus).trim_end_matches('\0').to_string(),
        })
    }

    /// As NVRTC calls it: `sm_90`.
    #[must_use]
    pub fn arch(&self) -> String {
        format!("sm_{}{}", self.capability.0, self.capability.1)
    }

    /// The stream that everything runs on.
    #[must_use]
    pub fn stream(&self) -> sys::CUstream {
        self.stream
    }

    /// A kernel, compiled when it is first asked for.
    ///
    /// # Errors
    /// [`Error::Device`] when NVRTC is missing, or knows neither the device nor what the driver may translate.
    pub fn kernel(&self, form: Form, name: &str) -> Result<Kernel> {
        let known = self.modules.borrow().get(&form).copied();
        let module = if let Some(module) = known {
            module
        } else {
            // An NVRTC older than the device does not know it; the driver then translates what every device
            // since sm_80 understands.
            let image = source::compile(form, &self.arch(), Output::Cubin)
                .or_else(|e| source::compile(form, "compute_80", Output::Ptx).map_err(|_| e))?;
            // SAFETY: NVRTC made the image, whole; PTX ends with a zero.
            let module = unsafe { result::module::load_data(image.as_ptr().cast()) };
            let module = module.map_err(failed("a kernel is not loaded"))?;
            self.modules.borrow_mut().insert(form, module);
            module
        };
        let text = CString::new(name).map_err(|e| Error::Device { what: e.to_string() })?;
        // SAFETY: the module stays loaded as long as the device is open.
        let function = unsafe { result::module::get_function(module, text) }.map_err(failed(name))?;
        if form.shared_bytes() > 48 << 10 {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let bytes = i32::try_from(form.shared_bytes()).unwrap_or(i32::MAX);
            // SAFETY: the function belongs to a loaded module.
            let outcome = unsafe { result::function::set_function_attribute(function, attribute, bytes) };
            outcome.map_err(failed("so much shared memory"))?;
        }
        Ok(Kernel { function })
    }

    /// Memory with no particular content.
    ///
    /// # Errors
    /// [`Error::Device`] when there is not so much.
    pub fn memory(&self, bytes: usize) -> Result<Memory> {
        // The kernels read 16 bytes at a time.
        let bytes = bytes.max(1).next_multiple_of(16);
        // SAFETY: a plain allocation; `Memory` frees it once.
        let pointer = unsafe { result::malloc_sync(bytes) };
        let doing = format!("no memory for {}", crate::units::gib(bytes as f64));
        Ok(Memory {
            pointer: pointer.map_err(failed(&doing))?,
            bytes,
        })
    }

    /// Zeros, when the stream comes to it.
    ///
    /// # Errors
    /// [`Error::Device`] of the driver.
    pub fn zero(&self, memory: &Memory) -> Result<()> {
        // SAFETY: the whole of a live allocation.
        unsafe { result::memset_d8_async(memory.pointer, 0, memory.bytes, self.stream) }.map_err(failed("memory is not set"))
    }

    /// Run a kernel, when the stream comes to it.
    ///
    /// # Errors
    /// [`Error::Device`] of the driver.
    pub fn launch(&self, kernel: Kernel, grid: [usize; 3], threads: u32, shared_bytes: usize, arguments: &[Argument]) -> Result<()> {
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut pointers: Vec<*mut c_void> = arguments.iter().map(Argument::address).collect();
        // SAFETY: the function belongs to a loaded module; each pointer leads to a value of the kind that the kernel
        // has there (the callers in this room are held to the signatures in `kernels`), which the driver copies
        // before it returns; the memory behind device addresses outlives the next `sync` in every caller.
        unsafe {
            result::launch_kernel(
                kernel.function,
                (size(grid[0]), size(grid[1]), size(grid[2])),
                (threads, 1, 1),
                size(shared_bytes),
                self.stream,
                &mut pointers,
            )
        }
        .map_err(failed("a kernel is not launched"))
    }

    /// Until everything has run.
    ///
    /// # Errors
    /// What a kernel did wrong.
    pub fn sync(&self) -> Result<()> {
        // SAFETY: the stream lives as long as the device.
        unsafe { result::stream::synchronize(self.stream) }.map_err(failed("a kernel failed"))
    }

    /// Bytes of an allocation, after everything has run.
    ///
    /// # Errors
    /// [`Error::Device`] of the driver, or beyond the end.
    pub fn read(&self, memory: &Memory, offset: usize, bytes: usize) -> Result<Vec<u8>> {
        self.sync()?;
        let mut out = vec![0_u8; bytes];
        if offset + bytes > memory.bytes {
            let what = "a read beyond the end of memory".to_string();
            return Err(Error::Device { what });
        }
        // SAFETY: within a live allocation (above), and as many bytes as the vector has.
        let outcome = unsafe { result::memcpy_dtoh_sync(&mut out, memory.pointer + offset as u64) };
        outcome.map_err(failed("memory is not read"))?;
        Ok(out)
    }

    /// Seconds that `runs` runs take together, by events on the stream.
    ///
    /// # Errors
    /// Those of `work`, and of the driver.
    pub fn time_s(&self, runs: usize, work: &mut dyn FnMut() -> Result<()>) -> Result<f64> {
        let [start, end] = self.events;
        let record = |event| {
            // SAFETY: event and stream live as long as the device.
            unsafe { result::event::record(event, self.stream) }.map_err(failed("an event is not recorded"))
        };
        record(start)?;
        for _ in 0..runs {
            work()?;
        }
        record(end)?;
        let mut ms = 0.0_f32;
        // SAFETY: as above; both events were recorded.
        let outcome = unsafe { result::event::synchronize(end).and_then(|()| (self.elapsed)(&raw mut ms, start, end).result()) };
        outcome.map_err(failed("a kernel failed"))?;
        Ok(f64::from(ms) / 1e3)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: everything was made by `open` or `kernel`, and goes once. What fails on the way out does not matter.
        unsafe {
            let _ = result::stream::synchronize(self.stream);
            for module in self.modules.borrow().values() {
                let _ = result::module::unload(*module);
            }
            for event in self.events {
                let _ = result::event::destroy(event);
            }
            let _ = result::stream::destroy(self.stream);
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

/// A function on the device.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    function: sys::CUfunction,
}

/// An allocation on the device.
pub struct Memory {
    pointer: sys::CUdeviceptr,
    bytes: usize,
}

impl Memory {
    /// Its address on the device.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.pointer
    }

    /// How long it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: made by `malloc_sync`, and freed once; the driver waits for what still uses it.
        let _ = unsafe { result::free_sync(self.pointer) };
    }
}

/// What a kernel is given.
#[derive(Debug, Clone, Copy)]
pub enum Argument {
    /// An address on the device, or a 64-bit number.
    U64(u64),
    /// A 32-bit number.
    I32(i32),
    /// A number.
    F32(f32),
}

impl Argument {
    fn address(&self) -> *mut c_void {
        match self {
            Argument::U64(x) => std::ptr::from_ref(x).cast_mut().cast(),
            Argument::I32(x) => std::ptr::from_ref(x).cast_mut().cast(),
            Argument::F32(x) => std::ptr::from_ref(x).cast_mut().cast(),
        }
    }
}

impl From<&Memory> for Argument {
    fn from(memory: &Memory) -> Argument {
        Argument::U64(memory.pointer)
    }
}

/// A pinned buffer of the host, and the graph of launches: see [`super::memory`].
pub struct Pinned {
    pointer: *mut c_void,
    bytes: usize,
}

impl Pinned {
    /// Filled with a byte that is not zero.
    ///
    /// # Errors
    /// [`Error::Device`] when the memory is refused.
    pub fn new(bytes: usize, fill: u8) -> Result<Pinned> {
        // SAFETY: a plain allocation, written whole; `drop` frees it once.
        unsafe {
            let pointer = result::malloc_host(bytes, 0).map_err(failed("no pinned memory"))?;
            pointer.cast::<u8>().write_bytes(fill, bytes);
            Ok(Pinned { pointer, bytes })
        }
    }

    /// What is in it; nothing may be on its way to it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: allocated and written whole by `new`; the copies to it are waited for before this is called.
        unsafe { std::slice::from_raw_parts(self.pointer.cast(), self.bytes) }
    }

    /// To the device or from it, when the stream comes to it.
    ///
    /// # Errors
    /// [`Error::Device`] of the driver.
    pub fn copy(&mut self, device: &Device, memory: &Memory, to_device: bool) -> Result<()> {
        let bytes = self.bytes.min(memory.bytes);
        // SAFETY: both ends are live and at least so long; the caller waits for the stream before it looks.
        unsafe {
            if to_device {
                sys::cuMemcpyHtoDAsync_v2(memory.pointer, self.pointer, bytes, device.stream)
            } else {
                sys::cuMemcpyDtoHAsync_v2(self.pointer, memory.pointer, bytes, device.stream)
            }
            .result()
        }
        .map_err(failed("a copy is not started"))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: made by `malloc_host`, and freed once.
        let _ = unsafe { result::free_host(self.pointer) };
    }
}

/// Work that was recorded once and is launched as one.
pub struct Graph {
    graph: sys::CUgraph,
    executable: sys::CUgraphExec,
}

impl Graph {
    /// Record what `work` puts on the stream.
    ///
    /// # Errors
    /// Those of `work`, and of the driver.
    pub fn record(device: &Device, work: &mut dyn FnMut() -> Result<()>) -> Result<Graph> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives, is not capturing, and the capture ends whatever `work` returns.
        let (done, graph) = unsafe {
            result::stream::begin_capture(device.stream, mode).map_err(failed("launches are not recorded"))?;
            let done = work();
            (done, result::stream::end_capture(device.stream))
        };
        let graph = graph.map_err(failed("launches are not recorded"))?;
        let mut executable = std::ptr::null_mut();
        // SAFETY: the graph was just made.
        let outcome = unsafe { sys::cuGraphInstantiateWithFlags(&raw mut executable, graph, 0).result() };
        let graph = Graph { graph, executable };
        done?;
        outcome.map_err(failed("the graph is not made"))?;
        Ok(graph)
    }

    /// All of it, when the stream comes to it.
    ///
    /// # Errors
    /// [`Error::Device`] of the driver.
    pub fn launch(&self, device: &Device) -> Result<()> {
        // SAFETY: graph and stream live.
        unsafe { result::graph::launch(self.executable, device.stream) }.map_err(failed("the graph is not launched"))
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: made by `record`, and destroyed once.
        unsafe {
            if !self.executable.is_null() {
                let _ = result::graph::exec_destroy(self.executable);
            }
            let _ = result::graph::destroy(self.graph);
        }
    }
}
