#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloakroom_memcached::fuzzing::an_item_is_refused_or_written_again_as_it_was(data));
