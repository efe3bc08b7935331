//! Figures of what a process of the tests can't be made to meet.

use crate::bench::Bench;

/// Goal: what the kernel and the mesh had no room for is counted, and costs nobody their connection.
#[test]
fn a_lack_of_room_is_counted() {
    let mut bench = Bench::new(1);
    let client = bench.join(0, "/ws/room");
    for _ in 0..2 {
        bench.starve(client);
        bench.settle();
    }
    bench.shards[0].message_parked();
    bench.shards[0].publish_overflows(2);
    bench.shards[0].publish_overflows(3);
    bench.shards[0].publish_gauges();
    let metrics = &bench.metrics[0];
    assert_eq!(metrics.receive_no_buffers.get(), 2);
    assert_eq!(metrics.mesh_parked.get(), 1);
    assert_eq!(metrics.completion_overflows.get(), 3, "a total");
    assert_eq!(metrics.sessions.get(), 1);
}
