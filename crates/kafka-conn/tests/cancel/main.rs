//! Every public future can be dropped at any await point without harm.
//!
//! ```text
//!  sources ── syn ──► names of public futures ══ must equal ══ names in the table
//!  row of the table ──► a world of its own ──► poll n times, drop ──► what it was about still works, exactly
//!                              ▲                                        │
//!                              └──────────── n + 1, until it completes ─┘
//! ```
//!
//! A row is a name and what to do: make a world, hand the future to [`dropped_after`], and check afterwards that
//! nothing was harmed. It returns whether the future completed.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod conn;
mod connection;
mod dialer;
mod inventory;
mod sasl;
mod transport;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use kafka_conn::{Conn, Connection};
use support::broker::Brokers;

/// A public future, and how it is dropped.
struct Row {
    name: &'static str,
    clock: Clock,
    run: fn(usize) -> Pin<Box<dyn Future<Output = bool>>>,
}

/// Which time a row runs on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// Time that jumps when nothing else is to be done: for streams in memory.
    Virtual,
    /// For sockets, which a clock that jumps would outrun.
    Real,
}

/// `row!("Type::function", |polls| { …; dropped_after(polls, future).await; …; completed })`
macro_rules! row {
    ($name:literal, |$polls:ident| $body:block) => {
        crate::row!($name, crate::Clock::Virtual, |$polls| $body)
    };
    ($name:literal, $clock:expr, |$polls:ident| $body:block) => {
        crate::Row { name: $name, clock: $clock, run: |$polls| Box::pin(async move { $body }) }
    };
}
use row;

fn rows() -> Vec<Row> {
    let mut rows = connection::rows();
    rows.extend(client::rows());
    rows.extend(conn::rows());
    rows.extend(dialer::rows());
    rows.extend(transport::rows());
    rows.extend(client::rows());
    rows.extend(sasl::rows());
    rows
}

#[test]
fn the_table_has_every_public_future() {
    let expected = inventory::public_futures();
    let rows: BTreeSet<_> = rows().iter().map(|row| row.name.to_owned()).collect();
    let missing: Vec<_> = expected.difference(&rows).collect();
    assert!(
        missing.is_empty(),
        "these public futures have no row: {missing:#?}\nadd one for each to a file of tests/cancel, as in \
         `row!(\"Conn::seek\", |polls| {{ … }})`: make a world, drop the future with `dropped_after(polls, …)`, check that \
         everything still works, and return whether it completed"
    );
    let stale: Vec<_> = rows.difference(&expected).collect();
    assert!(stale.is_empty(), "these rows are of nothing that is public: {stale:#?}");
}

#[test]
fn every_public_future_can_be_dropped_at_every_poll() {
    let (rows, mut drops) = (rows(), 0);
    for row in &rows {
        let mut polls = 0;
        loop {
            // Shown when the row fails.
            eprintln!("{} dropped after {polls} polls", row.name);
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().start_paused(row.clock == Clock::Virtual).build().unwrap();
            if runtime.block_on((row.run)(polls)) {
                break;
            }
            polls += 1;
            assert!(polls < MOST_POLLS, "{} does not complete", row.name);
        }
        assert!(polls > 0, "{} completes without being polled", row.name);
        drops += polls;
    }
    eprintln!("{} futures, {drops} drops", rows.len());
}

/// Polls a future so many times at most, each time it is woken, and drops it; its output if it completed.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // Dropped right behind its last poll, not when it is woken again.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A broker with a few messages in partition 0 of `t`, and a connection to it.
async fn world() -> (Brokers, Connection) {
    let brokers = Brokers::one();
    brokers.change_log(|log| log.append_values((0..VALUES).map(|value| value.to_string())));
    let connection = brokers.dialer().dial("one").await.unwrap();
    (brokers, connection)
}

/// Calls on the connection get the answers to them, and not to others; when it is dropped, it is closed.
async fn check(brokers: &Brokers, connection: Connection) {
    let conn = Conn::bind(connection, "t", 0);
    let end = brokers.state().topics["t"][0].end;
    let (offsets, partitions) = tokio::join!(conn.read_offsets(), conn.read_partitions(&["t"]));
    assert_eq!(offsets.unwrap(), (0, end));
    assert_eq!(partitions.unwrap().len(), 2);
    drop(conn);
    brokers.until_open(0).await;
}

const VALUES: i64 = 3;
/// Several times what the longest takes.
const MOST_POLLS: usize = 200;
