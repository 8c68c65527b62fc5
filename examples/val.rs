// usage: val < rows as TOML scenario separated by \x1e with id measured on first line
use exaplan::catalog::*;
use exaplan::plan::*;
use std::io::Read;
fn main() {
    let mut s = String::new();
    std::io::stdin().read_to_string(&mut s).unwrap();
    for block in s.split('\u{1e}') {
        let block = block.trim();
        if block.is_empty() {
            continue;
        }
        let (head, text) = block.split_once('\n').unwrap();
        let o = std::sync::Arc::new(exaplan::error::Origin {
            name: head.into(),
            text: text.into(),
        });
        match Scenario::parse(&o, &[], Catalog::builtin()) {
            Err(e) => println!("{head}\tERR\t{}", e.to_string().replace('\n', " | ")),
            Ok((sc, c)) => {
                let opts = exaplan::search::Options::default();
                let f = exaplan::search::search(&sc, &opts);
                let (lay, fits) = match f.best.first() {
                    Some(b) => (Some(b.layout), true),
                    None => (None, false),
                };
                match lay {
                    None => println!("{head}\tNOFIT\t{:?} {:?}", f.rejected, f.nearest),
                    Some(l) => {
                        let p = evaluate(&sc, &c, l);
                        let m = p
                            .step
                            .memory
                            .iter()
                            .max_by(|a, b| a.allocated_bytes().total_cmp(&b.allocated_bytes()))
                            .unwrap();
                        print!(
                            "{head}\tOK\t{:.4}\t{:.3}\t{:.3}\t{}\t{}",
                            p.step.time_s,
                            p.step.tokens_per_s_per_device(),
                            m.allocated_bytes() / 1073741824.0,
                            fits,
                            l
                        );
                        for (n, v) in p.step.parts.list() {
                            print!("\t{n}={:.1}%", 100.0 * v / p.step.time_s);
                        }
                        println!();
                    }
                }
            }
        }
    }
}
