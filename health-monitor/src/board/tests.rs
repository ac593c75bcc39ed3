use std::time::Duration;

use stamps::{
    fixtures,
    verdict::{Phase, Strip},
};

use super::*;

const REFUSED: Failure = Failure { class: FailureClass::Refused, phase: Phase::Connect };

fn stamps() -> Stamps {
    fixtures::fleet(2, 1).stamps
}

/// A sighted board of two stamps, with weu-1 to be probed.
fn board() -> (Board, Target) {
    let board = Board::default();
    let changes = board.adopt(&stamps());
    board.set_sight(Sight::Sighted);
    let target = changes.started.into_iter().find(|target| target.stamp.name.as_str() == "weu-1").unwrap();
    (board, target)
}

fn record(board: &Board, target: &Target, outcomes: impl IntoIterator<Item = Outcome>) {
    outcomes.into_iter().for_each(|outcome| board.record(target, outcome));
}

/// Whether the board has news, which are taken.
async fn news(board: &Board) -> bool {
    tokio::time::timeout(Duration::ZERO, board.news()).await.is_ok()
}

#[test]
fn ticks_become_a_strip_with_totals() {
    let (board, target) = board();
    record(&board, &target, [Outcome::Good, Outcome::Bad(REFUSED), Outcome::prober_error(Phase::Connect)]);
    board.missed(&target, 2);
    let sample = board.sample("weu-1");
    assert_eq!(sample.strip, Strip { known: 0b11000, good: 0b10000 });
    assert_eq!((sample.good_total, sample.all_total), (1, 2));
    assert_eq!(sample.last_failure, Some(REFUSED), "our own trouble does not hide the stamp's");
}

#[test]
fn a_pass_needs_a_full_good_window() {
    let (board, target) = board();
    record(&board, &target, [Outcome::Good; 4]);
    record(&board, &target, [Outcome::Bad(REFUSED)]);
    record(&board, &target, [Outcome::Good; 4]);
    assert!(!board.sample("weu-1").ever_passed);
    record(&board, &target, [Outcome::prober_error(Phase::Dns), Outcome::Good]);
    assert!(board.sample("weu-1").ever_passed);
    record(&board, &target, [Outcome::Bad(REFUSED); 64]);
    assert!(board.sample("weu-1").ever_passed);
}

#[test]
fn what_a_blind_vantage_sees_is_unknown() {
    let (board, target) = board();
    board.set_sight(Sight::Blind);
    record(&board, &target, [Outcome::Good, Outcome::Bad(REFUSED)]);
    let sample = board.sample("weu-1");
    assert_eq!((sample.strip, sample.last_failure), (Strip::default(), None));
    assert_eq!(board.content().unwrap().sight, Sight::Blind);
}

#[test]
fn another_question_starts_anew() {
    let (board, target) = board();
    record(&board, &target, [Outcome::Good; 6]);
    let mut stamps = stamps();
    let stamp = stamps.get_mut(&target.stamp.name).unwrap();
    stamp.capacity.units = 7;
    assert!(board.adopt(&stamps).started.is_empty(), "capacity is no question");
    stamps.get_mut(&target.stamp.name).unwrap().probes[0].port = 9;
    let changes = board.adopt(&stamps);
    assert_eq!((changes.started.len(), changes.ended), (1, vec![target.stamp.name.clone()]));
    let sample = board.sample("weu-1");
    assert_eq!((sample.strip, sample.ever_passed, sample.all_total), (Strip::default(), false, 6));
    record(&board, &target, [Outcome::Good]);
    assert_eq!(board.sample("weu-1").strip, Strip::default(), "the old question's answer is late");
}

#[tokio::test]
async fn only_changed_bits_are_news() {
    let (board, target) = board();
    assert!(news(&board).await);
    record(&board, &target, [Outcome::Good; 64]);
    assert!(news(&board).await);
    record(&board, &target, [Outcome::Good; 10]);
    assert!(!news(&board).await, "a steady strip");
    record(&board, &target, [Outcome::Bad(REFUSED)]);
    assert!(news(&board).await);
    board.set_sight(Sight::Sighted);
    assert!(!news(&board).await);
    board.set_sight(Sight::Blind);
    assert!(news(&board).await);
}

#[test]
fn a_restart_goes_on_where_the_same_questions_are_asked() {
    let (before, target) = board();
    record(&before, &target, [Outcome::Good; 6]);
    record(&before, &target, [Outcome::Bad(REFUSED)]);
    let old = before.content().unwrap();

    let (after, target) = board();
    record(&after, &target, [Outcome::Bad(REFUSED)]);
    assert!(after.restore(&old.stamps_hash, &old.body, &old.definitions));
    let sample = after.sample("weu-1");
    assert!(sample.ever_passed);
    assert_eq!((sample.strip.known, sample.good_total, sample.all_total), (1, 6, 8));

    let (other, _) = board();
    assert!(!other.restore(&old.stamps_hash, &old.body, "0000000000000000"));
    assert!(!other.restore("0000000000000000", &old.body, &old.definitions));
    assert!(!other.sample("weu-1").ever_passed);
}

#[test]
fn nothing_is_reported_before_the_stamps_are_known() {
    assert_eq!(Board::default().content(), None);
}
