use super::*;
use crate::bench::Operands;

fn origin(text: &str) -> Arc<Origin> {
    Arc::new(Origin {
        name: "results.txt".to_string(),
        text: text.to_string(),
    })
}

fn parse_as(tool: &str, text: &str, told: Told) -> Result<Imported> {
    parse(Tool::from_name(tool).unwrap(), &origin(text), &told)
}

fn ranks(n: u64) -> Told {
    Told {
        ranks: Some(n),
        ..Told::default()
    }
}

const NCCL: &str = "\
# Collective test starting: all_reduce_perf
# nThread 1 nGpus 2 minBytes 8 maxBytes 128 step: 2(factor) warmup iters: 5 iters: 20
#
# Using devices
#  Rank  0 Group  0 Pid  100 on  box device  0 [0x07] NVIDIA H100
#  Rank  1 Group  0 Pid  100 on  box device  1 [0x0b] NVIDIA H100
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
     8388608       2097152     float     sum      -1    96.44   86.98  152.22      0    95.34   87.99  153.98      0
    16777216       4194304     float     sum      -1    160.1  104.79  183.39      0    159.8  104.99  183.73    N/A
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 168.1
";

#[test]
fn nccl_tests_say_ranks_and_collective() {
    let found = parse_as("nccl-tests", NCCL, Told::default()).unwrap();
    let item = Item::Collective {
        collective: Collective::AllReduce,
        ranks: 2,
        bytes: 8_388_608,
    };
    assert_eq!(found.points.len(), 2);
    assert_eq!(found.points[0].0, item);
    assert!((found.points[0].1 - 96.44e-6).abs() < 1e-12);
    // Bus bandwidth by the times is that of the file.
    let bus = 8_388_608.0 / found.points[0].1 * 2.0 * 0.5 / 1e9;
    assert!((bus - 86.98).abs() < 0.01);
    let bare = NCCL.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert!(
        parse_as("nccl-tests", &bare, Told::default())
            .unwrap_err()
            .to_string()
            .contains("ranks")
    );
    assert!(
        parse_as("nccl-tests", &bare, ranks(8))
            .unwrap_err()
            .to_string()
            .contains("collective")
    );
}

#[test]
fn broken_lines_are_named() {
    let bad = NCCL.replace("160.1", "nan");
    let error = parse_as("nccl-tests", &bad, Told::default()).unwrap_err().to_string();
    assert!(error.contains("line 12") && error.contains("`nan`"), "{error}");
    let wrong = NCCL.replace("183.39      0", "183.39      7");
    let error = parse_as("nccl-tests", &wrong, Told::default()).unwrap_err().to_string();
    assert!(error.contains("line 12") && error.contains("7 wrong"), "{error}");
    assert!(parse_as("nccl-tests", "hello", ranks(2)).is_err());
    let csv = "op,ranks,bytes,time_s\nall-reduce,8,1024,1e-5\nall-reduce,8,2048,-1e-5\n";
    let error = parse_as("csv", csv, Told::default()).unwrap_err().to_string();
    assert!(error.contains("line 3") && error.contains("time_s"), "{error}");
    let error = parse_as("csv", "op,ranks,bytes,time_s\nall-reduce,8\n", Told::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 2") && error.contains("2 fields"), "{error}");
    assert!(Tool::from_name("nccl-test").unwrap_err().to_string().contains("nccl-tests"));
}

#[test]
fn osu_sizes_are_those_of_one_rank() {
    let text =
        "\n# OSU MPI Allgather Latency Test v7.4\n# Datatype: MPI_CHAR.\n# Size       Avg Latency(us)\n1024                    3.50\n";
    let found = parse_as("osu", text, ranks(4)).unwrap();
    let item = Item::Collective {
        collective: Collective::AllGather,
        ranks: 4,
        bytes: 4096,
    };
    assert_eq!(found.points, [(item, 3.5e-6)]);
    assert!(found.software.contains("v7.4"));
    let reduce = parse_as("osu", &text.replace("Allgather", "Allreduce"), ranks(4)).unwrap();
    assert!(matches!(reduce.points[0].0, Item::Collective { bytes: 1024, .. }));
    assert!(
        parse_as("osu", &text.replace("3.50", "3,50"), ranks(4))
            .unwrap_err()
            .to_string()
            .contains("line 5")
    );
}

#[test]
fn rates_become_times() {
    let text = "Tried  79 shapes => the best outcomes were:\nmean:   20.0 TFLOPS @ 1000x1000x1000 (MxNxK)\nmedian: 40.0 TFLOPS @ 1000x1000x1000 (MxNxK)\nmax:    80.0 TFLOPS @ 2000x1000x1000 (MxNxK)\n";
    let found = parse_as("mamf-finder", text, Told::default()).unwrap();
    assert_eq!(found.points.len(), 2);
    assert!((found.points[0].1 - 5e-5).abs() < 1e-12 && (found.points[1].1 - 5e-5).abs() < 1e-12);
    let error = parse_as("mamf-finder", &text.replace("2000x1000x1000", "2000x1000"), Told::default()).unwrap_err();
    assert!(error.to_string().contains("line 4"));

    let text = "Elapsed time for 4x8x2: 0.1\nThroughput (in TFLOP/s) for 4x8x2: 1e-12\nThroughput (in TFLOP/s) for qkv (16x8x2, b=1): 1e-12\n\
                Throughput (in TFLOP/s) for scores (16x8x2, b=12): 5\n";
    let found = parse_as("cookbook", text, Told::default()).unwrap();
    let first = Item::Gemm {
        dtype: DType::Fp16,
        m: 4,
        n: 2,
        k: 8,
        operands: Operands::Nn,
    };
    assert_eq!((found.points.len(), found.points[0]), (2, (first, 128.0)));
}

#[test]
fn aiconfigurator_tables_are_read() {
    let gemm = "framework,version,device,op_name,kernel_source,gemm_dtype,m,n,k,latency\n\
                TRTLLM,1.0,H100,gemm,default,float16,1024,2048,4096,0.05\nTRTLLM,1.0,H100,gemm,default,int4_wo,1,1,1,1\n";
    let found = parse_as("aiconfigurator", gemm, Told::default()).unwrap();
    assert_eq!(found.points.len(), 1);
    assert!((found.points[0].1 - 5e-5).abs() < 1e-12);
    let nccl = "nccl_dtype,num_gpus,message_size,op_name,kernel_source,latency\nhalf,8,512,all_gather,NCCL,0.02\n";
    let found = parse_as("aiconfigurator", nccl, Told::default()).unwrap();
    assert!(matches!(found.points[0].0, Item::Collective { bytes: 1024, ranks: 8, .. }));
    assert!(
        parse_as("aiconfigurator", &nccl.replace("512", "-1"), Told::default())
            .unwrap_err()
            .to_string()
            .contains("line 2")
    );
}

/// Any text is read or refused; none panics.
#[test]
fn torn_files_never_panic() {
    for (_, tool) in Tool::ALL {
        for cut in 0..NCCL.len() {
            let _ = parse(tool, &origin(&NCCL[..cut]), &ranks(2));
        }
    }
}
