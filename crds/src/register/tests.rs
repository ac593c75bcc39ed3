use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct State {
    zulu: i64,
    alpha: BTreeMap<String, Vec<u8>>,
}

fn state(bytes: usize) -> State {
    let list = (0..bytes).map(|n| u8::try_from(n * n % 251).unwrap()).collect();
    State { zulu: -7, alpha: BTreeMap::from([("list".to_owned(), list)]) }
}

#[test]
fn a_small_state_is_canonical_json() {
    assert_eq!(encode(&state(2)).unwrap(), r#"{"alpha":{"list":[0,1]},"zulu":-7}"#);
}

#[test]
fn a_large_state_says_that_it_is_compressed_and_reads_back() {
    let text = encode(&state(60_000)).unwrap();
    assert!(text.starts_with("gzip+base64:"), "{}", &text[..20]);
    assert!(text.len() < 60_000);
    assert_eq!(decode::<State>(1, &text).unwrap(), state(60_000));
    assert_eq!(encode(&state(60_000)).unwrap(), text, "the same bytes for the same state");
}

#[test]
fn the_bound_between_plain_and_compressed_is_exact() {
    // Two bytes are the quotes of a JSON string.
    let largest_plain = "x".repeat(COMPRESS_ABOVE_BYTES - 2);
    assert!(encode(&largest_plain).unwrap().starts_with('"'));
    assert!(encode(&format!("{largest_plain}x")).unwrap().starts_with(COMPRESSED));
}

#[test]
fn a_newer_format_is_refused_before_it_is_read() {
    let error = decode::<State>(FORMAT_VERSION + 1, "certainly not JSON").unwrap_err();
    let newer = matches!(error, RegisterError::Newer { found, known } if (found, known) == (FORMAT_VERSION + 1, FORMAT_VERSION));
    assert!(newer, "{error}");
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&vec![b' '; 64 * JSON_MAX_BYTES]).unwrap();
    let bomb = format!("{COMPRESSED}{}", STANDARD.encode(gzip.finish().unwrap()));
    assert!(bomb.len() < JSON_MAX_BYTES / 4);
    let error = decode::<State>(1, &bomb).unwrap_err();
    assert!(matches!(error, RegisterError::TooLarge { .. }), "{error}");
}

#[test]
fn a_state_that_could_not_be_read_back_is_not_written() {
    let error = encode(&"x".repeat(JSON_MAX_BYTES)).unwrap_err();
    assert!(matches!(error, RegisterError::TooLarge { .. }), "{error}");
}

#[test]
fn broken_compression_and_broken_content_are_told_apart() {
    for text in ["gzip+base64:***", "gzip+base64:AAAA"] {
        let error = decode::<State>(1, text).unwrap_err();
        assert!(matches!(error, RegisterError::Compression(_)), "{text}: {error}");
    }
    let error = decode::<State>(1, r#"{"zulu":1}"#).unwrap_err();
    assert!(matches!(error, RegisterError::Content(_)), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_state_reads_back(
        zulu: i64,
        alpha in prop::collection::btree_map(".{0,20}", prop::collection::vec(any::<u8>(), 0..3_000), 0..12),
    ) {
        let state = State { zulu, alpha };
        prop_assert_eq!(decode::<State>(1, &encode(&state).unwrap()).unwrap(), state);
    }
}

/// A register of the first format says nothing of what came later; it is read as one in which none of it has happened.
#[test]
fn the_first_format_is_still_read() {
    let first = r#"{"fleet":"f","point":{"epoch":7,"seq":3},"leader":"a","stamps":{"weu-1":{"geode":"weu",
        "addresses":["192.0.2.1"],"buckets":4}},"routes":{},"zones":{},"doubts":{},"out":{},"runs":{},
        "outbox":{"next":0,"waiting":[],"deadLetters":0}}"#;
    let state: stamps::failover::FleetState = decode(1, first).unwrap();
    assert_eq!((state.clock_ms, state.past.len(), state.closed), (0, 0, None));
    assert_eq!(state.stamps.values().next().unwrap().change, None);
}
