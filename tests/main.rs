//! Tests of the whole: the real binary, real sockets, real files.
//!
//! What it is not: a copy of the unit tests beside the code.
//!
//! What surprises: a missing part (Chromium, Node) makes its test fail with the line that gets it.
//! Nothing is skipped in silence.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(clippy::panic, reason = "likewise")]

// One process of ours as a child.
mod part;
// One `headcount up` on a folder, and an HTTP client for it.
mod server;

// What the environment asks for.
mod asked;
// Numbers by chance that come again.
mod dice;
// A clock that is moved.
mod faketime;
// Waiting for what comes by itself.
mod until;
// Python packages, installed once.
mod python;
// Commands, API and dashboard through the real binary.
mod pipeline;
// What the commands say where they cannot do what was asked.
mod commands;
// Who may do what: every route by every kind of asker, networks, sessions, the admin log.
mod access;
// Notice, answer, sheet, and what a visitor is shown.
mod notice;
// kill -9, failpoints, full disks, damaged files.
mod crash;
// Erasing a site while it is counted, killed at every step.
mod erasure;
// What must not be there: non-interference, canaries.
mod privacy;
// Everything that can be asked, given to an integer solver.
mod differencing;
// Where data lives, held to what is there.
mod datamap;
// Promises of privacy policies that no other test has.
mod promises;
// Numbers with noise, for everybody.
mod publish;
// A thread of each room fails: what is said of it.
mod panics;
// An image of the process: yesterday's key and marks, core dumps, other users.
mod memory;
// The proxies of `deploy/proxy/`, live, and the doctor.
mod front;
// The canary audit that users run: it passes, and it has teeth.
mod audit;
// The published trackers of other tools: what they count, and what stays of what they send.
mod compat;
// Access logs of servers: exactly once, the same as GoAccess, nothing of them kept.
mod import;
// Headless Chromium: tracker, demo page, dashboard.
mod browser;
// The dashboard as a person sees it: pictures, axe, hostile names, weight.
mod dashboard;
// The tracker on every kind of site, request by request.
mod tracker;
// Kafka, ClickHouse and every room of a cluster as a process.
mod cluster;
// Real servers for the tests: brokers and engines.
mod services;
// The API against its own description.
mod api;
// SQL of the README and of the Grafana dashboard against both engines.
mod sql;
// Limits under attack: slow connections, invented names.
mod attack;
// The house rules of style.md.
mod tidy;
