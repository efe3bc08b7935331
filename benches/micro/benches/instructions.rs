//! Instructions of each subject, counted by Callgrind; scripts/instructions.sh compares them with the record.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "the macros make items of their own"
)]

use std::hint::black_box;

use gungraun::prelude::*;
use micro::{Chat, FanOut, Hop, Room, TwoShards, check_utf8, frames, parse, text, unmask};

#[library_benchmark]
#[bench::bytes_64(text(64))]
#[bench::bytes_16384(text(16384))]
fn unmask_payload(mut payload: Vec<u8>) -> Vec<u8> {
    unmask(black_box(&mut payload));
    payload
}

#[library_benchmark]
#[bench::bytes_64(text(64))]
#[bench::bytes_16384(text(16384))]
fn check_payload(payload: Vec<u8>) -> (bool, Vec<u8>) {
    (check_utf8(black_box(&payload)), payload)
}

#[library_benchmark]
#[bench::hundred(frames())]
fn parse_frames(frames: Vec<u8>) -> (usize, Vec<u8>) {
    (parse(black_box(&frames)), frames)
}

#[library_benchmark]
#[bench::hundred(Room::new())]
fn append(mut room: Room) -> Room {
    black_box(&mut room).append();
    room
}

#[library_benchmark]
#[bench::hundred(Room::new())]
fn ranges(room: Room) -> (usize, Room) {
    (black_box(&room).ranges(), room)
}

/// The first message grows the buffers.
fn warm(subscribers: usize) -> FanOut {
    let mut fan_out = FanOut::new(subscribers);
    fan_out.message();
    fan_out
}

#[library_benchmark]
#[bench::to_2(warm(2))]
#[bench::to_20(warm(20))]
#[bench::to_10000(warm(10_000))]
fn fan_out(mut fan_out: FanOut) -> (usize, FanOut) {
    (black_box(&mut fan_out).message(), fan_out)
}

/// The first messages grow the buffers.
fn warm_chat(clients: usize) -> Chat {
    let mut chat = Chat::new(clients);
    for _ in 0..4 {
        chat.message();
    }
    chat
}

#[library_benchmark]
#[bench::publish_to_2(warm_chat(2))]
#[bench::publish_to_10(warm_chat(10))]
#[bench::publish_to_20(warm_chat(20))]
fn json(mut chat: Chat) -> (usize, Chat) {
    (black_box(&mut chat).message(), chat)
}

/// Ten members on each shard; the first message grows the buffers.
fn warm_pair() -> TwoShards {
    let mut two = TwoShards::new(10);
    two.message();
    two
}

#[library_benchmark]
#[bench::two_shards(warm_pair())]
fn publish(mut two: TwoShards) -> (usize, TwoShards) {
    (black_box(&mut two).message(), two)
}

#[library_benchmark]
#[bench::hundred(Hop::new())]
fn mesh_hop(mut hop: Hop) -> (usize, Hop) {
    (black_box(&mut hop).hundred(), hop)
}

library_benchmark_group!(
    name = hot,
    benchmarks = [
        unmask_payload,
        check_payload,
        parse_frames,
        append,
        ranges,
        fan_out,
        json,
        publish,
        mesh_hop
    ]
);
main!(library_benchmark_groups = hot);
