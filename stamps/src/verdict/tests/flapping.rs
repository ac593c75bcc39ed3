use super::*;

/// A strip that has fallen so often, and was good for so many ticks since.
fn fallen(times: usize, good: usize) -> String {
    format!("{}---{}", "---+++++".repeat(times - 1), "+".repeat(good))
}

/// What a strip comes to without damping, said plainly.
fn undamped(ticks: &str, by: &Detection) -> Voice {
    let known: Vec<bool> = ticks.chars().filter(|tick| *tick != '?').map(|tick| tick == '+').collect();
    (1..=known.len()).fold(Voice::Unknown, |before, end| {
        let in_a_row = known[..end].iter().rev().take_while(|good| **good).count();
        let window = known[..end].iter().rev().take(by.window_ticks.into());
        if in_a_row >= by.recover_ticks.into() {
            Voice::Up
        } else if window.filter(|good| !**good).count() >= by.fail_ticks.into() {
            Voice::Down
        } else {
            before
        }
    })
}

#[test]
fn each_fall_after_the_first_doubles_the_good_ticks_that_up_takes() {
    for (falls, needed) in [(1, 5), (2, 10), (3, 20), (4, 32), (5, 32)] {
        for good in 1..=needed {
            let smoothed = strip(&fallen(falls, good)).smooth(&detection());
            let wanted = match good {
                _ if good == needed => Voice::Up,
                1..5 => Voice::Down,
                _ => Voice::Recovering,
            };
            assert_eq!(smoothed.voice, wanted, "{falls} falls, {good} good");
            assert!(
                usize::from(smoothed.falls) == falls || falls == 5,
                "the fifth is out of sight in the end"
            );
            if wanted == Voice::Recovering {
                assert_eq!(usize::from(smoothed.due_ticks), needed - good);
                assert_eq!(usize::from(smoothed.ticks), good - 5, "since when");
            }
        }
    }
}

#[test]
fn a_policy_that_asks_for_more_than_the_cap_gets_what_it_asks_for() {
    let by = Detection { recover_ticks: 40, ..detection() };
    assert_eq!(strip(&format!("---{}", "+".repeat(39))).smooth(&by).voice, Voice::Down);
    assert_eq!(strip(&format!("---{}", "+".repeat(40))).smooth(&by).voice, Voice::Up);
}

#[test]
fn a_bad_tick_while_it_recovers_starts_the_count_anew() {
    assert_eq!(smooth("---+++++---+++++++++-").0, Voice::Recovering);
    assert_eq!(smooth("---+++++---+++++++++-+++++++++").0, Voice::Recovering);
    assert_eq!(smooth("---+++++---+++++++++-++++++++++").0, Voice::Up);
}

#[test]
fn who_is_up_again_stays_so_until_it_falls() {
    assert_eq!(smooth(&format!("{}--", fallen(2, 10))).0, Voice::Up);
    assert_eq!(smooth(&format!("{}---", fallen(2, 10))).0, Voice::Down);
}

#[test]
fn falls_that_leave_the_strip_are_forgotten() {
    let ticks = fallen(4, 20);
    assert_eq!(smooth(&ticks).0, Voice::Recovering);
    // Older falls than these are out of sight, so twenty are enough.
    assert_eq!(strip(&fallen(9, 20)).smooth(&detection()).falls, 6);
    assert_eq!(smooth(&format!("{ticks}{}", "+".repeat(64))), (Voice::Up, 59));
}

fn weu_1(see: impl Fn(&str) -> Sample) -> Finding {
    let fleet = fixtures::fleet(3, 1);
    let table = table(&fleet, |vantage, stamp| match stamp.as_str() {
        "weu-1" => see(vantage.as_str()),
        _ => sample("++++++++++++"),
    });
    assess(&fleet, &table).stamps.remove(&"weu-1".into()).unwrap()
}

#[test]
fn a_stamp_that_flaps_is_degraded_while_it_recovers_and_is_no_evidence() {
    let finding = weu_1(|_| sample(&fallen(3, 8)));
    assert_eq!(
        finding.sentence,
        "Degraded: eus, neu and outside see it recover after 3 falls, Up in 12 s if it stays good; 0 of 3 regions \
         outside weu say Up"
    );
    assert_eq!((finding.evidence_age(), finding.doubt()), (None, false));
    let advisory = finding.advisory.unwrap();
    assert!(
        advisory
            .starts_with("recovering, if it stays good, as seen by eus-a (eus), 3 falls, Up in 12 s, neu-a"),
        "{advisory}"
    );
    assert_eq!(weu_1(|_| sample(&fallen(3, 20))).verdict, Verdict::Healthy);
    assert_eq!(weu_1(|_| sample(&fallen(3, 4))).verdict, Verdict::Unhealthy);
}

#[test]
fn one_region_that_sees_it_flap_is_outvoted() {
    let flaps = |who: &'static [&str]| {
        weu_1(move |vantage| sample(&if who.contains(&vantage) { fallen(3, 8) } else { "+".repeat(12) }))
            .verdict
    };
    assert_eq!(flaps(&["neu-a"]), Verdict::Healthy);
    assert_eq!(flaps(&["neu-a", "eus-a"]), Verdict::Degraded);
}

#[test]
fn who_sees_it_recover_and_who_sees_it_down_agree_that_it_is_not_up() {
    let mut fleet = fixtures::fleet(3, 1);
    fleet.vantages.insert("neu-b".into(), "neu".into());
    let neu = |a: &str, b: &str| {
        let table = table(&fleet, |vantage, _| sample(if vantage.as_str() == "neu-b" { b } else { a }));
        assess(&fleet, &table).stamps[&"weu-1".into()].regions[&"neu".into()].voice
    };
    let (up, recovering, down) = ("++++++++", &*fallen(2, 6), "+++++----");
    assert_eq!(neu(recovering, down), Voice::Recovering);
    assert_eq!(neu(recovering, recovering), Voice::Recovering);
    assert_eq!(neu(recovering, up), Voice::Unknown);
    assert_eq!(neu(down, up), Voice::Unknown);
}

fn any_ticks() -> impl Strategy<Value = String> {
    let run = prop_oneof![
        4 => (Just("+"), 1usize..30),
        4 => (Just("-"), 1usize..8),
        1 => (Just("?"), 1usize..4),
    ];
    prop::collection::vec(run, 0..24).prop_map(|runs| {
        let ticks: String = runs.iter().map(|(tick, n)| tick.repeat(*n)).collect();
        ticks[ticks.len().saturating_sub(64)..].to_owned()
    })
}

prop_compose! {
    fn any_detection()(window_ticks in 1u8..12)(
        fail_ticks in 1..=window_ticks, window_ticks in Just(window_ticks), recover_ticks in 1u8..12,
    ) -> Detection {
        Detection { fail_ticks, window_ticks, recover_ticks, ..detection() }
    }
}

fn well(voice: Voice) -> u8 {
    match voice {
        Voice::Down => 0,
        Voice::Unknown => 1,
        Voice::Recovering => 2,
        Voice::Up => 3,
    }
}

proptest! {
    /// Down means exactly what it would mean without damping, and Up never more.
    #[test]
    fn damping_delays_no_down_and_hastens_no_up(ticks in any_ticks(), by in any_detection()) {
        let damped = strip(&ticks).smooth(&by).voice;
        prop_assume!(strip(&ticks).known & (u64::MAX >> (64 - by.window_ticks)) != 0);
        match undamped(&ticks, &by) {
            Voice::Up => prop_assert!(matches!(damped, Voice::Up | Voice::Recovering)),
            other => prop_assert_eq!(damped, other),
        }
    }

    /// One more good tick never makes it worse, apart from a silence that it ends: what was Down before the silence is
    /// Down after it, so this goes by the replay. A strip that has lost the only ticks that once made it Up can say
    /// nothing any more, which is a vote for neither.
    #[test]
    fn more_good_ticks_never_make_it_worse(ticks in any_ticks(), by in any_detection(), good in 1usize..80) {
        let mut strip = strip(&ticks);
        for _ in 0..good {
            let before = strip.replay(&by);
            strip.push(Tick::Good);
            let after = strip.replay(&by);
            prop_assert!(after.falls <= before.falls);
            let forgot = before.voice != Voice::Down && after.voice == Voice::Unknown;
            prop_assert!(forgot || well(after.voice) >= well(before.voice), "{before:?} -> {after:?}");
            if (before.voice, after.voice) == (Voice::Recovering, Voice::Recovering) {
                prop_assert!(after.due_ticks < before.due_ticks);
            }
        }
    }

    /// However it flapped: after enough good ticks it is Up.
    #[test]
    fn damping_ends(ticks in any_ticks(), by in any_detection()) {
        let most = usize::from(DAMPED_TICKS_MAX.max(by.recover_ticks));
        prop_assert_eq!(strip(&format!("{ticks}{}", "+".repeat(most))).smooth(&by).voice, Voice::Up);
    }

    /// A strip without a bad tick is not replayed, and comes to the same.
    #[test]
    fn the_short_way_is_the_same_as_the_replay(ticks in "[+?]{0,64}", by in any_detection()) {
        let strip = strip(&ticks);
        let smoothed = strip.smooth(&by);
        prop_assume!(smoothed != Smoothed::default());
        prop_assert_eq!(smoothed, strip.replay(&by));
    }
}
