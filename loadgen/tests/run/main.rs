//! The program from outside: against a server whose faults are known exactly, and against Fanring.

mod agents;
mod allowance;
mod arithmetic;
mod centrifugo;
mod dialogue;
mod faults;
mod goodbyes;
mod interrupts;
mod output;
mod pace;
mod program;
mod secure;
mod server;
mod setup;
mod targets;
mod workloads;
