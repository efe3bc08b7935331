//! Runs `fanring_fuzz::frame` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanring_fuzz::frame(data));
