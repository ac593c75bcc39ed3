use super::*;

fn finding(verdict: Verdict, advisory: &str) -> Finding {
    Finding {
        verdict,
        own: "weu".into(),
        regions: BTreeMap::new(),
        votes: BTreeMap::new(),
        sentence: String::new(),
        advisory: Some(advisory.to_owned()),
    }
}

#[test]
fn a_verdict_is_written_at_once_and_its_words_from_time_to_time() {
    let mut memory = Memory::default();
    let start = Instant::now();
    let mut say = |after_s: u64, verdict, advisory: &str| {
        let after = Duration::from_secs(after_s);
        let now = DateTime::UNIX_EPOCH + after;
        let target = ("Stamp", "weu-1".to_owned());
        let words = memory.words(
            target,
            Some(&finding(verdict, advisory)),
            Some(after_s.to_string()),
            now,
            start + after,
        );
        (words.verdict, words.advisory.unwrap_or_default(), words.nines.unwrap_or_default(), words.since)
    };
    let at = |seconds| DateTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let is = |verdict: &str, advisory: &str, nines: &str, since| {
        (verdict.to_owned(), advisory.to_owned(), nines.to_owned(), at(since))
    };
    assert_eq!(say(0, Verdict::Healthy, "neu for 0 s"), is("Healthy", "neu for 0 s", "0", 0));
    assert_eq!(say(1, Verdict::Healthy, "neu for 1 s"), is("Healthy", "neu for 0 s", "0", 0), "only an age");
    assert_eq!(say(2, Verdict::Unhealthy, "for 2 s"), is("Unhealthy", "for 2 s", "2", 2), "another verdict");
    assert_eq!(say(31, Verdict::Unhealthy, "for 31 s"), is("Unhealthy", "for 2 s", "2", 2));
    assert_eq!(
        say(32, Verdict::Unhealthy, "for 32 s"),
        is("Unhealthy", "for 32 s", "32", 2),
        "due, same since"
    );
}
