//! A model of the agent that brings a zone to its content: read the fence, send what differs under it, settle lost
//! answers by reading again. It follows the planner of the real one in what matters to the fence.

use std::rc::Rc;

use stamps::{
    failover::{Command, Content, Key},
    mutants::{Mutant, planted},
    names::{Explained, Fence},
    routing::{Answer, FenceRecord, Outcome, RefusalClass},
};

use crate::dns::{Message, Records, Said, Zone};

/// How often one call reads and plans.
const ROUNDS_MAX: u32 = 3;
/// More messages than one agent ever sends, so that no two messages have one number.
const MESSAGES_MAX: u64 = 10_000;

/// What the agent does next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Read the primary.
    Read,
    /// Send this.
    Send(Message),
    /// Tell the engine.
    Tell(Outcome),
}

/// An agent at work on one zone.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The command's name.
    pub key: Key,
    desired: Records,
    fence: Fence,
    past: Explained,
    content: Content,
    names_max: usize,
    round: u32,
    /// Messages still to be sent, last first.
    pending: Vec<Message>,
    /// Number of the last message.
    number: u64,
    /// Names left to do when an answer was lost.
    open: Option<usize>,
}

impl Agent {
    /// An agent for this command, if it changes a zone.
    pub fn new(number: u64, key: Key, command: Command, names_max: usize) -> Option<Self> {
        let (desired, fence, past, content) = match command {
            Command::Converge { desired, fence, past, content } => (desired.answers, fence, past, content),
            Command::RaiseFence { fence, past, content, .. } => (Records::new(), fence, past, content),
            Command::Observe { .. } | Command::Publish { .. } => return None,
        };
        Some(Self {
            key,
            desired,
            fence,
            past,
            content,
            names_max,
            round: 0,
            pending: Vec::new(),
            number: number * MESSAGES_MAX,
            open: None,
        })
    }

    /// What the primary held a moment ago, or that it could not be read.
    pub fn read(&mut self, zone: Option<&Rc<Zone>>) -> Next {
        let Some(zone) = zone else {
            let reason = "the primary cannot be read".to_owned();
            return Next::Tell(match self.open {
                Some(_) => Outcome::Unknown { reason },
                None => Outcome::NotDone { reason },
            });
        };
        let seen = zone.fence.map(|point| FenceRecord::Fence(Fence { point, ..self.fence.clone() }));
        if let Some(by) = seen.and_then(|seen| seen.keeps_out_after(&self.fence, &self.past)) {
            return Next::Tell(Outcome::Fenced { by });
        }
        let differing: Vec<(String, Answer)> = self
            .desired
            .iter()
            .filter(|(name, answer)| zone.records.get(*name) != Some(answer))
            .map(|(name, answer)| (name.clone(), answer.clone()))
            .collect();
        if differing.is_empty() && zone.fence == Some(self.fence.point) {
            return Next::Tell(Outcome::Done);
        }
        if self.open.take().is_some_and(|left| differing.len() >= left) {
            return Next::Tell(Outcome::Unknown { reason: "the answer was lost".to_owned() });
        }
        self.plan(differing, zone);
        self.send()
    }

    /// Packs names into messages. Addresses go first: a name may only point to what is there.
    fn plan(&mut self, mut differing: Vec<(String, Answer)>, zone: &Zone) {
        differing.sort_by_key(|(_, answer)| matches!(answer, Answer::Alias { .. }));
        let mut chunks: Vec<Vec<(String, Answer)>> =
            differing.chunks(self.names_max).map(<[_]>::to_vec).collect();
        if chunks.is_empty() {
            chunks.push(Vec::new());
        }
        let mut requires = zone.fence;
        self.pending.clear();
        for changes in chunks {
            self.number += 1;
            self.pending.push(Message {
                number: self.number,
                requires,
                fence: self.fence.point,
                changes,
                intent: self.content.point,
                hash: self.content.hash.clone(),
            });
            requires = Some(self.fence.point);
        }
        self.pending.reverse();
    }

    fn send(&mut self) -> Next {
        match self.pending.last() {
            Some(message) => Next::Send(message.clone()),
            None => Next::Tell(Outcome::Done),
        }
    }

    /// The primary's answer to the message that was sent last; none: it was lost.
    pub fn answered(&mut self, said: Option<Said>) -> Next {
        match said {
            Some(Said::Applied) => {
                self.pending.pop();
                self.send()
            }
            Some(Said::Refused) => Next::Tell(Outcome::Refused {
                class: RefusalClass::Denied,
                reason: "the primary refuses the update".to_owned(),
            }),
            Some(Said::Unmet) | None => self.look_again(said.is_none()),
        }
    }

    fn look_again(&mut self, lost: bool) -> Next {
        let left = self.pending.iter().map(|message| message.changes.len()).sum();
        self.round += 1;
        match (lost, self.round < ROUNDS_MAX) {
            (true, true) => {
                self.open = Some(left);
                Next::Read
            }
            (false, true) => Next::Read,
            (true, false) => Next::Tell(Outcome::Unknown { reason: "every answer was lost".to_owned() }),
            (false, false) => {
                Next::Tell(Outcome::NotDone { reason: "the zone changed meanwhile".to_owned() })
            }
        }
    }
}

/// Whether messages carry their prerequisite: always, unless that fault is planted.
pub fn prerequisite_is_sent() -> bool {
    !planted(Mutant::SkipPrerequisite)
}
