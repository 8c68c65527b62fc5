//! A made-up report for the tests of every format.

use super::svg::{Axis, Bar, Bars, Lines};
use super::*;
use crate::units::{DAY_S, GIB_BYTES};

/// Everything a format must survive in user text.
pub(crate) const HOSTILE: &str = "=cmd()|<script>alert('1')</script>\x1b[31m\u{202e}\"&`*_[x]\n# h";

/// Three layouts, the last with a hostile name and without results.
pub(crate) fn layouts() -> Table {
    let columns = vec![
        Column::words("Layout"),
        Column::numbers("Devices"),
        Column::numbers("Step time"),
        Column::numbers("MFU"),
        Column::numbers("Peak memory"),
        Column::numbers("Cost"),
        Column::words("Evidence"),
    ];
    let row = |name: &str, devices: f64, step_s: f64, mfu: f64, memory_gib: f64, usd: f64, evidence: &str| {
        vec![
            name.into(),
            Cell::Count(devices),
            Cell::quantity(step_s, Kind::Duration),
            Cell::quantity(mfu, Kind::Percent),
            Cell::quantity(memory_gib * GIB_BYTES, Kind::Bytes),
            Cell::quantity(usd, Kind::Usd),
            evidence.into(),
        ]
    };
    let mut table = Table::new("Layouts that fit", columns);
    table.rows = vec![
        row("t8 p4 d32", 1024.0, 6.412_345, 0.412, 70.25, 3.91e6, "measured"),
        row("t4 p8 d32 東京", 1024.0, 12.05, 0.0875, 6.5, 14.2e6, "interpolated"),
        vec![HOSTILE.into(), Cell::Count(8.0), Cell::quantity(f64::NAN, Kind::Duration)],
    ];
    table.notes = vec!["Peak memory is that of the fullest stage.".to_string()];
    table
}

fn parts() -> Chart {
    let bar = |label: &str, values: &[f64]| Bar {
        label: label.to_string(),
        values: values.to_vec(),
    };
    Chart::Bars(Bars {
        title: "Where a step goes".to_string(),
        kind: Kind::Duration,
        parts: ["math", "recompute", "bubble", "tensor", "expert", "data", "optimizer", "other"]
            .map(String::from)
            .to_vec(),
        bars: vec![
            bar("t8 p4 d32", &[3.9, 0.4, 0.6, 0.7, 0.0, 0.3, 0.3, 0.21]),
            bar("t4 p8 d32", &[3.9, 0.9, 1.8, 0.4, 0.0, 0.9, 0.3, 0.4]),
            bar("t8 p2 d64", &[3.9, 0.0, 0.3, 0.8, 0.2, 1.9, 0.4, 0.3]),
        ],
    })
}

fn swings() -> Chart {
    let bar = |label: &str, value: f64| Bar {
        label: label.to_string(),
        values: vec![value],
    };
    Chart::Bars(Bars {
        title: "What would change the cost".to_string(),
        kind: Kind::Usd,
        parts: vec!["change".to_string()],
        bars: vec![
            bar("inter-node bandwidth x2", -0.62e6),
            bar("device price +10 %", 0.36e6),
            bar("node failures x2", 0.11e6),
        ],
    })
}

fn curve() -> Chart {
    let points = |scale: f64| {
        (0..8)
            .map(|i| 2f64.powi(i) * 64.0)
            .map(|n| (n, scale * (64.0 / n) * (1.0 + n / 9000.0) * 900.0 * DAY_S))
            .collect()
    };
    Chart::Lines(Lines {
        title: "Time to train over devices".to_string(),
        x: Axis {
            label: "devices".to_string(),
            kind: Kind::Plain(0),
            log: true,
        },
        y: Axis {
            label: "time".to_string(),
            kind: Kind::Duration,
            log: true,
        },
        series: vec![
            ("H100".to_string(), points(1.0)),
            ("H200".to_string(), points(0.82)),
            ("A100".to_string(), points(2.6)),
        ],
        fill: false,
    })
}

fn loss() -> Chart {
    let points = |floor: f64| {
        (1..=60)
            .map(|i| (f64::from(i) * 0.25e12, floor + 5.0 / f64::from(i).powf(0.6)))
            .collect()
    };
    Chart::Lines(Lines {
        title: "Predicted loss".to_string(),
        x: Axis {
            label: "tokens".to_string(),
            kind: Kind::Si("tokens"),
            log: false,
        },
        y: Axis {
            label: "loss".to_string(),
            kind: Kind::Plain(2),
            log: false,
        },
        series: vec![("70 B".to_string(), points(1.7)), ("7 B".to_string(), points(1.9))],
        fill: false,
    })
}

/// One of every block.
pub(crate) fn document() -> Document {
    let cards = vec![
        KeyValue::new("Time to train", Cell::quantity(78.4 * DAY_S, Kind::Duration))
            .note("p05 .. p95: 74.1 .. 85.0 days")
            .answer(),
        KeyValue::new("Cost", Cell::quantity(3.91e6, Kind::Usd))
            .note("2.30 USD per device-hour")
            .answer(),
        KeyValue::new("Energy", Cell::quantity(1.286e6 * 3.6e6, Kind::Energy)).note("PUE 1.21"),
        KeyValue::new("Carbon", Cell::quantity(444e3, Kind::Carbon)).note("location-based"),
    ];
    let facts = vec![
        KeyValue::new("Model", "llama3-70b".into()),
        KeyValue::new("Step time", Cell::quantity(6.412_345, Kind::Duration)),
        KeyValue::new("Model FLOP", Cell::quantity(6.6e24, Kind::Si("FLOP"))),
        KeyValue::new("Spare nodes", Cell::Missing).note("not given"),
    ];
    let warnings = vec![
        Warning {
            message: "70 of 141 GiB are used".to_string(),
            help: Some("a micro-batch of 4 fits and is 3 % faster".to_string()),
        },
        Warning {
            message: HOSTILE.to_string(),
            help: None,
        },
    ];
    let answer = vec![
        Span::plain("Training takes "),
        Span::strong("78.4 days"),
        Span::plain(" on 1,024 devices. The network between nodes is what limits it; twice the bandwidth would save 0.62 MUSD."),
    ];
    Document {
        title: "Llama 3 70B on 1,024 H200".to_string(),
        subtitle: "Plan for 15.6 T tokens, offer of 2026-05".to_string(),
        blocks: vec![
            Block::KeyValues(cards),
            Block::Paragraph(answer),
            Block::Warnings(warnings),
            Block::Heading("One step".to_string()),
            Block::KeyValues(facts),
            Block::Chart(parts()),
            Block::Heading("Choices".to_string()),
            Block::Table(layouts()),
            Block::Chart(swings()),
            Block::Chart(curve()),
            Block::Chart(loss()),
        ],
        provenance: "exaplan 0.1.0, catalog 3f9a12c0, scenario 77ab01de, seed 1, no overrides".to_string(),
    }
}
