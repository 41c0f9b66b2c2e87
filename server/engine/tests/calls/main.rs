//! Whole calls through the engine in virtual time: each test is a call flow with scripted peers.
//!
//! `world` holds the engine, the clock and a media worker made of data; `peers` the callers and
//! phones. Every test ends in `World::quiet` or `World::record`: nothing is left over, and each
//! call has exactly one record.

mod peers;
mod world;

mod anonymisation;
mod chaos;
mod direct;
mod flows;
mod flows_digits;
mod flows_ends;
mod flows_queue;
mod found;
mod handing_on;
mod holding;
mod in_dialog;
mod lines;
mod mobile;
mod offers;
mod outside;
mod outside_agents;
mod overflow;
mod policies;
mod queue;
mod refusals;
mod release;
mod routes;
mod sign_in;
mod star;
mod supervision;
mod telephones;
mod waiting;
