//! What follows from the register and the world: a total, pure function. A refusal is an event like any other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{
    command::{Key, Settled},
    contagion, control,
    event::{Event, Illegal},
    phase::{Phase, StepKind},
    plan::{NoPlan, hex, plan},
    progress,
    request::{Request, TOO_LATE},
    restore,
    run::{Plan, Run},
    size,
    state::{Doubt, FleetState, Mode, Origin, StampRecord, Subject, digest},
    supervise::{self, Ages},
};
use crate::{
    fleet::{Automation, Fleet, StampLifecycle},
    names::{Point, RunName, ZoneName},
    routing::Move,
    routing::{Observation, Outcome, route_set},
    safety::{Allowed, Facts, Proposal, Refusal, Rule, judge},
    time::Now,
    verdict::{Assessment, Finding, Verdict},
};

/// The program that decides, by its version.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");
/// How much fleet time a crash may cost while a rule counts it.
const CLOCK_KEPT_EVERY: Duration = Duration::from_mins(5);

/// Everything besides the register that a decision may depend on.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four facts that do not depend on each other")]
pub struct World<'a> {
    /// The fleet, with every recorded stamp in it.
    pub fleet: &'a Fleet,
    /// What the vantages say.
    pub assessment: &'a Assessment,
    /// `Failover` objects by name.
    pub requests: &'a BTreeMap<RunName, Request>,
    /// `Failover` objects that somebody deleted while we watched.
    pub withdrawn: &'a BTreeSet<RunName>,
    /// The newest look at every zone.
    pub zones: &'a BTreeMap<ZoneName, ZoneSeen>,
    /// Outcomes that no commit has taken in yet.
    pub settled: &'a BTreeMap<Key, Settled>,
    /// What a person has confirmed about the register, if anything.
    pub confirmed: Option<&'a String>,
    /// How long this leader has known what.
    pub ages: &'a Ages,
    /// The fences are raised and the world was looked at since the takeover.
    pub ready: bool,
    /// The Gate could not be read a moment ago, and a Gate that cannot be read is closed.
    pub gate_unread: bool,
    /// Nothing is Unknown, or there was time to learn it: what is Unknown now is not so for want of patience.
    pub warm: bool,
    /// The fleet may have changed, and with it the desired content of zones.
    pub zones_dirty: bool,
    /// Fleet time now, in milliseconds.
    pub clock_ms: u64,
    /// For how long this replica leads, and knows what it was told.
    pub led_for: Duration,
}

/// A look at one zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneSeen {
    /// The content it was compared with.
    pub against: Point,
    /// What was seen.
    pub observation: Observation,
}

/// The state under construction: events applied one by one, so that each decision sees the ones before it.
pub(super) struct Draft<'a> {
    pub(super) state: FleetState,
    pub(super) world: &'a World<'a>,
    pub(super) now: Now,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    fn new(before: &FleetState, world: &'a World<'a>, now: Now) -> Self {
        Self { state: before.clone(), world, now, events: Vec::new() }
    }

    /// Records an event, if the table allows it.
    pub(super) fn push(&mut self, event: Event) -> Result<(), Illegal> {
        if self.events.is_empty() {
            self.state.begin_commit(self.world.clock_ms);
        }
        self.state.add(&event, self.now.wall)?;
        self.events.push(event);
        Ok(())
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            fleet: self.world.fleet,
            state: &self.state,
            assessment: self.world.assessment,
            clock_ms: self.world.clock_ms,
            led_for: self.world.led_for,
        }
    }

    /// Asks the rules whether a run may bring these buckets back.
    pub(super) fn ask_undo(
        &self,
        name: &RunName,
        run: &Run,
        moves: &[Move],
    ) -> Result<Allowed, Vec<Refusal>> {
        let overrides = BTreeSet::from([Rule::Capacity]);
        let proposal = Proposal {
            run: name,
            origin: Origin::Person,
            mode: Mode::Failback,
            subject: &run.subject,
            moves,
            planned: true,
            approved: false,
            // Buckets return to who carried them a moment ago.
            overrides: &overrides,
        };
        judge(&proposal, &self.facts())
    }

    /// When something that may take `budget` should be complete, for people.
    pub(super) fn by(&self, budget: Duration) -> chrono::DateTime<chrono::Utc> {
        self.now.wall + budget
    }
}

/// All that follows now, in order.
pub fn decide(state: &FleetState, world: &World<'_>, now: Now) -> Result<Vec<Event>, Illegal> {
    let mut draft = Draft::new(state, world, now);
    take_in_outcomes(&mut draft)?;
    if restore::observe_only(&mut draft)? {
        return Ok(draft.events);
    }
    if world.ready {
        if world.zones_dirty {
            // Both hash what only the fleet can change.
            settle(&mut draft)?;
            remember_stamps(&mut draft)?;
        }
        keep_doubts(&mut draft)?;
        take_requests(&mut draft)?;
        contagion::watch(&mut draft)?;
        control::hold_automatic(&mut draft)?;
        progress::advance(&mut draft)?;
        start_automatic(&mut draft)?;
        supervise::supervise(&mut draft)?;
        want_zones(&mut draft)?;
        keep_clock(&mut draft)?;
    }
    Ok(draft.events)
}

/// Notes which program decides by which policy.
fn settle(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    let policy = digest(&format!("{:?}", draft.world.fleet.policy));
    let settling = &draft.state.settling;
    if settling.program == PROGRAM && settling.policy == policy {
        return Ok(());
    }
    draft.push(Event::Settling { program: PROGRAM.to_owned(), policy })
}

/// While a rule counts fleet time, a crash may cost a part of it, and not all.
fn keep_clock(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    let unkept = FleetState::ago(draft.world.clock_ms, draft.state.clock_ms);
    let counted = draft
        .state
        .past
        .back()
        .is_some_and(|past| FleetState::ago(draft.world.clock_ms, past.at_ms) < Duration::from_hours(24));
    if counted && unkept >= CLOCK_KEPT_EVERY { draft.push(Event::ClockKept) } else { Ok(()) }
}

fn take_in_outcomes(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    for (key, settled) in draft.world.settled {
        match (key, &settled.outcome) {
            (Key::Zone { zone, .. }, Outcome::Done) => {
                let Some(content) = &settled.content else { continue };
                let known = draft.state.zones.get(zone).and_then(|state| state.applied.as_ref());
                if known.is_none_or(|known| known.point < content.point) {
                    draft.push(Event::ZoneApplied { zone: zone.clone(), content: content.clone() })?;
                }
            }
            (Key::Publish { through }, Outcome::Done)
                if draft.state.outbox.waiting.front().is_some_and(|notice| notice.id <= *through) =>
            {
                draft.push(Event::Published { through: *through })?;
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn remember_stamps(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    // A stamp without probes is one whose object is gone: what is remembered of it stays.
    let present = draft.world.fleet.stamps.iter().filter(|(_, stamp)| !stamp.probes.is_empty());
    for (name, stamp) in present {
        let mut record = StampRecord::of(stamp);
        if let Some(known) = draft.state.stamps.get(name) {
            record = record.following(known, draft.world.clock_ms);
            if *known == record {
                continue;
            }
        }
        draft.push(Event::StampSeen { stamp: name.clone(), record })?;
    }
    Ok(())
}

fn finding<'a>(assessment: &'a Assessment, subject: &Subject) -> Option<&'a Finding> {
    match subject {
        Subject::Geode(geode) => assessment.geodes.get(geode),
        Subject::Stamp(stamp) => assessment.stamps.get(stamp),
    }
}

/// Every subject that could be doubted. A stamp of a doubted geode is the geode's matter.
fn subjects(world: &World<'_>) -> Vec<Subject> {
    let geodes = world.fleet.geodes.keys().cloned().map(Subject::Geode);
    let stamps = world
        .fleet
        .stamps
        .values()
        .filter(|stamp| stamp.lifecycle != StampLifecycle::Decommissioned)
        .filter(|stamp| !world.assessment.geodes.get(&stamp.geode).is_some_and(Finding::doubt))
        .map(|stamp| Subject::Stamp(stamp.name.clone()));
    geodes.chain(stamps).collect()
}

fn keep_doubts(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    let assessment = draft.world.assessment;
    for subject in subjects(draft.world) {
        if let Some(finding) = finding(assessment, &subject)
            && finding.doubt()
            && !draft.state.doubts.contains_key(&subject)
        {
            // Below the threshold the verdict says nothing yet; the advisory says who doubts.
            let advisory = finding.advisory.as_ref().filter(|_| !finding.verdict.is_down());
            let sentence = advisory.unwrap_or(&finding.sentence).clone();
            draft.push(Event::Doubted { subject, sentence })?;
        }
    }
    // Not seeing a subject any more is no reason to trust it; only Healthy clears a doubt.
    let doubted: Vec<Subject> = draft.state.doubts.keys().cloned().collect();
    for subject in doubted {
        let gone = match finding(assessment, &subject) {
            Some(finding) => finding.verdict == Verdict::Healthy && !finding.doubt(),
            None => false,
        };
        if gone {
            draft.push(Event::DoubtCleared { subject })?;
        }
    }
    Ok(())
}

fn take_requests(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    for (name, request) in draft.world.requests {
        match draft.state.runs.get(name) {
            None if !request.ended && !draft.state.forgot(name) => {
                let run = Run::requested(request);
                let full = size::full(&draft.state);
                draft.push(Event::RunAccepted { run: name.clone(), record: Box::new(run) })?;
                if let Some(reason) = request.leftover(draft.now.mono) {
                    draft.push(Event::PhaseChanged { run: name.clone(), to: Phase::Expired, reason })?;
                } else if let Some(reason) = full {
                    draft.push(Event::PhaseChanged { run: name.clone(), to: Phase::Refused, reason })?;
                }
            }
            Some(run) if run.phase == Phase::Pending && request.too_late(draft.now.mono) => {
                let reason = TOO_LATE.to_owned();
                draft.push(Event::PhaseChanged { run: name.clone(), to: Phase::Expired, reason })?;
            }
            // Also a run that has ended: its object may have been made late, and shows the end.
            Some(run) if run.uid.is_none() => {
                draft.push(Event::RunNamed { run: name.clone(), uid: request.uid.clone() })?;
            }
            _ => {}
        }
        // Before anything else is done about the run: a request may be taken back before it was ever seen.
        control::obey(draft, name, request)?;
    }
    for name in draft.world.withdrawn {
        control::withdraw(draft, name)?;
    }
    Ok(())
}

/// Starts what evidence and rules allow, says what they forbid.
fn start_automatic(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    if draft.world.gate_unread {
        return Ok(());
    }
    let detection = draft.world.fleet.policy.detection;
    for subject in subjects(draft.world) {
        let hold = match subject {
            Subject::Geode(_) => detection.geode_hold,
            Subject::Stamp(_) => detection.stamp_hold,
        };
        let held = finding(draft.world.assessment, &subject).is_some_and(|finding| finding.held(hold));
        let busy = draft.state.live_runs().any(|(_, run)| run.subject == subject);
        if held && !busy && draft.state.doubts.contains_key(&subject) {
            start_for(draft, subject)?;
        }
    }
    Ok(())
}

fn start_for(draft: &mut Draft<'_>, subject: Subject) -> Result<(), Illegal> {
    let name = automatic_name(&subject, draft.state.point);
    let run = Run::automatic(draft, &subject);
    let planned = make_plan(draft, &run);
    let plan = match planned {
        Ok(plan) => plan,
        // Empty already, by an earlier run.
        Err(NoPlan::NothingToMove(_)) => return Ok(()),
        Err(no_plan) => return hold_doubt(draft, subject, vec![no_plan.to_string()]),
    };
    let verdict = ask(draft, &name, &run, &plan, draft.world.fleet);
    if draft.world.fleet.automation == Automation::Automatic {
        return match verdict.map_err(|refusals| refusals.iter().map(ToString::to_string).collect()) {
            Ok(allowed) => {
                if let Some(full) = size::full(&draft.state) {
                    return hold_doubt(draft, subject, vec![full]);
                }
                draft.push(Event::RunAccepted { run: name.clone(), record: Box::new(run) })?;
                begin(draft, &name, &plan, allowed)
            }
            Err(refusals) => hold_doubt(draft, subject, refusals),
        };
    }
    if draft.world.fleet.automation == Automation::Approve {
        let approved = Run { approved: Some(plan.hash.clone()), ..run.clone() };
        return match ask(draft, &name, &approved, &plan, draft.world.fleet) {
            Ok(_) => prepare(draft, &name, run, plan),
            Err(refusals) => hold_doubt(draft, subject, refusals.iter().map(ToString::to_string).collect()),
        };
    }
    if draft.state.doubts.get(&subject).is_some_and(|doubt| doubt.would_have) {
        return Ok(());
    }
    let open = Fleet { automation: Automation::Automatic, ..draft.world.fleet.clone() };
    let sentence = match ask(draft, &name, &run, &plan, &open) {
        Ok(_) => {
            format!("would have failed {subject} over, had automation been Automatic: {}", plan.sentence())
        }
        Err(refusals) => format!(
            "would have held {subject} even if automation had been Automatic: {}",
            refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        ),
    };
    draft.push(Event::WouldHave { subject, sentence })
}

/// A run that is ready and waits for a person.
fn prepare(draft: &mut Draft<'_>, name: &RunName, run: Run, plan: Plan) -> Result<(), Illegal> {
    let reason = format!(
        "{}; to agree: kubectl patch failover {name} --type=merge -p '{{\"spec\":{{\"approval\":{{\"planHash\":\"{}\"}}}}}}'",
        plan.sentence(),
        plan.hash
    );
    draft.push(Event::RunAccepted { run: name.clone(), record: Box::new(run) })?;
    draft.push(Event::Planned { run: name.clone(), plan })?;
    draft.push(Event::PhaseChanged { run: name.clone(), to: Phase::AwaitingApproval, reason })
}

/// Two sentences that say the same at different times: ages and counts change all the while, and each new sentence
/// would be a commit and an event.
pub(super) fn same_but_for_numbers(one: &str, other: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    one == other || letters(one) == letters(other)
}

fn hold_doubt(draft: &mut Draft<'_>, subject: Subject, because: Vec<String>) -> Result<(), Illegal> {
    let says = |doubt: &Doubt| {
        let pairs = || doubt.held_because.iter().zip(&because);
        doubt.held_because.len() == because.len() && pairs().all(|(old, new)| same_but_for_numbers(old, new))
    };
    let known = draft.state.doubts.get(&subject).is_some_and(says);
    if known { Ok(()) } else { draft.push(Event::DoubtHeld { subject, because }) }
}

/// A name that no other run has: the subject and the commit that started it.
fn automatic_name(subject: &Subject, point: Point) -> RunName {
    let (Subject::Geode(_) | Subject::Stamp(_)) = subject;
    format!("auto-{}-{}-{}", subject.to_string().replace('/', "-"), point.epoch, point.seq).into()
}

pub(super) fn make_plan(draft: &Draft<'_>, run: &Run) -> Result<Plan, NoPlan> {
    plan(draft.world.fleet, &draft.state, draft.world.assessment, &run.subject, run.mode, &run.targets)
}

/// Asks the rules about a run's plan, as if the fleet were `fleet`.
pub(super) fn ask(
    draft: &Draft<'_>,
    name: &RunName,
    run: &Run,
    plan: &Plan,
    fleet: &Fleet,
) -> Result<Allowed, Vec<Refusal>> {
    judge(&proposal(name, run, plan, &plan.moves), &Facts { fleet, ..draft.facts() })
}

/// What a run proposes: all of its plan, or a stage.
pub(super) fn proposal<'a>(name: &'a RunName, run: &'a Run, plan: &Plan, moves: &'a [Move]) -> Proposal<'a> {
    Proposal {
        run: name,
        origin: run.origin,
        mode: run.mode,
        subject: &run.subject,
        moves,
        planned: plan.planned,
        approved: run.approved.is_some(),
        overrides: &run.overrides,
    }
}

/// From accepted to shifting, in one commit: the plan, the rules' consent and the intent stand together.
pub(super) fn begin(
    draft: &mut Draft<'_>,
    name: &RunName,
    plan: &Plan,
    allowed: Allowed,
) -> Result<(), Illegal> {
    draft.push(Event::Planned { run: name.clone(), plan: plan.clone() })?;
    start(draft, name, plan, allowed)
}

/// The first stage of a run whose plan stands. The rules were asked about all of it.
pub(super) fn start(
    draft: &mut Draft<'_>,
    name: &RunName,
    plan: &Plan,
    allowed: Allowed,
) -> Result<(), Illegal> {
    let run = || name.clone();
    let result = plan.sentence();
    let allowed = allowed.first(plan.until(1));
    draft.push(Event::PhaseChanged { run: run(), to: Phase::Running, reason: result.clone() })?;
    draft.push(Event::StepDone { run: run(), kind: StepKind::Precheck, result })?;
    let complete_by = draft.by(draft.world.fleet.policy.workflow.step_budget);
    draft.push(Event::ShiftBegun { run: run(), allowed, complete_by })
}

/// Records what zones should hold, whenever that differs from what was wanted last.
fn want_zones(draft: &mut Draft<'_>) -> Result<(), Illegal> {
    let moved = |event: &Event| {
        use Event::{ShiftBegun, StageBegun, StampSeen, UndoBegun};
        matches!(event, ShiftBegun { .. } | StageBegun { .. } | UndoBegun { .. } | StampSeen { .. })
    };
    if !draft.world.zones_dirty && !draft.events.iter().any(moved) {
        return Ok(());
    }
    for zone in draft.world.fleet.zones.values() {
        // A zone that would answer nothing is left as it is; NeverEmpty has said so to whoever asked.
        let Ok(set) = route_set(draft.world.fleet, zone, &draft.state.routes) else { continue };
        let hash = content_hash(&set);
        if draft.state.zones.get(&zone.name).is_none_or(|state| state.wanted.hash != hash) {
            draft.push(Event::ZoneWanted { zone: zone.name.clone(), hash })?;
        }
    }
    Ok(())
}

/// Hash of a zone's desired content.
pub(super) fn content_hash(set: &crate::routing::RouteSet) -> String {
    let mut hash = Sha256::new();
    for (name, answer) in &set.answers {
        hash.update(format!("{name} {answer:?}\n"));
    }
    hex(&hash.finalize()[..8])
}

impl Run {
    fn requested(request: &Request) -> Self {
        Self {
            uid: Some(request.uid.clone()),
            origin: request.origin,
            mode: request.mode,
            dry_run: request.dry_run,
            targets: request.targets.clone(),
            reason: match &request.reason {
                Some(reason) => format!("{:?} of {} asked for: {reason}", request.mode, request.subject),
                None => format!("{:?} of {} asked for", request.mode, request.subject),
            },
            overrides: request.overrides.clone(),
            ..Self::new(request.subject.clone())
        }
    }

    fn automatic(draft: &Draft<'_>, subject: &Subject) -> Self {
        let reason = finding(draft.world.assessment, subject).map(|finding| finding.sentence.clone());
        Self { reason: reason.unwrap_or_default(), origin: Origin::Engine, ..Self::new(subject.clone()) }
    }
}
