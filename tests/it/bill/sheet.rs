//! An owned cluster against `tests/data/owned_cluster.csv`, worked by hand: inputs, formulas as a
//! spreadsheet has them, and the value of each line. The formulas are worked out here once more, so
//! that the sheet is held against itself, and then the bill against the sheet, line by line.

use crate::support::{plan_text, root};
use exaplan::bill::{BillInput, Terms, bill};
use exaplan::catalog::{Finance, Money3, Node};
use exaplan::run::{Lost, Run};
use exaplan::step::{Parts, Step};

/// The lines of the sheet; the first row is its head.
struct Sheet(Vec<(String, String, f64)>);

impl Sheet {
    fn read() -> Sheet {
        let text = std::fs::read_to_string(root().join("tests/data/owned_cluster.csv")).unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let rows = reader.records().map(Result::unwrap);
        Sheet(
            rows.map(|r| (r[0].to_string(), r[1].to_string(), r[4].parse().unwrap_or(f64::NAN)))
                .collect(),
        )
    }

    /// The value of the line with this name.
    fn get(&self, line: &str) -> f64 {
        self.0
            .iter()
            .find(|(name, ..)| name == line)
            .unwrap_or_else(|| panic!("no line {line}"))
            .2
    }

    /// The value of the cell of column B in a row counted from 1.
    fn cell(&self, row: usize) -> f64 {
        let (_, formula, _) = &self.0[row - 1];
        match formula.strip_prefix('=') {
            Some(f) => Formula {
                rest: f.as_bytes(),
                sheet: self,
            }
            .sum(),
            None => formula.parse().unwrap(),
        }
    }
}

/// `+ - * / ( ) MAX(a,b)`, numbers and cells of column B.
struct Formula<'a> {
    rest: &'a [u8],
    sheet: &'a Sheet,
}

impl Formula<'_> {
    fn take(&mut self, c: u8) -> bool {
        let found = self.rest.first() == Some(&c);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn sum(&mut self) -> f64 {
        let mut value = self.product();
        loop {
            if self.take(b'+') {
                value += self.product();
            } else if self.take(b'-') {
                value -= self.product();
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> f64 {
        let mut value = self.atom();
        loop {
            if self.take(b'*') {
                value *= self.atom();
            } else if self.take(b'/') {
                value /= self.atom();
            } else {
                return value;
            }
        }
    }

    fn number(&mut self) -> f64 {
        let n = self.rest.iter().take_while(|c| c.is_ascii_digit() || **c == b'.').count();
        let (text, rest) = self.rest.split_at(n);
        self.rest = rest;
        std::str::from_utf8(text).unwrap().parse().unwrap()
    }

    fn atom(&mut self) -> f64 {
        if self.take(b'(') {
            let value = self.sum();
            assert!(self.take(b')'));
            value
        } else if self.take(b'B') {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let row = self.number() as usize;
            self.sheet.cell(row)
        } else if self.rest.starts_with(b"MAX(") {
            self.rest = &self.rest[4..];
            let a = self.sum();
            assert!(self.take(b','));
            let b = self.sum();
            assert!(self.take(b')'));
            a.max(b)
        } else {
            self.number()
        }
    }
}

#[test]
fn the_sheet_agrees_with_its_formulas() {
    let sheet = Sheet::read();
    assert!(sheet.0.len() > 70);
    for row in 2..=sheet.0.len() {
        let (line, _, written) = &sheet.0[row - 1];
        let value = sheet.cell(row);
        // Written with four decimals.
        assert!(
            (value - written).abs() <= 6e-5 + 1e-12 * value.abs(),
            "{line}: {value} against {written}"
        );
    }
}

#[test]
fn the_bill_agrees_with_the_sheet_line_by_line() {
    let sheet = Sheet::read();
    let v = |line: &str| sheet.get(line);
    let text = "model.use = \"llama-7b\"\n[training]\ntokens = \"1T\"\nsequence = 2048\nglobal_batch = \"1024 sequences\"\n\
                [cluster]\nnode = \"dgx-h100\"\nnodes = 16\nregion = \"us-average\"";
    let plan = plan_text(text, &["cost.owned=true"]).unwrap();
    let mut region = plan.scenario.region.clone();
    (region.pue, region.electricity_usd_per_kwh) = (v("PUE"), v("Electricity"));
    let price = v("Price of a node");
    let node = Node {
        n_devices: 8,
        idle_w: v("Node when idle"),
        active_w: v("Node under math"),
        max_w: v("Node nameplate"),
        price: Some(Money3 {
            low_usd: price,
            base_usd: price,
            high_usd: price,
        }),
        ..plan.scenario.cluster.node.clone()
    };
    assert_eq!(v("Devices of a node"), 8.0);
    let finance = Finance {
        life_s: v("Life") * 8766.0 * 3600.0,
        network_fraction: v("Network over servers"),
        residual_fraction: v("Left at the end"),
        capital_rate_fraction: v("Cost of capital"),
        utilization_fraction: v("Hours that earn"),
        maintenance_fraction: v("Operation and maintenance"),
        staff_usd_per_device_year: v("Staff"),
        support_fraction: v("Support"),
        colocation_usd_per_kw_month: v("Colocation"),
        network_power_fraction: v("Network power over node power"),
        storage_usd_per_gb_month: v("Object storage"),
        storage_w_per_tb: v("Power of storage"),
        egress_usd_per_gb: v("Data transfer out"),
        ..plan.scenario.finance.clone()
    };
    let hours = |line: &str| v(line) * 3600.0;
    let step = Step {
        time_s: hours("Math") + hours("Exposed communication") + hours("Bubble and waiting"),
        parts: Parts {
            math_s: hours("Math"),
            data_s: hours("Exposed communication"),
            bubble_s: hours("Bubble and waiting"),
            ..Parts::default()
        },
        ..plan.step.clone()
    };
    let lost = Lost {
        checkpoint_s: hours("Checkpoints"),
        rework_s: hours("Rework after failures"),
        restart_s: hours("Restarts"),
        detect_s: hours("Detection"),
        evaluation_s: hours("Evaluation"),
        ..Lost::default()
    };
    let wall_s = step.time_s + lost.total_s();
    let run = Run {
        n_steps: 1,
        ideal_s: step.time_s,
        wall_s,
        goodput: step.time_s / wall_s,
        lost,
        ..plan.run
    };
    let terms = Terms {
        egress_bytes: v("Data transferred out") * 1e9,
        licences_usd: v("Licences of data"),
        experiments_fraction: v("Experiments over the machine"),
        failed_runs_fraction: v("Failed runs over the machine"),
        tax_fraction: v("Taxes"),
        ..Terms::default()
    };
    let b = bill(&BillInput {
        step: &step,
        run: &run,
        total_tokens: v("Tokens"),
        checkpoint_bytes: v("Size of a checkpoint") * 1e9,
        n_nodes: v("Nodes"),
        n_spare_nodes: v("Spare nodes"),
        node: &node,
        accelerator: &plan.scenario.accelerator,
        region: &region,
        finance: &finance,
        offer: None,
        owned: true,
        terms: &terms,
    });
    let kwh = |j: f64| j / 3.6e6;
    let (e, o) = (&b.energy, b.cost.owned.unwrap());
    let lines = [
        ("Wall time", wall_s / 3600.0),
        ("Energy: math", kwh(e.math_j)),
        ("Energy: communication", kwh(e.communication_j)),
        ("Energy: bubble", kwh(e.bubble_j)),
        ("Energy: lost time", kwh(e.lost_j)),
        ("Energy: idle spares", kwh(e.idle_j)),
        ("Energy: network", kwh(e.network_j)),
        ("Energy: storage", kwh(e.storage_j)),
        ("Energy: IT", kwh(e.it_j)),
        ("Energy: at the meter", kwh(e.facility_j)),
        ("IT power to provide for", e.peak_it_w / 1e3),
        ("Purchase: servers", o.capital.servers_usd),
        ("Purchase: network", o.capital.network_usd),
        ("Purchase", o.purchase_usd),
        ("Depreciation", o.capital_usd),
        ("Cost of capital paid", o.financing_usd),
        ("Electricity paid", o.electricity_usd),
        ("Colocation paid", o.colocation_usd),
        ("Maintenance", o.maintenance_usd),
        ("Staff cost", o.staff_usd),
        ("Support cost", o.support_usd),
        ("Storage", o.storage_usd),
        ("Transfer out", o.extra.egress_usd),
        ("Experiments", o.extra.experiments_usd),
        ("Failed runs", o.extra.failed_runs_usd),
        ("Tax", o.extra.tax_usd),
        ("Total", b.cost.total_usd.unwrap()),
    ];
    for (line, got) in lines {
        let want = v(line);
        assert!((got - want).abs() <= 1e-4 + 1e-9 * want.abs(), "{line}: {got} against {want}");
    }
}
