//! Which libraries of NVIDIA are here. They are looked for when the program runs; what is missing is told.
//!
//! cudarc panics when it calls what is not there, so nothing is called before the library and every function of
//! it that we use were found.

#![allow(unsafe_code)]

use super::nccl;
use crate::error::{Error, Result};
use cudarc::{cublaslt, driver, nvrtc};

/// A library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// The driver: devices, memory, launches.
    Driver,
    /// Compiles our kernels.
    Nvrtc,
    /// Matrix multiplies.
    CublasLt,
    /// Collectives.
    Nccl,
}

const DRIVER: &[&str] = &[
    "cuInit",
    "cuDriverGetVersion",
    "cuGetErrorString",
    "cuDeviceGet",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDeviceGetAttribute",
    "cuDeviceTotalMem_v2",
    "cuDeviceGetPCIBusId",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxSetCurrent",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphExecDestroy",
    "cuGraphDestroy",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemHostAlloc",
    "cuMemFreeHost",
    "cuMemsetD8Async",
    "cuMemcpyDtoH_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuModuleLoadData",
    "cuModuleGetFunction",
    "cuModuleUnload",
    "cuFuncSetAttribute",
    "cuLaunchKernel",
    "cuEventCreate",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuEventElapsedTime",
    "cuEventDestroy_v2",
];
const NVRTC: &[&str] = &[
    "nvrtcVersion",
    "nvrtcCreateProgram",
    "nvrtcCompileProgram",
    "nvrtcDestroyProgram",
    "nvrtcGetPTX",
    "nvrtcGetPTXSize",
    "nvrtcGetCUBIN",
    "nvrtcGetCUBINSize",
    "nvrtcGetProgramLog",
    "nvrtcGetProgramLogSize",
];
const CUBLASLT: &[&str] = &[
    "cublasLtGetVersion",
    "cublasLtCreate",
    "cublasLtDestroy",
    "cublasLtMatrixLayoutCreate",
    "cublasLtMatrixLayoutDestroy",
    "cublasLtMatmulDescCreate",
    "cublasLtMatmulDescSetAttribute",
    "cublasLtMatmulDescDestroy",
    "cublasLtMatmulPreferenceCreate",
    "cublasLtMatmulPreferenceSetAttribute",
    "cublasLtMatmulPreferenceDestroy",
    "cublasLtMatmulAlgoGetHeuristic",
    "cublasLtMatmul",
];

impl Library {
    /// All of them, in the order that they are needed.
    pub const ALL: [Library; 4] = [Library::Driver, Library::Nvrtc, Library::CublasLt, Library::Nccl];

    /// As people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Library::Driver => "driver",
            Library::Nvrtc => "NVRTC",
            Library::CublasLt => "cuBLASLt",
            Library::Nccl => "NCCL",
        }
    }

    /// Its file, what it is for, and where it comes from.
    fn about(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Library::Driver => ("libcuda", "everything", "it comes with the NVIDIA driver"),
            Library::Nvrtc => (
                "libnvrtc",
                "attention, streams and element-wise work",
                "it comes with the CUDA toolkit or `pip install nvidia-cuda-nvrtc-cu12`, whose lib folder must be in LD_LIBRARY_PATH",
            ),
            Library::CublasLt => (
                "libcublasLt",
                "matrix multiplies",
                "it comes with the CUDA toolkit or `pip install nvidia-cublas-cu12`, whose lib folder must be in LD_LIBRARY_PATH",
            ),
            Library::Nccl => ("libnccl", "collectives", "see nccl.rs"),
        }
    }

    fn is_present(self) -> bool {
        // SAFETY: looks for the library under its usual names and loads it; its initializers are those of NVIDIA.
        unsafe {
            match self {
                Library::Driver => driver::sys::is_culib_present(),
                Library::Nvrtc => nvrtc::sys::is_culib_present(),
                Library::CublasLt => cublaslt::sys::is_culib_present(),
                Library::Nccl => nccl::version().is_ok(),
            }
        }
    }

    fn missing_function(self) -> Option<&'static str> {
        let all = match self {
            Library::Driver => DRIVER,
            Library::Nvrtc => NVRTC,
            Library::CublasLt => CUBLASLT,
            // It looks for all of them itself.
            Library::Nccl => &[],
        };
        let has = |f: &[u8]| {
            // SAFETY: the library is present, so `culib` does not panic; the address is looked up, not called.
            unsafe {
                match self {
                    Library::Driver => driver::sys::culib().get::<*const ()>(f).is_ok(),
                    Library::Nvrtc => nvrtc::sys::culib().get::<*const ()>(f).is_ok(),
                    Library::CublasLt => cublaslt::sys::culib().get::<*const ()>(f).is_ok(),
                    Library::Nccl => true,
                }
            }
        };
        all.iter().find(|f| !has(f.as_bytes())).copied()
    }

    /// Its version, or why it cannot be used.
    ///
    /// # Errors
    /// [`Error::Device`] when it is missing or too old.
    pub fn version(self) -> Result<String> {
        let dots = |v: usize| format!("{}.{}.{}", v / 10_000, v / 100 % 100, v % 100);
        if self == Library::Nccl {
            return nccl::version().map(dots);
        }
        let (file, purpose, from) = self.about();
        if !self.is_present() {
            let what = format!("no {} ({file}) found, which is needed for {purpose}; {from}", self.name());
            return Err(Error::Device { what });
        }
        if let Some(function) = self.missing_function() {
            let what = format!("{} ({file}) is too old: it has no {function}", self.name());
            return Err(Error::Device { what });
        }
        let thousands = |v: i32| format!("{}.{}", v / 1000, v % 1000 / 10);
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the functions are there (above); they write the integers that they are given and need no device.
        Ok(unsafe {
            match self {
                Library::Driver => {
                    let _ = driver::sys::cuDriverGetVersion(&raw mut major);
                    format!("CUDA {}", thousands(major))
                }
                Library::Nvrtc => {
                    let _ = nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor);
                    format!("{major}.{minor}")
                }
                Library::CublasLt => dots(cublaslt::sys::cublasLtGetVersion()),
                Library::Nccl => String::new(),
            }
        })
    }

    /// # Errors
    /// As [`Library::version`].
    pub fn need(self) -> Result<()> {
        self.version().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_a_message_that_says_what_to_do() {
        for library in Library::ALL {
            match library.version() {
                Ok(version) => assert!(version.contains('.'), "{version}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(library.name()) && text.contains("lib"), "{text}");
                }
            }
        }
    }

    #[test]
    fn names_of_functions_are_plain() {
        let mut all: Vec<&str> = [DRIVER, NVRTC, CUBLASLT].concat();
        assert!(all.iter().all(|f| f.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')));
        all.sort_unstable();
        let n = all.len();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
