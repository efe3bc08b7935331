//! Goal: what the web thread says to the shards arrives, whatever it does meanwhile.

use super::*;
use crate::mesh;

const MESSAGES: u64 = 5_000;

/// Goal: messages beyond what a ring holds reach their shard though nothing wakes the thread
/// meanwhile.
#[test]
fn parked_messages_arrive_while_the_thread_sleeps() {
    let (mut ends, web_end) = mesh::connect::<ToShard, ToWeb>(1).unwrap();
    let mut shard_end = ends.pop().unwrap();
    let shards = Shards {
        mesh: Rc::new(RefCell::new(web_end)),
        metrics: Arc::new([ShardMetrics::default()]),
        homes: Homes::new(1, 0),
        next_shard: Rc::default(),
        next_ticket: Rc::default(),
        is_unparking: Rc::default(),
        questions: Rc::default(),
    };
    tokio_uring::start(async move {
        for ticket in 0..MESSAGES {
            let room = "room".into();
            let question = ToShard::CountMembers {
                room,
                token: None,
                ticket,
            };
            shards.send(ShardId::new(0), question);
        }
        assert!(shards.mesh.borrow().is_congested());
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut expected = 0;
        while expected < MESSAGES {
            assert!(Instant::now() < deadline, "{expected} of {MESSAGES}");
            shard_end.inbox.receive(MESH_MESSAGES_MAX, |message| {
                let ToShard::CountMembers { ticket, .. } = message else {
                    panic!("{message:?}");
                };
                assert_eq!(ticket, expected);
                expected += 1;
            });
            tokio::time::sleep(UNPARK_INTERVAL).await;
        }
    });
}
