//! What the web thread counts.

use super::tally::tally;

tally! {
    /// Answers of the web thread that were none a client hopes for, by status.
    WebRefusals as "web_refused": 400, 401, 403, 404, 405, 408, 412, 414, 416, 426, 431, 500, 503, 505
}
