//! Runs `fanring_fuzz::message` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanring_fuzz::message(data));
