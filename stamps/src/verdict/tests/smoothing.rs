use super::*;

#[test]
fn down_needs_three_bad_of_five() {
    assert_eq!(smooth("+++++"), (Voice::Up, 0));
    assert_eq!(smooth("+++++--"), (Voice::Up, 2));
    assert_eq!(smooth("+++++-+-+"), (Voice::Up, 4));
    assert_eq!(smooth("+++++-+-+-"), (Voice::Down, 0));
    assert_eq!(smooth("+++++---"), (Voice::Down, 0));
    assert_eq!(smooth("+++++-----"), (Voice::Down, 2));
}

#[test]
fn up_needs_five_good_in_a_row() {
    assert_eq!(smooth("---++++"), (Voice::Down, 4));
    assert_eq!(smooth("---+++++"), (Voice::Up, 0));
    assert_eq!(smooth("---++++-"), (Voice::Down, 5));
}

#[test]
fn too_few_ticks_say_nothing() {
    for ticks in ["", "++++", "--", "?????"] {
        assert_eq!(smooth(ticks), (Voice::Unknown, u8::try_from(ticks.replace('?', "").len()).unwrap()));
    }
}

#[test]
fn unknown_neither_counts_nor_resets() {
    assert_eq!(smooth("+++++-?-?-"), (Voice::Down, 0));
    assert_eq!(smooth("+++?++"), (Voice::Up, 0));
    assert_eq!(smooth("+++++---??--"), (Voice::Down, 2));
}

#[test]
fn a_window_of_unknown_says_nothing_and_keeps_the_clock() {
    assert_eq!(smooth("+++++---?????").0, Voice::Unknown);
    assert_eq!(smooth("+++++---?????-"), (Voice::Down, 1));
}

#[test]
fn the_clock_stops_at_the_strips_end() {
    assert_eq!(smooth(&"-".repeat(500)), (Voice::Down, STRIP_TICKS - 3));
}
