//! The views as one screen of plain text.

use std::fmt;

use super::{Headline, RunView, Views};

/// Ended runs on the screen.
const ENDED_MAX: usize = 3;
/// Characters of a bar.
const BAR: u32 = 12;

impl fmt::Display for Headline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.word(), self.sentence)?;
        match &self.alarm {
            Some(alarm) => write!(f, "\n    {}\n      {}", alarm.what_now, alarm.command),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.fleet.headline)?;
        for also in &self.fleet.also {
            writeln!(f, "{also}")?;
        }
        writeln!(f, "\nleader      {}", self.fleet.leader.sentence)?;
        let gate = self.fleet.gate.as_ref().map_or("cannot be read, so it is closed", |gate| &gate.sentence);
        writeln!(f, "automation  {gate}")?;
        writeln!(f, "\n{:<12}{:<11}{:<14}{:<14}SAYS", "GEODE", "VERDICT", "SHARE", "SINCE")?;
        for geode in &self.geodes {
            let since = geode
                .evacuated
                .as_ref()
                .map_or("-".to_owned(), |out| out.since.format("out %H:%M:%S").to_string());
            writeln!(
                f,
                "{:<12}{:<11}{:<14}{since:<14}{}",
                geode.name.as_str(),
                format!("{:?}", geode.verdict),
                bar(geode.share.per_mille),
                geode.sentence
            )?;
        }
        writeln!(f, "\n{:<12}{:<11}{:<14}{:<8}WHY", "STAMP", "VERDICT", "SHARE", "NINES")?;
        for stamp in &self.stamps {
            writeln!(
                f,
                "{:<12}{:<11}{:<14}{:<8}{}",
                stamp.name.as_str(),
                format!("{:?}", stamp.verdict),
                bar(stamp.share.per_mille),
                stamp.score.nines,
                stamp.score.reason.as_deref().or(stamp.advisory.as_deref()).unwrap_or("")
            )?;
        }
        for zone in &self.zones {
            writeln!(f, "\n{}: {}", zone.name, zone.sentence)?;
        }
        let shown = self.runs.iter().filter(|run| !run.ended);
        let shown = shown.chain(self.runs.iter().filter(|run| run.ended).take(ENDED_MAX));
        for run in shown {
            write_run(f, run)?;
        }
        Ok(())
    }
}

fn write_run(f: &mut fmt::Formatter<'_>, run: &RunView) -> fmt::Result {
    writeln!(f, "\n{} {:?} of {}: {:?}: {}", run.name, run.mode, run.subject, run.phase, run.reason)?;
    if run.ended {
        return Ok(());
    }
    for step in &run.steps {
        let result = step.result.as_deref().unwrap_or("");
        writeln!(f, "  {:<14}{:<12}{result}", format!("{:?}", step.kind), format!("{:?}", step.state))?;
    }
    Ok(())
}

fn bar(per_mille: u32) -> String {
    let full = (per_mille * BAR).div_ceil(1000).min(BAR) as usize;
    format!("{}{}", "#".repeat(full), ".".repeat(BAR as usize - full))
}
