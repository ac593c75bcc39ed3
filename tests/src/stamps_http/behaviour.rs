//! The ways a stamp can behave.

use std::{fmt, str::FromStr, time::Duration};

/// How a stamp treats its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers.
    Healthy,
    /// Takes no new connections; those it has go on.
    Refuse,
    /// Takes connections and requests, and never answers.
    Hang,
    /// Answers late.
    Slow(Duration),
    /// Answers 500.
    Error500,
    /// Answers 200 with something else.
    WrongBody,
    /// Takes no new connections and resets those it has: a machine that is gone.
    Dead,
}

impl Behaviour {
    /// Whether new connections are taken.
    pub fn listens(self) -> bool {
        !matches!(self, Self::Refuse | Self::Dead)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => formatter.write_str("healthy"),
            Self::Refuse => formatter.write_str("refuse"),
            Self::Hang => formatter.write_str("hang"),
            Self::Slow(delay) => write!(formatter, "slow:{}", delay.as_millis()),
            Self::Error500 => formatter.write_str("error500"),
            Self::WrongBody => formatter.write_str("wrong-body"),
            Self::Dead => formatter.write_str("dead"),
        }
    }
}

/// A word that names no behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownBehaviour(String);

impl fmt::Display for UnknownBehaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = "healthy, refuse, hang, slow:MILLISECONDS, error500, wrong-body, dead";
        write!(formatter, "{:?} is none of {known}", self.0)
    }
}

impl std::error::Error for UnknownBehaviour {}

impl FromStr for Behaviour {
    type Err = UnknownBehaviour;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownBehaviour(text.to_owned());
        Ok(match text {
            "healthy" => Self::Healthy,
            "refuse" => Self::Refuse,
            "hang" => Self::Hang,
            "error500" => Self::Error500,
            "wrong-body" => Self::WrongBody,
            "dead" => Self::Dead,
            _ => {
                let delay_ms = text.strip_prefix("slow:").ok_or_else(unknown)?;
                Self::Slow(Duration::from_millis(delay_ms.parse().map_err(|_| unknown())?))
            }
        })
    }
}
