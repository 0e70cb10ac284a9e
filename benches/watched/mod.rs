//! Sizes, a bag to begin with, and the built program, run and watched: what it took of time, of a core, and of memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The numbers on the command line, or these.
pub fn given_or(sizes: &[u64]) -> Vec<u64> {
    let given: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    if given.is_empty() { sizes.to_vec() } else { given }
}

/// Makes a bag of one file with this name, and takes it in to `data/data`.
pub fn one_bag(data: &Path, name: &str) {
    let tar = format!("{name}.tar");
    let made: [&[&str]; 2] =
        [&["make-bag", &tar, "--files", "1", "--size", "64"], &["-q", "--data", "data", "ingest", &tar]];
    for args in made {
        let ended = Command::new(env!("CARGO_BIN_EXE_strongroom")).args(args).current_dir(data).output();
        let ended = ended.expect("the program starts");
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

/// What a run of the program took.
#[derive(Default)]
pub struct Run {
    /// From start to end.
    pub took: Duration,
    /// Of a core.
    pub cpu: Duration,
    /// Memory at most, in KiB.
    pub most: u64,
}

/// Runs the program on the ledger and targets below `data/data`.
pub fn run(data: &Path, args: &[&str]) -> Run {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["-q", "--data", "data"])
        .args(args)
        .current_dir(data)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut run = Run::default();
    loop {
        if let Some(ended) = child.try_wait().expect("a child can be waited for") {
            assert!(ended.success(), "{args:?}");
            return Run { took: started.elapsed(), ..run };
        }
        run.most = run.most.max(peak(child.id()).unwrap_or(0));
        run.cpu = run.cpu.max(cpu(child.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The most memory a process has had so far, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Time of a core that a process has had so far, by ticks of a hundredth of a second.
fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>());
    Some(Duration::from_millis(ticks.sum::<Result<u64, _>>().ok()? * 10))
}
