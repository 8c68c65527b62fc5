use exaplan::{catalog::*, layout::Choice, plan::*, search::*};
fn main() {
    let sets: Vec<String> = std::env::args().skip(2).collect();
    let (mut s, _) = Scenario::load(&std::env::args().nth(1).unwrap(), &sets, Catalog::builtin()).unwrap();
    s.choice = Choice::default();
    let t = std::time::Instant::now();
    let f = search(&s, &Options::default());
    println!("{:?} considered {} evaluated {} ", t.elapsed(), f.n_considered, f.n_evaluated);
    for c in &f.best {
        println!(
            "{:.3} s {:.1} GiB tie {} {}",
            c.step_time_s,
            c.peak_bytes / 1073741824.0,
            c.tie,
            c.layout
        );
    }
    println!("{:?} {:?} pareto {}", f.rejected, f.nearest, f.pareto.len());
}
