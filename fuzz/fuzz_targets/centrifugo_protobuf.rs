//! Runs `fanring_fuzz::centrifugo_protobuf` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fanring_fuzz::centrifugo_protobuf(data));
