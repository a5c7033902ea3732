#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloakroom::fuzzing::client_ip_is_what_the_last_stranger_wrote(data));
