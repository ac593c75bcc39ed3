//! The checks bite: each planted fault is found, and what ships passes the same seeds.

use simulator::simulate;
use stamps::mutants::Mutant;

/// Within so many seeds each planted fault must be found.
const SEEDS: u64 = 120;

#[test]
fn each_planted_fault_is_found() {
    let mut escaped = Vec::new();
    for mutant in Mutant::ALL {
        let found = (0..SEEDS).find_map(|seed| simulate(seed, Some(mutant), false).violation);
        if found.is_none() {
            escaped.push(mutant);
        }
    }
    assert!(escaped.is_empty(), "not found in {SEEDS} seeds: {escaped:?}");
}

#[test]
fn what_ships_passes_the_same_seeds_and_every_fault_bites() {
    let mut tally = simulator::tally::Tally::default();
    for seed in 0..SEEDS {
        let ending = simulate(seed, None, false);
        if let Some(violation) = &ending.violation {
            panic!(
                "seed {seed}: {}: {}\n{}",
                violation.invariant,
                violation.sentence,
                ending.lines.join("\n")
            );
        }
        tally.add(&ending.tally);
    }
    for fault in [
        "API answers lost",
        "API requests carried out late",
        "API requests lost",
        "Gates not readable",
        "Gates shut in the last moment",
        "commits refused",
        "crashes",
        "cuts from the API server",
        "deletions of the register",
        "registers recovered",
        "restored registers",
        "runs made again",
        "runs expired",
        "flapping stamps",
        "freezes",
        "lying vantages",
        "outcomes told twice",
        "primary outages",
        "region failures",
        "stuck secondaries",
        "zone answers lost",
        "zone updates delivered twice",
        "zone updates late",
        "zone updates out of date",
        "automatic shifts",
        "manual shifts",
        "runs blocked",
        "runs held",
        "runs succeeded",
        "healed worlds",
    ] {
        assert!(tally.of(fault) > 0, "{fault}: never");
    }
}

#[test]
fn a_seed_is_one_world() {
    for seed in [3, 5, 29] {
        let (first, second) = (simulate(seed, None, true), simulate(seed, None, true));
        assert_eq!(first.lines, second.lines);
        assert_eq!(first.digest, second.digest);
    }
}
