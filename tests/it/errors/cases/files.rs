//! Mistakes of files and of syntax.

use super::{Case, Input, bytes, edited, file};

pub const CASES: &[Case] = &[
    // Files that are not scenarios.
    Case {
        name: "missing file",
        input: Input::Missing,
        sets: &[],
        code: 2,
        line: None,
        words: &["no such file", "llama3-405b"],
    },
    Case {
        name: "directory",
        input: Input::Directory,
        sets: &[],
        code: 2,
        line: None,
        words: &["is a directory", "file"],
    },
    bytes(
        "binary file",
        || vec![0x7f, b'E', b'L', b'F', 0, 1, 0xff, 0xfe],
        &["not UTF-8", "binary"],
    ),
    bytes("not UTF-8", || b"name = \"caf\xe9\"\n".to_vec(), &["not UTF-8", "byte 11"]),
    bytes("more than 16 MiB", || vec![b'#'; 16 * 1024 * 1024 + 1], &["16777217 bytes", "TOML"]),
    bytes(
        "empty file",
        Vec::new,
        &["`[model]` is missing", "`[training]` is missing", "`[cluster]` is missing"],
    ),
    bytes("null bytes", || vec![0; 64], &["not valid TOML"]),
    bytes("json", || b"{\"model\": \"llama3-8b\"}".to_vec(), &["not valid TOML"]),
    bytes(
        "arrays in arrays",
        || [b"a = ".to_vec(), vec![b'['; 10_000], vec![b']'; 10_000]].concat(),
        &["not valid TOML"],
    ),
    bytes(
        "tables in tables",
        || [b"a = ".to_vec(), b"{ a = ".repeat(10_000), b"1".to_vec(), b" }".repeat(10_000)].concat(),
        &["not valid TOML"],
    ),
    bytes(
        "ten thousand dots",
        || [b"a".to_vec(), b".a".repeat(10_000), b" = 1".to_vec()].concat(),
        &["recursion limit", "deep"],
    ),
    bytes(
        "a header of ten thousand dots",
        || [b"[a".to_vec(), b".a".repeat(10_000), b"]\nb = 1".to_vec()].concat(),
        &["recursion limit", "deep"],
    ),
    bytes(
        "a very long key",
        || [edited(&[]).into_bytes(), vec![b'k'; 100_000], b" = 1\n".to_vec()].concat(),
        &["unknown key `cluster.kkk", "…"],
    ),
    bytes(
        "a very long name",
        || edited(&[(3, &format!("use = \"{}\"", "m".repeat(100_000)))]).into_bytes(),
        &["no model is called `mmm", "…"],
    ),
    // TOML that is not ours.
    file("value without quotes", &[(3, "use = llama3-8b")], 3, &["not valid TOML"]),
    file("unclosed string", &[(3, "use = \"llama3-8b")], 3, &["not valid TOML"]),
    file(
        "duplicate key",
        &[(10, "nodes = 8\nnodes = 9")],
        11,
        &["not valid TOML", "duplicate"],
    ),
    file("format of the future", &[(1, "format = 2")], 1, &["`format` is 2", "1"]),
    file(
        "unknown key",
        &[(6, "seqence = 4096")],
        6,
        &["unknown key `training.seqence`", "did you mean `sequence`?"],
    ),
    file(
        "unknown table",
        &[(4, "[trainin]")],
        4,
        &["unknown key `trainin`", "did you mean `training`?"],
    ),
    file(
        "unknown key of a layout",
        &[(11, "[layout]\ntensr = 8")],
        12,
        &["unknown key `layout.tensr`", "did you mean `tensor`?"],
    ),
    file(
        "wrong type",
        &[(10, "nodes = true")],
        10,
        &["`cluster.nodes` is true or false", "2048"],
    ),
    file(
        "table instead of text",
        &[(9, "node = [\"gaudi2-8\"]")],
        9,
        &["`cluster.node` is an array", "string"],
    ),
    file(
        "text instead of table",
        &[(2, "[x-model]"), (1, "model = \"llama3-8b\"")],
        1,
        &["`model` is a string", "[model]"],
    ),
];
