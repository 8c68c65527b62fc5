use exaplan::layout::{Breadth, Choice};
use exaplan::search::{Options, search};
use exaplan::{Catalog, Scenario};
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (mut s, _) = Scenario::load(&args[1], &args[4..].to_vec(), Catalog::builtin()).unwrap();
    s.choice = Choice::default();
    let breadth = if args[2] == "all" { Breadth::All } else { Breadth::Usual };
    let exhaustive = args[3] == "ex";
    let o = Options { breadth, exhaustive, front_within: args[3].parse().unwrap_or(f64::INFINITY), n_best: 20, ..Options::default() };
    for _ in 0..1 {
        let t = Instant::now();
        let f = search(&s, &o);
        let e = t.elapsed().as_secs_f64();
        println!("{:.3}s considered {} evaluated {} bounded {} fit {} | {:.2} M considered/s {:.2} M eval/s | best {} {:.4} front {}", e, f.n_considered, f.n_evaluated, f.n_bounded, f.n_evaluated, f.n_considered as f64/e/1e6, f.n_evaluated as f64/e/1e6, f.best[0].layout, f.best[0].step_time_s, f.pareto.len());
    }
}
