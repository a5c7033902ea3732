#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloakroom::fuzzing::bytes_are_refused_or_written_again_as_they_are(data));
