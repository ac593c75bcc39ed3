//! `kubectl lifeboat state recover`: a person looks at what is really served, and confirms the register.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, Write as _},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use crds::{FLEET, Fleet};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use shell::api::within;
use stamps::{
    failover::{FleetState, Restored},
    names::StampName,
};

use crate::{
    print,
    register::{self, CALL_TIMEOUT},
};

/// A replica that finds no register tries again about every nine seconds, and a zone is looked at every two.
const ACTS_WITHIN: Duration = Duration::from_mins(1);
/// Between two looks whether it has.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks, confirms, and waits until it has come about.
pub(crate) async fn run(client: &Client, namespace: &str, yes: bool) -> anyhow::Result<String> {
    let fleets: Api<Fleet> = Api::namespaced(client.clone(), namespace);
    let fleet = within(CALL_TIMEOUT, fleets.get(FLEET)).await.context("read the fleet")?;
    let found = match register::find(client, namespace).await? {
        Some(state) => state,
        None => begin_anew(client, namespace, &fleets, &fleet, yes).await?,
    };
    if found.restored.is_none() {
        return Ok(format!(
            "the register is in force, at commit {}: there is nothing to recover",
            found.point
        ));
    }
    let state = until(client, namespace, "what is served to be known", |state| {
        state.restored.as_ref().is_none_or(|restored| restored.survey.unclear.is_none())
    })
    .await?;
    let Some(restored) = &state.restored else {
        return Ok("somebody else has confirmed the register meanwhile".to_owned());
    };
    if let Some(unclear) = &restored.survey.unclear {
        bail!("what is served cannot be told, so it cannot become the truth: {unclear}");
    }
    print(&shown(&state, restored));
    if !yes && !asked("Take what is served as the truth, and let Lifeboat act again?")? {
        return Ok("nothing was confirmed".to_owned());
    }
    confirm(&fleets, &restored.word()).await?;
    let word = restored.word();
    let after = until(client, namespace, "the leader to take it over", |state| {
        state.restored.as_ref().is_none_or(|restored| restored.word() != word)
    })
    .await?;
    match &after.restored {
        None => {
            let done = Patch::Merge(json!({ "spec": { "recover": null } }));
            within(CALL_TIMEOUT, fleets.patch(FLEET, &PatchParams::default(), &done)).await?;
            Ok(format!("recovered at commit {}; nothing was moved by it", after.point))
        }
        Some(restored) if restored.word() != word => {
            bail!("meanwhile something else was found: {}; look again", restored.because)
        }
        Some(_) => bail!(
            "the leader has not taken it over within {} s; is an operator running? The word stands in the Fleet's \
             spec.recover, and it will be taken when what is served can be seen",
            ACTS_WITHIN.as_secs()
        ),
    }
}

/// A register after a loss: it knows nothing, is not believed either, and is asked about next.
async fn begin_anew(
    client: &Client,
    namespace: &str,
    fleets: &Api<Fleet>,
    fleet: &Fleet,
    yes: bool,
) -> anyhow::Result<FleetState> {
    let Some(lost) = fleet.status.as_ref().and_then(|status| status.register_uid.clone()) else {
        bail!("this fleet has never had a register; an operator makes one as soon as it runs");
    };
    print(&format!(
        "The register {lost} is gone. If there is a backup of the FleetState object that is up to date, put that back \
         instead.\nBeginning a new one moves nothing: it takes over what is served, after you have seen it. Runs, holds \
         and what is out of service are forgotten."
    ));
    if !yes && !asked("Begin a new register?")? {
        bail!("nothing was begun");
    }
    confirm(fleets, &lost).await?;
    let since = Instant::now();
    while since.elapsed() < ACTS_WITHIN {
        if let Some(state) = register::find(client, namespace).await? {
            return Ok(state);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("no operator has begun a register within {} s; is one running?", ACTS_WITHIN.as_secs())
}

async fn confirm(fleets: &Api<Fleet>, finding: &str) -> anyhow::Result<()> {
    let patch = Patch::Merge(json!({ "spec": { "recover": { "finding": finding } } }));
    within(CALL_TIMEOUT, fleets.patch(FLEET, &PatchParams::default(), &patch))
        .await
        .context("write the Fleet's spec.recover")?;
    Ok(())
}

/// The register once `holds`, or as it was last.
async fn until(
    client: &Client,
    namespace: &str,
    what: &str,
    holds: impl Fn(&FleetState) -> bool,
) -> anyhow::Result<FleetState> {
    let since = Instant::now();
    loop {
        let state = register::read(client, namespace).await.with_context(|| format!("wait for {what}"))?;
        if holds(&state) || since.elapsed() >= ACTS_WITHIN {
            return Ok(state);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is served, what the register says, and what confirming would do.
fn shown(state: &FleetState, restored: &Restored) -> String {
    let mut text = format!("{}.\n", restored.because);
    let mut groups: BTreeMap<(&StampName, &StampName), usize> = BTreeMap::new();
    for mv in &restored.survey.elsewhere {
        *groups.entry((&mv.home, &mv.to)).or_default() += 1;
    }
    if groups.is_empty() {
        text.push_str("Every bucket is served where the register says.\n");
    } else {
        text.push_str("Served otherwise than the register says; confirming takes this over:\n");
    }
    for ((home, to), count) in groups {
        let _ = writeln!(text, "  {count} buckets of {home} are served by {to}");
    }
    if !restored.survey.others.is_empty() {
        let others = restored.survey.others.join(", ");
        let _ = writeln!(
            text,
            "Names that differ from what Stamp and TrafficPolicy objects say, and that will be brought to what these \
             say: {others}"
        );
    }
    for (name, run) in state.live_runs() {
        let _ =
            writeln!(text, "Run {name} ({:?} of {}, {:?}) will be ended.", run.mode, run.subject, run.phase);
    }
    text.push_str("Nothing is moved by confirming.");
    text
}

fn asked(question: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout();
    write!(out, "{question} Type yes: ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use stamps::{failover::Survey, names::Bucket, routing::Move};

    use super::*;

    #[test]
    fn a_person_sees_what_is_served_before_confirming() {
        let state = FleetState::born("f".into(), "a".into(), 7);
        let mv = |bucket| Move { home: "weu-1".into(), bucket: Bucket(bucket), to: "neu-2".into() };
        let survey = Survey {
            elsewhere: vec![mv(0), mv(1)],
            others: vec!["neu-1.at.app.test.".to_owned()],
            ..Survey::default()
        };
        let mut restored = Restored {
            found: state.point,
            because: "the register is older than the world".to_owned(),
            since: DateTime::UNIX_EPOCH,
            replaces: None,
            newest: state.point,
            survey,
        };
        let text = shown(&state, &restored);
        assert!(text.contains("2 buckets of weu-1 are served by neu-2"), "{text}");
        assert!(text.contains("neu-1.at.app.test."), "{text}");
        restored.survey = Survey::default();
        assert!(shown(&state, &restored).contains("Every bucket is served where the register says"));
    }
}
