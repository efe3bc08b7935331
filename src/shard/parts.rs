//! What a shard is made of, takes in and gives out: types that know no shard.
//!
//! Fields are each type's own. What is done to several of them at once is done beside this folder, by
//! the methods of the shard; a file there often has the name of the part that it is about.

pub(crate) mod action;
pub(crate) mod alive;
pub(crate) mod arrival;
pub(crate) mod asks;
pub(crate) mod batch;
pub(crate) mod credit;
pub(crate) mod dead;
pub(crate) mod ending;
pub(crate) mod figures;
pub(crate) mod flush;
pub(crate) mod keyring;
pub(crate) mod lease;
pub(crate) mod leases;
pub(crate) mod mail;
pub(crate) mod pressure;
pub(crate) mod queues;
pub(crate) mod report;
pub(crate) mod seats;
pub(crate) mod starved;
pub(crate) mod step;
pub(crate) mod tally;
pub(crate) mod verdict;
pub(crate) mod waiters;
pub(crate) mod watch;
