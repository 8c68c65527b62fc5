use exaplan::catalog::*;
use exaplan::plan::*;
fn main() {
    let c = Catalog::builtin();
    let sets: Vec<String> = std::env::args().skip(2).collect();
    let name = std::env::args().nth(1).unwrap_or("llama3-405b".into());
    let t0 = std::time::Instant::now();
    match Scenario::load(&name, &sets, c) {
        Err(e) => println!("ERR {e}"),
        Ok((s, c)) => {
            let t = std::time::Instant::now();
            match plan(&s, &c) {
                Err(e) => println!("ERR {e}"),
                Ok(p) => {
                    println!("load {:?} plan {:?} layout {} ties {}", t - t0, t.elapsed(), p.layout, p.ties.len());
                    println!(
                        "step {:.3} s tok/s/dev {:.1} mfu {:.3} TF(causal) {:.1} TF(full) {:.1}",
                        p.step.time_s,
                        p.step.tokens_per_s_per_device(),
                        p.step.mfu,
                        p.step.model_flop / p.step.time_s / p.step.n_devices / 1e12,
                        p.step.model_flop_full_attention / p.step.time_s / p.step.n_devices / 1e12
                    );
                    for (n, v) in p.step.parts.list() {
                        print!("{n} {v:.3} ");
                    }
                    println!();
                    println!("evidence {:?}", p.step.evidence);
                    let m = p
                        .step
                        .memory
                        .iter()
                        .max_by(|a, b| a.peak_bytes().total_cmp(&b.peak_bytes()))
                        .unwrap();
                    println!("mem {:?} alloc {:.2} GiB", m, m.allocated_bytes() / 1073741824.0);
                    println!("run {:?}", p.run);
                    println!("bill {:?}", p.bill);
                    for a in &p.scenario.assumptions {
                        println!("  {a:?}");
                    }
                    for w in exaplan::lint::warnings(&p) {
                        println!("W {w:?}");
                    }
                }
            }
        }
    }
}
