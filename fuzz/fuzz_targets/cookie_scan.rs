#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloakroom::fuzzing::scan_finds_what_a_naive_reading_finds(data));
