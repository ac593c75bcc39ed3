use std::rc::Rc;

use stamps::{
    names::Point,
    routing::{Answer, Outcome},
};

use crate::{
    dns::{Dns, Message, Said},
    queue::Queue,
    rng::Rng,
    trace::{LAST_LINES, Trace},
};

fn message(requires: Option<i64>, fence: i64) -> Message {
    let at = |seq| Point { epoch: 1, seq };
    let answer = Answer::Alias { target: format!("{fence}.test."), ttl_s: 1 };
    Message {
        number: fence.unsigned_abs(),
        requires: requires.map(at),
        fence: at(fence),
        changes: vec![("www.test.".to_owned(), answer)],
        intent: at(fence),
        hash: String::new(),
    }
}

/// The published vector of SplitMix64, so that a seed means the same world on every machine and for ever.
#[test]
fn chance_is_the_published_generator() {
    let mut rng = Rng::new(0x6c69_6665_626f_6174 ^ 0x0012_d687);
    let words: Vec<u64> = (0..3).map(|_| rng.word()).collect();
    assert_eq!(words, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
}

#[test]
fn things_of_one_moment_happen_in_the_order_of_their_planning() {
    let mut queue = Queue::default();
    for (at_ms, event) in [(5, "b"), (1, "a"), (5, "c"), (5, "d")] {
        queue.push(at_ms, event);
    }
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
    assert_eq!(order, [(1, "a"), (5, "b"), (5, "c"), (5, "d")]);
}

#[test]
fn a_trace_keeps_its_end_and_digests_all_of_it() {
    let trace = |lines: u64, first: &str| {
        let mut trace = Trace::new(false);
        trace.line(0, format_args!("{first}"));
        (0..lines).for_each(|line| trace.line(line, format_args!("{line}")));
        trace
    };
    let long = trace(100, "x");
    assert_eq!(long.lines().len(), LAST_LINES);
    assert!(long.lines().last().is_some_and(|line| line.ends_with(" 99")));
    assert_ne!(long.digest(), trace(100, "y").digest(), "the first line counts");
    assert_eq!(long.digest(), trace(100, "x").digest());
}

/// The model refuses what a real primary was seen to refuse: an older plan that arrives late, and a copy.
#[test]
fn the_primary_applies_a_message_only_over_the_fence_that_it_requires() {
    let mut dns = Dns::new(1, 0);
    assert_eq!(dns.take(&message(None, 1), 0, true), Said::Applied);
    let late = message(Some(1), 2);
    assert_eq!(dns.take(&message(Some(1), 3), 0, true), Said::Applied);
    let before = Rc::clone(&dns.primary);
    assert_eq!(dns.take(&late, 0, true), Said::Unmet);
    assert_eq!(dns.take(&message(Some(1), 3), 0, true), Said::Unmet, "a copy");
    assert_eq!(dns.primary, before);
    assert_eq!(dns.take(&late, 0, false), Said::Applied, "without its prerequisite nothing stops it");
}

/// What the agent does after a lost answer: it reads again and believes what it reads.
#[test]
fn an_agent_settles_a_lost_answer_by_reading() {
    use crate::agent::{Agent, Next};
    use stamps::{
        failover::{Command, Content, Key},
        names::Fence,
    };
    let (zone, point) = (stamps::names::ZoneName::from("test."), Point { epoch: 1, seq: 4 });
    let fence = Fence { fleet: "f".into(), point };
    let content = Content { point, hash: String::new() };
    let key = Key::Zone { zone: zone.clone(), fence: fence.to_string() };
    let command = Command::RaiseFence { zone, fence, past: stamps::names::Explained::default(), content };
    let mut agent = Agent::new(1, key, command, 10).expect("it changes a zone");
    let mut dns = Dns::new(1, 0);
    let Next::Send(message) = agent.read(Some(&dns.primary)) else { panic!("nothing to send") };
    assert_eq!(dns.take(&message, 0, true), Said::Applied);
    assert!(matches!(agent.answered(None), Next::Read));
    assert!(matches!(agent.read(Some(&dns.primary)), Next::Tell(Outcome::Done)));
}

/// The same misfortunes, with a hundred times the tenants: not a line of what happens differs, so not a write.
#[test]
fn a_failover_with_many_tenants_writes_what_one_with_few_writes() {
    use crate::{Mode, world::World};
    for seed in (2..60).step_by(3) {
        let run = |times: u32| {
            let mut world = World::new(seed, Mode::Heal, false);
            for load in world.api.fleet.load.values_mut() {
                load.tenants *= times;
                load.units *= times;
            }
            for stamp in world.api.fleet.stamps.values_mut() {
                stamp.capacity.units *= times;
            }
            world.run();
            assert!(world.checks.violation.is_none(), "seed {seed}: {:?}", world.checks.violation);
            (world.trace.digest(), world.trace.count)
        };
        let few = run(1);
        assert!(few.1 > 100, "seed {seed}: nothing happened");
        assert_eq!(few, run(100), "seed {seed}");
    }
}
