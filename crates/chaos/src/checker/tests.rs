//! Each kind of violation, planted and found; and a clean history, which passes.

use prepnexus_storage::Token;

use super::{Fenced, Rows, availability, check};
use crate::history::{History, Key, Kind, Op, Outcome};

const KEY: Key = Key { client: 1, seq: 1 };

fn token(timeline: u32, position: u64) -> Option<Token> {
    Some(Token {
        system_id: 7,
        timeline,
        position,
    })
}

fn op(kind: Kind, at_us: u64, value: i64, token: Option<Token>) -> Op {
    Op {
        kind,
        client: KEY.client,
        key: None,
        attempt: 1,
        cluster: 0,
        intended_us: at_us,
        invoked_us: at_us,
        completed_us: at_us + 5,
        outcome: Outcome::Acknowledged,
        sent: None,
        token,
        value: Some(value),
        by_replica: Some(false),
        port: Some(5_432),
    }
}

fn write(seq: u32, at_us: u64, outcome: Outcome) -> Op {
    let client = KEY.client;
    Op {
        key: Some(Key { client, seq }),
        outcome,
        ..op(Kind::Write, at_us, seq.into(), token(1, at_us))
    }
}

fn read(at_us: u64, sent: Option<Token>, value: i64) -> Op {
    Op {
        sent,
        ..op(Kind::ReadToken, at_us, value, token(1, at_us))
    }
}

fn rows(seqs: &[u32], bumps: i64) -> Rows {
    let client = KEY.client;
    Rows {
        ids: seqs.iter().map(|seq| Key { client, seq: *seq }).collect(),
        registers: [(client, bumps)].into(),
    }
}

fn history(ops: Vec<Op>) -> History {
    History {
        ops,
        events: Vec::new(),
    }
}

fn failed() -> Outcome {
    Outcome::Failed {
        unavailable: true,
        error: "no primary".into(),
    }
}

fn unknown() -> Outcome {
    Outcome::Unknown {
        error: "lost during COMMIT".into(),
    }
}

#[test]
fn a_clean_history_passes() {
    let repeated = Op {
        attempt: 2,
        ..write(2, 40, Outcome::Acknowledged)
    };
    let clean = history(vec![
        write(1, 10, Outcome::Acknowledged),
        read(20, token(1, 10), 1),
        write(2, 30, unknown()),
        repeated,
        read(50, token(1, 40), 2),
        write(3, 60, failed()),
    ]);
    let fenced = Fenced {
        rows: rows(&[1], 1),
        port: 1,
        since_us: 25,
    };
    let verdict = check(&clean, &rows(&[1, 2], 2), Some(&fenced));
    assert_eq!(verdict.violations(), 0, "{verdict:?}");
}

#[test]
fn an_acknowledged_write_that_is_not_there_is_lost() {
    let ops = vec![
        write(1, 10, Outcome::Acknowledged),
        write(2, 20, Outcome::Acknowledged),
    ];
    let verdict = check(&history(ops), &rows(&[2], 1), None);
    assert_eq!((verdict.lost, verdict.duplicates), (vec![KEY], vec![]));
}

#[test]
fn a_row_that_is_there_twice_is_a_duplicate_and_so_is_a_bump_too_many() {
    let ops = history(vec![write(1, 10, Outcome::Acknowledged)]);
    for twice in [rows(&[1, 1], 1), rows(&[1], 2)] {
        assert_eq!(check(&ops, &twice, None).duplicates, [KEY]);
    }
}

#[test]
fn a_write_that_was_refused_and_is_there_is_found() {
    let verdict = check(&history(vec![write(1, 10, failed())]), &rows(&[1], 1), None);
    assert_eq!(verdict.denied_but_there, [KEY]);
    // Not so one that may have been done.
    let maybe = history(vec![write(1, 10, unknown()), write(1, 20, failed())]);
    let verdict = check(&maybe, &rows(&[1], 1), None);
    assert_eq!(
        (verdict.denied_but_there, verdict.unresolved),
        (vec![], vec![KEY])
    );
}

#[test]
fn a_row_on_the_fenced_server_alone_is_a_ghost_if_it_was_written_after_the_new_primary_was_known() {
    let ops = history(vec![
        write(1, 10, Outcome::Acknowledged),
        write(2, 90, Outcome::Acknowledged),
    ]);
    let fenced = Fenced {
        rows: rows(&[1, 2], 2),
        port: 9,
        since_us: 50,
    };
    let verdict = check(&ops, &rows(&[], 0), Some(&fenced));
    assert_eq!(verdict.ghosts, [Key { seq: 2, ..KEY }]);
    assert_eq!(check(&ops, &rows(&[1, 2], 2), Some(&fenced)).ghosts, []);
}

#[test]
fn what_the_fenced_server_served_is_counted() {
    let ops = history(vec![read(40, None, 1), read(60, None, 1)]);
    let fenced = Fenced {
        rows: Rows::default(),
        port: 5_432,
        since_us: 50,
    };
    assert_eq!(
        check(&ops, &Rows::default(), Some(&fenced)).served_by_fenced,
        1
    );
}

#[test]
fn a_read_that_misses_the_write_of_its_token_is_stale() {
    let ops = vec![
        write(1, 10, Outcome::Acknowledged),
        read(20, token(1, 10), 0),
    ];
    let verdict = check(&history(ops), &rows(&[1], 1), None);
    assert_eq!(
        (verdict.stale_reads.len(), verdict.backward_reads.len()),
        (1, 0)
    );
    assert_eq!(
        (verdict.stale_reads[0].floor, verdict.stale_reads[0].shown),
        (1, 0)
    );
}

#[test]
fn a_read_that_shows_less_than_the_one_before_goes_backward() {
    // The write's token was never learned: only the first read obliges the second.
    let untold = Op {
        token: None,
        ..write(1, 10, Outcome::Acknowledged)
    };
    let ops = vec![untold, read(20, token(1, 5), 1), read(30, token(1, 20), 0)];
    let verdict = check(&history(ops), &rows(&[1], 1), None);
    assert_eq!(
        (verdict.stale_reads.len(), verdict.backward_reads.len()),
        (0, 1)
    );
}

#[test]
fn a_token_refused_is_counted_and_begins_the_chain_anew() {
    let refused = Op {
        outcome: Outcome::TokenRefused,
        value: None,
        ..read(20, token(1, 10), 0)
    };
    let ops = vec![
        write(1, 10, Outcome::Acknowledged),
        refused,
        read(30, None, 0),
        read(40, token(2, 30), 0),
    ];
    let verdict = check(&history(ops), &rows(&[1], 1), None);
    assert_eq!((verdict.violations(), verdict.tokens_refused), (0, 1));
}

#[test]
fn a_token_of_a_lost_history_that_is_silently_honoured_is_found() {
    let newer = Op {
        token: token(2, 15),
        ..read(20, token(1, 10), 0)
    };
    let ops = vec![write(1, 10, Outcome::Acknowledged), newer];
    assert_eq!(
        check(&history(ops), &rows(&[1], 1), None).stale_reads.len(),
        1
    );
}

#[test]
fn availability_counts_first_attempts_in_the_window() {
    let repeat = Op {
        attempt: 2,
        ..write(1, 30, Outcome::Acknowledged)
    };
    let ops = history(vec![
        write(1, 10, unknown()),
        repeat,
        write(2, 40, Outcome::Acknowledged),
        write(3, 99, failed()),
    ]);
    assert_eq!(availability(&ops, Kind::Write, 0, 99), Some(0.5));
    assert_eq!(availability(&ops, Kind::ReadAny, 0, 99), None);
}

#[test]
fn a_history_can_be_kept() {
    let kept = history(vec![write(1, 10, unknown()), read(20, None, 1)]);
    let text = serde_json::to_string(&kept).unwrap();
    assert_eq!(serde_json::from_str::<History>(&text).unwrap(), kept);
}
