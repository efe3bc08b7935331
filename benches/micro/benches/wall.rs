//! Wall time of each subject: `cargo bench -p micro --bench wall`.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use micro::{Chat, FanOut, Hop, Room, TwoShards, check_utf8, frames, parse, text, unmask};

fn wire(c: &mut Criterion) {
    let mut group = c.benchmark_group("wire");
    for bytes in [64, 1024, 16384] {
        let payload = text(bytes);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("unmask/{bytes}"), |b| {
            let mut payload = payload.clone();
            b.iter(|| unmask(black_box(&mut payload)));
        });
        group.bench_function(format!("utf8/{bytes}"), |b| {
            b.iter(|| check_utf8(black_box(&payload)));
        });
    }
    let frames = frames();
    group.throughput(Throughput::Elements(100));
    group.bench_function("parse/100", |b| b.iter(|| parse(black_box(&frames))));
    group.finish();
}

fn room(c: &mut Criterion) {
    let mut group = c.benchmark_group("room");
    group.throughput(Throughput::Elements(100));
    group.bench_function("append/100", |b| {
        b.iter_batched_ref(Room::new, Room::append, BatchSize::SmallInput);
    });
    let room = Room::new();
    group.bench_function("ranges/100", |b| b.iter(|| black_box(&room).ranges()));
    group.finish();
}

fn shard(c: &mut Criterion) {
    let mut group = c.benchmark_group("shard");
    for subscribers in [2, 20, 1_000, 10_000] {
        group.throughput(Throughput::Elements(subscribers as u64));
        let mut fan_out = FanOut::new(subscribers);
        group.bench_function(format!("fan-out/{subscribers}"), |b| {
            b.iter(|| fan_out.message());
        });
    }
    for clients in [2, 20, 1_000] {
        group.throughput(Throughput::Elements(clients as u64));
        let mut chat = Chat::new(clients);
        group.bench_function(format!("json/{clients}"), |b| b.iter(|| chat.message()));
    }
    // Ten members on each shard, and nobody is sent his own message.
    group.throughput(Throughput::Elements(19));
    let mut two = TwoShards::new(10);
    group.bench_function("publish/two-shards", |b| b.iter(|| two.message()));
    group.finish();
    let mut group = c.benchmark_group("mesh");
    group.throughput(Throughput::Elements(100));
    let mut hop = Hop::new();
    group.bench_function("hop/100", |b| b.iter(|| hop.hundred()));
    group.finish();
}

criterion_group!(benches, wire, room, shard);
criterion_main!(benches);
