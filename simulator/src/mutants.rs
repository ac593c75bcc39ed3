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

/// Prints the table of `docs/mutants.md`.
#[expect(clippy::print_stdout, reason = "this is what the command is for")]
pub(crate) fn table(seeds: std::ops::Range<u64>) -> anyhow::Result<ExitCode> {
    println!("| Planted fault | Found by seed | Invariant | What was seen |\n|---|---|---|---|");
    let mut escaped = false;
    for mutant in Mutant::ALL {
        let found =
            seeds.clone().find_map(|seed| Some((seed, simulate(seed, Some(mutant), false).violation?)));
        match found {
            Some((seed, violation)) => {
                println!("| {mutant:?} | {seed} | {} | {} |", violation.invariant, violation.sentence);
            }
            None => {
                escaped = true;
                println!("| {mutant:?} | none of {seeds:?} | | it was not found |");
            }
        }
    }
    Ok(if escaped { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
