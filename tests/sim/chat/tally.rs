//! How often what this simulation is for has happened.

use crate::counts::counts;

counts! { Tally:
    /// Clients that came into a room without a place.
    came: 20000,
    /// That came back and missed nothing.
    recovered: 20000,
    /// Those of them that had missed something.
    recovered_something: 10000,
    /// That came back and had missed what is gone.
    lost: 1500,
    /// Rooms that came to be anew when they had been forgotten.
    anew: 50,
    /// Clients that were put out of a room because they read too slowly.
    put_out: 500,
    /// Those that were turned away when they came.
    turned_away: 150,
    /// Messages that were acknowledged.
    acknowledged: 50000,
    /// That were refused.
    refused: 5000,
    /// That clients heard.
    heard: 500000,
    /// That plain members heard.
    heard_plainly: 50000,
    /// Times that a client was told who comes and goes.
    notices: 200000,
    /// Times that somebody's connection ended without a word.
    killed: 5000,
    /// Times that somebody was closed by the server.
    closed: 1000,
    /// Times that somebody left a room and came back in one message.
    returned: 2000,
    /// Answers about who is in a room.
    presence: 5000,
    /// Answers about what was said there.
    histories: 3000,
    /// Runs of the full size.
    full: 50,
}
