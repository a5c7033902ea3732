#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloakroom_memcached::fuzzing::an_answer_is_that_of_its_request_or_none(data));
