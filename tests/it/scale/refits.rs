//! Published points, refitted.

use crate::support::root;
use exaplan::scale::verify::verify;

#[test]
fn published_points_give_what_their_authors_printed() {
    let done = verify(&root().join("tests/data/scaling"), false, &|| ()).unwrap();
    let missed: Vec<String> = done.missed().map(|c| format!("{c:?}")).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert_eq!(
        done.absent,
        ["Chinchilla"],
        "points without a licence are not part of the repository"
    );
    assert!(done.checks.len() >= 40, "{}", done.checks.len());
}
