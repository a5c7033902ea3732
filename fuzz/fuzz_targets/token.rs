#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloakroom::fuzzing::a_ring_reads_exactly_what_it_prints(data));
