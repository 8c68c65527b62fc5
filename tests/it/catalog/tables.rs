//! Tables of measured points: what cannot be a measurement is refused with file, line, column, value
//! and what is allowed, all of it at once; what can is used.

use crate::support::Folder;
use exaplan::catalog::{Catalog, DType, GemmKey, Kind, Layer, Profile, sha256, source};
use exaplan::error::{Diagnostic, Error};

/// A profile of H100 with one table.
fn profile(op: &str, more: &str) -> String {
    format!(
        "[profile.mine]\nextends = \"h100-sxm\"\nsource = \"tests\"\n[[profile.mine.table]]\nop = \"{op}\"\nfile = \"t.csv\"\nsource = \"tests\"\n{more}"
    )
}

fn read(op: &str, table: &str, more: &str) -> Result<Profile, Vec<Diagnostic>> {
    let folder = Folder::new();
    std::fs::write(folder.path().join("p.toml"), profile(op, more)).unwrap();
    std::fs::write(folder.path().join("t.csv"), table).unwrap();
    let catalog = Catalog::builtin().overlay_dir(folder.path(), Layer::Project);
    match catalog.and_then(|c| c.get("mine")) {
        Ok(profile) => Ok(profile),
        Err(Error::Invalid(list)) => Err(list),
        Err(other) => panic!("{other}"),
    }
}

const GEMM: &str = "dtype,m,n,k,time_s\n";
const FLASH: &str = "dtype,batch,seq_tokens,heads,kv_heads,head_dim,time_s\n";
const TRAIN: &str = "dtype,pass,batch,seq_tokens,heads,kv_heads,head_dim,time_s\n";
const RING: &str = "op,ranks,bytes,time_s\n";

/// What kind of table, what it holds, the line at fault and words of the answer.
const FAULTS: [(&str, &str, &str, usize, &[&str]); 24] = [
    (
        "gemm",
        GEMM,
        "bf16,512,512,512,nan",
        2,
        &["line 2, column `time_s`: `nan`", "greater than 0"],
    ),
    ("gemm", GEMM, "bf16,512,512,512,-1e-6", 2, &["`-1e-6`", "greater than 0"]),
    ("gemm", GEMM, "bf16,512,512,512,0", 2, &["column `time_s`: `0`"]),
    ("gemm", GEMM, "bf16,512,512,512,inf", 2, &["`inf`", "finite"]),
    ("gemm", GEMM, "bf16,512,512,512,", 2, &["column `time_s`: ``"]),
    ("gemm", GEMM, "bf16,0,512,512,1e-5", 2, &["column `m`: `0`", "whole number from 1"]),
    ("gemm", GEMM, "bf16,512,5.5,512,1e-5", 2, &["column `n`: `5.5`"]),
    (
        "gemm",
        GEMM,
        "bf61,512,512,512,1e-5",
        2,
        &["column `dtype`: `bf61`", "did you mean `bf16`?"],
    ),
    (
        "gemm",
        GEMM,
        "bf16,8192,8192,8192,1e-3",
        2,
        &["`1e-3` is 1.11 times as fast as the dense bf16 peak", "1.1117e-3 s or more"],
    ),
    (
        "gemm",
        GEMM,
        "bf16,512,512,512,1e-5\nbf16,512,512,512,2e-5",
        3,
        &["line 3", "stands on a line above already"],
    ),
    ("gemm", GEMM, "bf16,512,512,512", 2, &["line 2 has 4 fields, the header has 5"]),
    (
        "gemm",
        "dtype,m,n,k,latency_us\n",
        "bf16,512,512,512,9",
        1,
        &["unknown column `latency_us`"],
    ),
    (
        "gemm",
        "dtype,m,n,time_s\n",
        "bf16,512,512,1e-5",
        1,
        &["no column `k`", "begin with dtype,m,n,k,time_s"],
    ),
    (
        "gemm",
        "dtype,m,m,n,k,time_s\n",
        "bf16,1,1,1,1,1e-5",
        1,
        &["column `m` stands twice"],
    ),
    (
        "gemm",
        "dtype,m,n,k,accumulate_fp32,time_s\n",
        "bf16,1,1,1,yes,1e-5",
        2,
        &["`yes`", "allowed: `0`, `1`"],
    ),
    (
        "attention",
        FLASH,
        "bf16,1,4096,8,16,128,1e-3",
        2,
        &["column `kv_heads`: `16` is more"],
    ),
    (
        "attention",
        FLASH,
        "bf16,4,16384,64,8,128,1e-3",
        2,
        &["times as fast as the dense bf16 peak"],
    ),
    (
        "attention-training",
        TRAIN,
        "bf16,bakward,1,4096,8,8,128,1e-3",
        2,
        &["`bakward`", "did you mean `backward`?"],
    ),
    ("attention-training", FLASH, "bf16,1,4096,8,8,128,1e-3", 1, &["no column `pass`"]),
    (
        "collective",
        RING,
        "all-redcue,8,1048576,1e-4",
        2,
        &["`all-redcue`", "did you mean `all-reduce`?"],
    ),
    (
        "collective",
        RING,
        "all-gather,1,1048576,1e-4",
        2,
        &["column `ranks`: `1`", "2 or more"],
    ),
    (
        "collective",
        RING,
        "all-gather,8,1073741824,1e-3",
        2,
        &["times as fast as the links", "check unit and size"],
    ),
    (
        "collective",
        RING,
        "all-reduce,8,1073741824,1e-3",
        2,
        &["times as fast as the links"],
    ),
    ("collective", RING, "all-gather,8,-5,1e-3", 2, &["column `bytes`: `-5`"]),
];

#[test]
fn what_cannot_be_a_measurement_is_refused_with_its_place() {
    for (op, head, rows, line, words) in FAULTS {
        let problems = read(op, &format!("{head}{rows}\n"), "").expect_err(rows);
        let hit = problems.iter().find(|p| {
            let text = p.to_string();
            words.iter().all(|w| text.contains(w)) && p.at.as_ref().is_some_and(|a| a.line() == line && a.origin.name.ends_with("t.csv"))
        });
        assert!(hit.is_some(), "{op}, {rows}: {problems:#?}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let rows = "bf16,0,512,512,-1\nbf16,512,512,512,1e-5\nfp7,512,512,512,nan\n";
    let problems = read("gemm", &format!("{GEMM}{rows}"), "").unwrap_err();
    let told: Vec<String> = problems.iter().map(|p| p.message.clone()).collect();
    for word in [
        "line 2, column `m`",
        "line 2, column `time_s`",
        "line 4, column `dtype`",
        "line 4, column `time_s`",
    ] {
        assert!(told.iter().any(|t| t.contains(word)), "{word}: {told:#?}");
    }
    // A table in the wrong unit is one mistake, not ten thousand.
    let many: String = (1..500).map(|m| format!("bf16,{m},512,512,0\n")).collect();
    let problems = read("gemm", &format!("{GEMM}{many}"), "").unwrap_err();
    assert!(
        problems.len() < 60 && problems.iter().any(|p| p.message.contains("449 more")),
        "{}",
        problems.len()
    );
}

#[test]
fn the_place_is_the_cell() {
    let problems = read("gemm", &format!("{GEMM}bf16,512,512,512,-1e-6\n"), "").unwrap_err();
    let at = problems[0].at.as_ref().unwrap();
    assert_eq!(&at.origin.text[at.span.clone()], "-1e-6");
}

#[test]
fn files_that_are_not_there_or_not_the_same_are_refused() {
    let table = format!("{GEMM}bf16,512,512,512,1e-5\n");
    let wrong = read("gemm", &table, "sha256 = \"abc\"\n").unwrap_err();
    assert!(
        wrong[0].to_string().contains("SHA-256") && wrong[0].to_string().contains("measure again"),
        "{wrong:?}"
    );
    assert!(read("gemm", &table, &format!("sha256 = \"{}\"\n", sha256(&table))).is_ok());
    for (name, file, word) in [
        ("table-missing", "other.csv", "no such file"),
        ("table-outside", "../t.csv", "leads out of the folder"),
        ("table-absolute", "/etc/hostname", "leads out of the folder"),
    ] {
        let folder = Folder::new();
        let text = profile("gemm", "").replace("t.csv", file);
        std::fs::write(folder.path().join("p.toml"), text).unwrap();
        let error = Catalog::builtin()
            .overlay_dir(folder.path(), Layer::Project)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(word), "{name}: {error}");
    }
    let op = read("gem", &table, "").unwrap_err();
    assert!(op[0].to_string().contains("did you mean `gemm`?"), "{op:?}");
    let huge = "x".repeat(9 << 20);
    let large = read("gemm", &huge, "").unwrap_err();
    assert!(large[0].to_string().contains("more than the"), "{:?}", large[0].message);
}

#[test]
fn points_of_a_profile_are_its_own() {
    let table = format!("{GEMM}bf16,512,512,512,1e-5\nfp16,512,512,512,2e-5\n");
    let profile = read("gemm", &table, "").unwrap();
    let points = &profile.measured.unwrap().points;
    let key = |dtype| GemmKey {
        dtype,
        accumulate_fp32: false,
    };
    assert_eq!(points.gemm[&key(DType::Bf16)].len(), 1);
    assert_eq!(points.gemm[&key(DType::Fp16)][0].time_s, 2e-5);
    // Its table replaces those of the profile that it extends.
    assert!(points.collectives.is_empty() && points.attention.is_empty());
}

/// The digests stand for the tables in the digest of the catalog.
#[test]
fn built_in_tables_are_those_that_the_profiles_name() {
    let catalog = Catalog::builtin();
    let mut named = Vec::new();
    for entry in catalog.entries(Kind::Profile).entries.values() {
        let Some(exaplan::catalog::raw::Value::Array(tables)) = entry.tree.get("table").map(|i| &i.value) else {
            continue;
        };
        for table in tables {
            let exaplan::catalog::raw::Value::Table(table) = &table.value else {
                panic!()
            };
            let path = format!("profiles/devices/{}", table.text("file").unwrap());
            let (_, text) = source::embedded().find(|(p, _)| *p == path).expect(&path);
            assert_eq!(table.text("sha256"), Some(sha256(text).as_str()), "{path}");
            assert!(table.text("licence").is_some() && table.text("source").is_some(), "{path}");
            named.push(path);
        }
    }
    let here = source::embedded()
        .map(|(p, _)| p)
        .filter(|p| p.starts_with("profiles/") && p.ends_with(".csv"));
    assert!(here.into_iter().all(|p| named.contains(&p)));
}
