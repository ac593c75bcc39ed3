//! The operator: the leader that decides, the agents that act, the status API.

pub mod traffic;
