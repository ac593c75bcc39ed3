use std::collections::BTreeMap;

use super::*;

fn samples() -> BTreeMap<StampName, Sample> {
    let strip = Strip { known: 0xff, good: 0xf8 };
    let failing = Sample {
        strip,
        good_total: 5,
        all_total: 0x01_02_03,
        last_failure: Some(REFUSED),
        ever_passed: true,
    };
    [("neu-1".into(), Sample::default()), ("weu-1".into(), failing)].into()
}

/// The published vector, also reproduced with sha256sum and another language's base64. Whoever changes it changes
/// the format.
#[test]
fn vector() {
    let fleet = fixtures::fleet(2, 1);
    assert_eq!(list_hash(&fleet.stamps), "a1c9bad1d89e5e5b");
    let body = pack(&fleet.stamps, &samples());
    assert_eq!(body, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8AAAAAAAAA+AAABQECAxIB");
    assert_eq!(body.len(), fleet.stamps.len() * RECORD_CHARS);
}

#[test]
fn what_cannot_be_read_says_why() {
    let fleet = fixtures::fleet(2, 1);
    let (hash, body) = (list_hash(&fleet.stamps), pack(&fleet.stamps, &samples()));
    let read = |body: &str| unpack(body, &hash, &fleet.stamps);
    assert_eq!(read(&body), Ok(samples()));
    let other = unpack(&body, "0000000000000000", &fleet.stamps);
    assert!(matches!(other, Err(ReportError::OtherList { .. })), "{other:?}");
    assert_eq!(read(&body[..63]), Err(ReportError::BadLength { found: 63, expected: 64 }));
    assert!(matches!(read(&body.replace('+', "!")), Err(ReportError::NotBase64(_))));
    // The last four characters are totals' last byte, codes and flags.
    let tail = |tail: &str| read(&format!("{}{tail}", &body[..60]));
    assert_eq!(tail("A/IB"), Err(ReportError::UnknownCode { stamp: "weu-1".into(), code: 0xf2 }));
    assert_eq!(tail("AxIC"), Err(ReportError::UnknownCode { stamp: "weu-1".into(), code: 2 }));
    let unseen = Sample { strip: Strip { known: 0, good: 1 }, ..Sample::default() };
    let body = pack(&fleet.stamps, &[("neu-1".into(), unseen)].into());
    assert_eq!(read(&body), Err(ReportError::Inconsistent("neu-1".into())));
}

#[test]
fn another_interval_is_another_list() {
    let mut fleet = fixtures::fleet(2, 1);
    let before = list_hash(&fleet.stamps);
    fleet.stamps.get_mut(&"weu-1".into()).unwrap().probes[0].interval = Duration::from_secs(2);
    assert_ne!(list_hash(&fleet.stamps), before);
}

#[test]
fn totals_wrap() {
    let mut sample = Sample { good_total: 0x00ff_ffff, all_total: 0x00ff_ffff, ..Sample::default() };
    sample.push(Tick::Good);
    assert_eq!((sample.good_total, sample.all_total), (0, 0));
    sample.push(Tick::Unknown);
    sample.push(Tick::Bad);
    assert_eq!((sample.good_total, sample.all_total), (0, 1));
}

proptest! {
    #[test]
    fn every_sample_survives(known: u64, good: u64, g in 0u32..1 << 24, a in 0u32..1 << 24, passed: bool, class in 0usize..9, phase in 0usize..6) {
        let classes = [FailureClass::Refused, FailureClass::Timeout, FailureClass::Reset, FailureClass::Tls,
            FailureClass::Dns, FailureClass::WrongAnswer, FailureClass::TooSlow, FailureClass::ProberError];
        let phases = [Phase::Dns, Phase::Connect, Phase::Tls, Phase::FirstByte, Phase::Body, Phase::Condition];
        let sample = Sample {
            strip: Strip { known, good: good & known },
            good_total: g,
            all_total: a,
            last_failure: classes.get(class).map(|class| Failure { class: *class, phase: phases[phase] }),
            ever_passed: passed,
        };
        let fleet = fixtures::fleet(1, 1);
        let samples: BTreeMap<_, _> = [("weu-1".into(), sample)].into();
        let body = pack(&fleet.stamps, &samples);
        prop_assert_eq!(unpack(&body, &list_hash(&fleet.stamps), &fleet.stamps), Ok(samples));
    }
}
