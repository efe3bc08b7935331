//! Runs `fanring_fuzz::centrifugo_json` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanring_fuzz::centrifugo_json(data));
