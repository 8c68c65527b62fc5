//! Our kernels: their source, the forms that it is compiled in, and NVRTC.

#![allow(unsafe_code)]

use super::library::Library;
use crate::error::{Error, Result};
use cudarc::nvrtc::{result, sys};
use std::ffi::CString;

const DEVICE: &str = include_str!("kernels/device.cuh");
const ELEMENTS: &str = include_str!("kernels/elements.cuh");
const FUSED: &str = include_str!("kernels/fused.cu");
const MEMORY: &str = include_str!("kernels/memory.cu");
const ATTENTION: &str = include_str!("kernels/attention.cuh");
const FORWARD: &str = include_str!("kernels/attention_forward.cu");
const BACKWARD: &str = include_str!("kernels/attention_backward.cu");

/// Element of the kernels of `fused.cu`; the number is what the source calls TYPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// fp32.
    F32 = 0,
    /// bf16.
    Bf16 = 1,
    /// fp16.
    Fp16 = 2,
}

impl Element {
    /// All of them.
    pub const ALL: [Element; 3] = [Element::F32, Element::Bf16, Element::Fp16];
    const NAMES: [&'static str; 3] = ["fp32", "bf16", "fp16"];
}

/// Widths that attention is compiled for; others are rounded up and padded with zeros.
pub const WIDTHS: [usize; 3] = [64, 96, 128];

/// What is compiled together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Streams, transposes, inputs.
    Memory,
    /// Element-wise work.
    Fused(Element),
    /// Attention.
    Attention {
        /// Backward, else forward.
        backward: bool,
        /// Width, one of [`WIDTHS`].
        width: usize,
        /// bf16, else fp16.
        bf16: bool,
        /// With the mask.
        causal: bool,
    },
}

impl Form {
    /// Every form.
    #[must_use]
    pub fn all() -> Vec<Form> {
        let mut out = vec![Form::Memory];
        out.extend(Element::ALL.map(Form::Fused));
        for width in WIDTHS {
            for backward in [false, true] {
                for bf16 in [true, false] {
                    out.extend([true, false].map(|causal| Form::Attention {
                        backward,
                        width,
                        bf16,
                        causal,
                    }));
                }
            }
        }
        out
    }

    /// A name for files: `attention-forward-64-bf16-causal`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Form::Memory => "memory".to_string(),
            Form::Fused(element) => format!("fused-{}", Element::NAMES[element as usize]),
            Form::Attention {
                backward,
                width,
                bf16,
                causal,
            } => format!(
                "attention-{}-{width}-{}-{}",
                if backward { "backward" } else { "forward" },
                if bf16 { "bf16" } else { "fp16" },
                if causal { "causal" } else { "full" },
            ),
        }
    }

    fn source(self) -> String {
        match self {
            Form::Memory => [DEVICE, MEMORY].concat(),
            Form::Fused(_) => [DEVICE, ELEMENTS, FUSED].concat(),
            Form::Attention { backward, .. } => [DEVICE, ATTENTION, if backward { BACKWARD } else { FORWARD }].concat(),
        }
    }

    fn defines(self) -> Vec<String> {
        match self {
            Form::Memory => Vec::new(),
            Form::Fused(element) => vec![format!("-DTYPE={}", element as u8)],
            Form::Attention { width, bf16, causal, .. } => vec![
                format!("-DD={width}"),
                format!("-DBF16={}", u8::from(bf16)),
                format!("-DCAUSAL={}", u8::from(causal)),
            ],
        }
    }

    /// Bytes of shared memory of the main kernel of attention; the arrays at its top.
    #[must_use]
    pub fn shared_bytes(self) -> usize {
        let Form::Attention { backward, width, .. } = self else { return 0 };
        let (row, keys) = (width + 8, 64);
        if !backward {
            return 2 * (64 + 2 * keys) * row;
        }
        let queries = if width <= 64 { 64 } else { 32 };
        2 * (2 * keys * row + 2 * queries * row + keys * (queries + 8)) + 8 * queries
    }
}

/// What NVRTC makes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Text of the virtual machine.
    Ptx,
    /// Code of one device.
    Cubin,
}

struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: made by `create_program`, and destroyed once.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

/// Compile a form for an architecture: `sm_90`.
///
/// # Errors
/// [`Error::Device`] when NVRTC is missing or does not know the architecture.
pub fn compile(form: Form, arch: &str, output: Output) -> Result<Vec<u8>> {
    Library::Nvrtc.need()?;
    let failed = |what: String| Error::Device {
        what: format!("{} for {arch}: {what}", form.name()),
    };
    let text = CString::new(form.source()).map_err(|e| failed(e.to_string()))?;
    let program = Program(result::create_program(&text, None).map_err(|e| failed(e.to_string()))?);
    let mut options = form.defines();
    options.extend([
        format!("--gpu-architecture={arch}"),
        "--std=c++17".to_string(),
        // Helpers that a form does not use.
        "-diag-suppress=177".to_string(),
    ]);
    // SAFETY: the program is alive, and `text` outlives it.
    if let Err(error) = unsafe { result::compile_program(program.0, &options) } {
        // SAFETY: as above.
        let log = unsafe { result::get_program_log(program.0) }.map_or(String::new(), |log| {
            log.iter().map(|c| char::from(c.cast_unsigned())).filter(|c| *c != '\0').collect()
        });
        return Err(failed(format!("{error}: {}", log.trim())));
    }
    let mut bytes: Vec<std::ffi::c_char> = Vec::new();
    let mut size = 0;
    // SAFETY: the program is compiled; the buffer is as long as NVRTC asks for before it writes.
    unsafe {
        match output {
            Output::Ptx => bytes = result::get_ptx(program.0).map_err(|e| failed(e.to_string()))?,
            Output::Cubin => {
                sys::nvrtcGetCUBINSize(program.0, &raw mut size)
                    .result()
                    .map_err(|e| failed(e.to_string()))?;
                bytes.resize(size, 0);
                sys::nvrtcGetCUBIN(program.0, bytes.as_mut_ptr())
                    .result()
                    .map_err(|e| failed(e.to_string()))?;
            }
        }
    }
    Ok(bytes.into_iter().map(std::ffi::c_char::cast_unsigned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_name_of_its_own_and_fits_shared_memory() {
        let all = Form::all();
        let mut names: Vec<String> = all.iter().map(|f| f.name()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        // 99 KiB are what a block may have on every device since sm_80.
        assert!(all.iter().all(|f| f.shared_bytes() <= 99 << 10));
    }

    #[test]
    fn kernels_need_no_header() {
        for form in Form::all() {
            let source = form.source();
            let includes: Vec<&str> = source.lines().filter(|l| l.starts_with("#include")).collect();
            assert_eq!(includes, ["#include \"device.h\""], "that of the test on a host");
        }
    }

    #[test]
    fn an_unknown_architecture_or_a_missing_compiler_is_an_error() {
        let error = compile(Form::Memory, "sm_1", Output::Ptx).unwrap_err().to_string();
        assert!(error.contains("NVRTC") || error.contains("sm_1"), "{error}");
    }
}
