//! Ranks that launchers start: several processes over loopback, without any device.

use super::{Ran, command, exaplan, ran};
use std::net::TcpListener;
use std::process::{Child, Stdio};

fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

/// A rank with these variables.
fn start(arguments: &[&str], variables: &[(&str, String)]) -> Child {
    command(arguments)
        .envs(variables.iter().map(|(k, v)| (*k, v.clone())))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

const ARGUMENTS: [&str; 5] = ["bench", "ranks", "--patience", "30s", "--json"];

/// As `torchrun` starts them.
fn torchrun(rank: usize, world: usize, port: &str, token: &str) -> Vec<(&'static str, String)> {
    vec![
        ("RANK", rank.to_string()),
        ("WORLD_SIZE", world.to_string()),
        ("LOCAL_RANK", rank.to_string()),
        ("MASTER_ADDR", "127.0.0.1".to_string()),
        ("EXAPLAN_PORT", port.to_string()),
        ("EXAPLAN_TOKEN", token.to_string()),
    ]
}

fn wait(children: Vec<Child>) -> Vec<Ran> {
    children.into_iter().map(|c| ran(c.wait_with_output().unwrap())).collect()
}

#[test]
fn ranks_of_every_launcher_meet() {
    let port = free_port();
    let torch = (0..4).rev().map(|r| start(&ARGUMENTS, &torchrun(r, 4, &port, "secret"))).collect();
    let done = wait(torch);
    assert!(done.iter().all(|d| d.code == 0), "{}", done[3].stderr);
    let json = done[3].json();
    assert_eq!(
        (json["schema"].as_str(), json["world"].as_u64()),
        (Some("exaplan.bench-ranks/1"), Some(4))
    );
    let ranks = json["ranks"].as_array().unwrap();
    let numbers: Vec<u64> = ranks.iter().map(|r| r["place"]["rank"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    assert!(
        ranks
            .iter()
            .all(|r| r["place"]["launcher"] == "torchrun" && r["id"] == ranks[0]["id"])
    );
    assert!(done[..3].iter().all(|d| d.stdout.is_empty()));

    let port = free_port();
    let mpi = |rank: usize| {
        vec![
            ("OMPI_COMM_WORLD_RANK", rank.to_string()),
            ("OMPI_COMM_WORLD_SIZE", "2".to_string()),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2".to_string()),
            ("OMPI_COMM_WORLD_LOCAL_RANK", rank.to_string()),
            ("EXAPLAN_PORT", port.clone()),
        ]
    };
    let done = wait((0..2).map(|r| start(&ARGUMENTS, &mpi(r))).collect());
    assert_eq!(done[0].json()["ranks"][1]["place"]["launcher"], "Open MPI");

    let port = free_port();
    let slurm = |rank: usize| {
        vec![
            ("SLURM_PROCID", rank.to_string()),
            ("SLURM_STEP_NUM_TASKS", "2".to_string()),
            ("SLURM_LOCALID", rank.to_string()),
            ("SLURM_STEP_NODELIST", "127.0.0.1".to_string()),
            ("EXAPLAN_PORT", port.clone()),
        ]
    };
    let done = wait((0..2).map(|r| start(&ARGUMENTS, &slurm(r))).collect());
    assert_eq!(done[0].json()["ranks"][1]["place"]["launcher"], "Slurm");
}

#[test]
fn a_wrong_token_or_a_missing_rank_ends_in_time_and_is_named() {
    let port = free_port();
    let short = ["bench", "ranks", "--patience", "3s"];
    let children = vec![
        start(&short, &torchrun(0, 4, &port, "secret")),
        start(&short, &torchrun(1, 4, &port, "secret")),
        start(&short, &torchrun(2, 4, &port, "guess")),
    ];
    let begin = std::time::Instant::now();
    let done = wait(children);
    assert!(begin.elapsed().as_secs() < 25, "{:?}", begin.elapsed());
    let leader = &done[0];
    assert!(
        leader.code != 0 && leader.stderr.contains("rank 2, 3 of 4 did not come"),
        "{}",
        leader.stderr
    );
    assert!(leader.stderr.contains("refused"), "{}", leader.stderr);
    // One that was let in hears that nothing came of it.
    assert!(
        done[1].code != 0 && done[1].stderr.contains("rank 0 says nothing"),
        "{}",
        done[1].stderr
    );
    assert!(done[2].code == 2 && done[2].stderr.contains("EXAPLAN_TOKEN"), "{}", done[2].stderr);
}

#[test]
fn mistakes_are_told_before_anybody_waits() {
    let none = exaplan(&["bench", "ranks"]);
    assert!(none.code == 2 && none.stderr.contains("torchrun"), "{}", none.stderr);
    let say = |variables: &[(&str, String)]| wait(vec![start(&ARGUMENTS, variables)]).remove(0);
    let mut far = torchrun(1, 2, "1234", "");
    far[3].1 = "192.0.2.1".to_string();
    let outcome = say(&far);
    assert!(outcome.code == 2 && outcome.stderr.contains("need a token"), "{}", outcome.stderr);
    let mut wrong = torchrun(1, 2, "1234", "x");
    wrong[0].1 = "two".to_string();
    let outcome = say(&wrong);
    assert!(outcome.code == 2 && outcome.stderr.contains("RANK is `two`"), "{}", outcome.stderr);
    let mut bind = torchrun(0, 2, "1234", "x");
    bind.push(("EXAPLAN_BIND", "eth0".to_string()));
    let outcome = say(&bind);
    assert!(outcome.code == 2 && outcome.stderr.contains("EXAPLAN_BIND"), "{}", outcome.stderr);
    let patience = exaplan(&["bench", "ranks", "--patience", "soon"]);
    assert!(
        patience.code == 2 && patience.stderr.contains("--patience soon"),
        "{}",
        patience.stderr
    );
}

#[cfg(feature = "cuda")]
#[test]
fn without_a_driver_the_cuda_backend_says_what_is_missing() {
    let doctor = exaplan(&["bench", "doctor", "--python", "no-such-python", "--json"]).json();
    let backends = doctor["backends"].as_array().unwrap();
    let cuda = backends.iter().find(|b| b["backend"] == "cuda").unwrap();
    let libraries: Vec<&str> = doctor["cuda"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["name"].as_str().unwrap())
        .collect();
    assert_eq!(libraries, ["driver", "NVRTC", "cuBLASLt", "NCCL", "NVML"]);
    assert!(doctor["never_run"].as_str().unwrap().contains("has ever run on a device"));
    let list = exaplan(&["bench", "list"]);
    assert!(list.code == 0 && list.stdout.contains("\ncuda "), "{}", list.stdout);
    if cuda["present"] == true {
        return;
    }
    let why = cuda["missing"].as_str().unwrap();
    assert!(!why.is_empty() && list.stdout.contains("not here"), "{why}");
    let run = exaplan(&["bench", "run", "--backend", "cuda", "--budget", "1s"]);
    assert!(
        run.code == 2 && run.stderr.contains("not here") && run.stderr.contains("--backend torch"),
        "{}",
        run.stderr
    );
    let mut far = command(&["bench", "run", "--backend", "cuda"]);
    far.envs(torchrun(1, 2, "1", "x"));
    let follower = ran(far.output().unwrap());
    assert!(follower.code != 0 && !follower.stderr.contains("panicked"), "{}", follower.stderr);
    let wrong = exaplan(&["bench", "doctor", "--compile", "hopper"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("sm_90"), "{}", wrong.stderr);
}
