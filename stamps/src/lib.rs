//! The domain of Lifeboat, pure: no Kubernetes, no async runtime, no clock, no random numbers.
//!
//! What decides whether traffic moves stands here as functions of their arguments; time comes in as [`time::Now`].
//! The way of a fact through the modules: [`verdict`] judges what vantages saw, [`safety`] judges what may be done
//! about it, [`failover`] keeps the record and drives the steps, [`routing`] says what the world should then look
//! like, and [`view`] says all of it in sentences. [`availability`] keeps the score beside that way.

pub mod availability;
pub mod failover;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod fleet;
pub mod mutants;
pub mod names;
pub mod placement;
pub mod resilience;
pub mod routing;
pub mod safety;
pub mod time;
pub mod verdict;
pub mod view;
