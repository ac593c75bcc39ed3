//! Faults that are planted on purpose, to show that the simulator finds them.
//!
//! One is chosen at run time, for one thread, and only where the feature `mutants` is on: the simulator alone turns it
//! on. Without it [`planted`] is a constant `false`, and the compiler drops every branch that asks.

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// Agents are sent off by a commit that is still on its way.
    EffectBeforeIntent,
    /// A vantage that says nothing counts as one that says Down.
    UnknownIsDown,
    /// One region's word is evidence.
    OneRegionIsEnough,
    /// NoRaise is not asked.
    SkipNoRaise,
    /// MinServing is not asked.
    SkipMinServing,
    /// BlastRadius is not asked.
    SkipBlastRadius,
    /// Evidence need not stand for the hold window.
    SkipHold,
    /// An old report counts like a new one.
    StaleIsFresh,
    /// A leader that cannot renew leads on.
    NoSelfStop,
    /// After a lost answer the write is taken as made.
    RetryAssumesStored,
    /// The Gate is not read live.
    SkipGate,
    /// A new leader keeps the epoch of the old one.
    EpochNotRaised,
    /// The fence holds the epoch and not the commit.
    ForgetsFence,
    /// An update whose answer was lost counts as done.
    UnknownIsDone,
    /// What a zone held last is believed although other content was sent since.
    BelievesOldContent,
    /// A stamp that has just fallen several times is Up as soon as one that fell once.
    ForgetsFlaps,
    /// The agent of the simulator's model leaves the prerequisite out of its updates.
    SkipPrerequisite,
    /// A register that is older than the world is led as if it were not.
    TrustsRestored,
    /// A `Failover` object is run however old it is.
    RunsLeftovers,
}

impl Mutant {
    /// Every one.
    pub const ALL: [Self; 19] = [
        Self::EffectBeforeIntent,
        Self::UnknownIsDown,
        Self::OneRegionIsEnough,
        Self::SkipNoRaise,
        Self::SkipMinServing,
        Self::SkipBlastRadius,
        Self::SkipHold,
        Self::StaleIsFresh,
        Self::NoSelfStop,
        Self::RetryAssumesStored,
        Self::SkipGate,
        Self::EpochNotRaised,
        Self::ForgetsFence,
        Self::UnknownIsDone,
        Self::BelievesOldContent,
        Self::ForgetsFlaps,
        Self::SkipPrerequisite,
        Self::TrustsRestored,
        Self::RunsLeftovers,
    ];
}

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault for this thread, or takes it out again.
#[cfg(feature = "mutants")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

/// Whether this fault is planted.
#[cfg(feature = "mutants")]
pub fn planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

/// Whether this fault is planted: never, in what ships.
#[cfg(not(feature = "mutants"))]
#[inline]
pub const fn planted(_: Mutant) -> bool {
    false
}
