//! Several servers in one run.

use crate::program::{LOAD, run};
use crate::server::{Fault, Server};

/// Goal: each of several servers is called by its own name, as a proxy or a server with several names wants it, and is
/// sent nothing of the others' rooms.
#[test]
fn each_server_is_called_by_its_name() {
    let servers = [(); 3].map(|()| Server::start(Fault::None));
    let [first, second, third] = [0, 1, 2].map(|at: usize| servers[at].address.to_string());
    let others = ["--target", &second, "--target", &third, "--rooms", "3"];
    let crowd = ["--subscribers", "9", "--publishers", "3"];
    let run = run(servers[0].address, &[&LOAD[..], &others, &crowd].concat());
    assert_eq!((run.code, run.damage()), (0, [0; 5]), "{}", run.text);
    assert_eq!(run.figure("/counts/delivered"), 70 * 3);
    for (server, name) in servers.iter().zip([first, second, third]) {
        assert_eq!(server.hosts(), [(); 4].map(|()| name.clone()));
    }
}
