#![no_main]
#[path = "../checks/mod.rs"]
mod checks;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|data: &[u8]| checks::tar::check(data));

// A changed header without its checksum is refused at once; most changes are given theirs, so that they are looked at.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if seed % 8 != 0 {
        checks::tar::mend(&mut data[..size]);
    }
    size
});
