//! What is still to happen, by virtual time. Things of the same moment happen in the order in which they were planned.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// A queue of events with their moments in milliseconds.
#[derive(Debug)]
pub struct Queue<E> {
    order: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, E>,
    next: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { order: BinaryHeap::new(), events: BTreeMap::new(), next: 0 }
    }
}

impl<E> Queue<E> {
    /// Plans an event.
    pub fn push(&mut self, at_ms: u64, event: E) {
        self.order.push(Reverse((at_ms, self.next)));
        self.events.insert(self.next, event);
        self.next += 1;
    }

    /// The next event and its moment.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        let Reverse((at_ms, number)) = self.order.pop()?;
        self.events.remove(&number).map(|event| (at_ms, event))
    }
}
