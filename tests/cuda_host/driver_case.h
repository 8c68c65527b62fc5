// One compiled form of attention, put into the table of kernels: D, BF16, CAUSAL are defined by who includes it.
namespace {
namespace CASE {
namespace forward {
#include "attention.cuh"
#include "attention_forward.cu"
} // namespace forward
namespace backward {
#include "attention.cuh"
#include "attention_backward.cu"
} // namespace backward
static const bool put = [] {
    const std::string key = "-DD=" + std::to_string(D) + " -DBF16=" + std::to_string(BF16) + " -DCAUSAL=" + std::to_string(CAUSAL) + " ";
    kernels()[key + "attention_forward"] = bound(forward::attention_forward);
    kernels()[key + "attention_delta"] = bound(backward::attention_delta);
    kernels()[key + "attention_backward"] = bound(backward::attention_backward);
    kernels()[key + "attention_narrow"] = bound(backward::attention_narrow);
    return true;
}();
} // namespace CASE
} // namespace
#undef CASE
#undef D
#undef BF16
#undef CAUSAL
