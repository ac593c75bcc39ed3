//! Proof that the checks bite: every planted fault, and the seed that finds it.

use std::process::ExitCode;

use anyhow::Context as _;
use simulator::simulate;
use stamps::mutants::Mutant;

pub(crate) fn by_name(name: &str) -> anyhow::Result<Mutant> {
    let found = Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
    found.with_context(|| {
        let names: Vec<String> = Mutant::ALL.iter().map(|mutant| format!("{mutant:?}")).collect();
        format!("`{name}` is no planted fault; there are {}", names.join(", "))
    })
}

/// What `docs/mutants.md` says above its table.
const HEAD: &str = "# Planted faults

The simulator can plant faults in the engine, in the safety rules, and in its own model of an agent. Each must be found,
or the checks prove nothing. This table is printed by `lifeboat-simulate --mutants`; a test keeps it true in what matters:
each fault is found, and what ships passes the same seeds. `lifeboat-simulate --replay SEED --mutant NAME` shows how.

| Planted fault | Found by seed | Invariant | What was seen |
|---|---|---|---|";

/// Prints `docs/mutants.md`.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub(crate) fn table(seeds: std::ops::Range<u64>) -> ExitCode {
    println!("{HEAD}");
    let mut escaped = false;
    for mutant in Mutant::ALL {
        let found =
            seeds.clone().find_map(|seed| Some((seed, simulate(seed, Some(mutant), false).violation?)));
        if let Some((seed, violation)) = found {
            println!("| {mutant:?} | {seed} | {} | {} |", violation.invariant, violation.sentence);
        } else {
            escaped = true;
            println!("| {mutant:?} | none of {seeds:?} | | it was not found |");
        }
    }
    if escaped { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
