//! What a watch has seen of one kind.

use std::collections::BTreeMap;

use kube::{Resource, ResourceExt, runtime::watcher::Event};

/// Objects of one kind by name, as a watch tells of them.
#[derive(Debug)]
pub(super) struct Store<K> {
    objects: BTreeMap<String, K>,
    /// A list in progress. It replaces the objects only when it is complete: half a list is no news.
    listing: Option<BTreeMap<String, K>>,
    synced: bool,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listing: None, synced: false }
    }
}

/// What an event changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that anybody may act on yet.
    None,
    /// Everything may be different: a list is complete.
    Listed,
    /// This object is new or different.
    Applied(String),
    /// Somebody deleted this object while we watched.
    Deleted(String),
}

impl<K: Resource> Store<K> {
    /// Takes an event in.
    pub(super) fn take(&mut self, event: Event<K>) -> Change {
        match event {
            Event::Init => {
                self.listing = Some(BTreeMap::new());
                Change::None
            }
            Event::InitApply(object) => {
                self.listing.get_or_insert_default().insert(object.name_any(), object);
                Change::None
            }
            Event::InitDone => {
                self.objects = self.listing.take().unwrap_or_default();
                self.synced = true;
                Change::Listed
            }
            Event::Apply(object) => {
                let name = object.name_any();
                self.objects.insert(name.clone(), object);
                Change::Applied(name)
            }
            Event::Delete(object) => {
                let name = object.name_any();
                self.objects.remove(&name);
                Change::Deleted(name)
            }
        }
    }

    /// Whether a first list is complete.
    pub(super) fn synced(&self) -> bool {
        self.synced
    }

    /// Every object, in order of name.
    pub(super) fn all(&self) -> Vec<&K> {
        self.objects.values().collect()
    }

    /// One object.
    pub(super) fn get(&self, name: &str) -> Option<&K> {
        self.objects.get(name)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object
    }

    #[test]
    fn half_a_list_changes_nothing() {
        let mut store = Store::default();
        store.take(Event::Init);
        store.take(Event::InitApply(object("a")));
        assert_eq!(store.take(Event::InitDone), Change::Listed);
        assert!(store.synced());

        assert_eq!(store.take(Event::Init), Change::None);
        assert_eq!(store.take(Event::InitApply(object("b"))), Change::None);
        assert_eq!(store.all().len(), 1, "the list is not complete");
        assert!(store.get("a").is_some());
        store.take(Event::InitDone);
        assert!(store.get("a").is_none());
    }

    #[test]
    fn only_a_deletion_that_was_seen_is_a_deletion() {
        let mut store = Store::default();
        store.take(Event::InitDone);
        assert_eq!(store.take(Event::Apply(object("a"))), Change::Applied("a".into()));
        assert_eq!(store.take(Event::Delete(object("a"))), Change::Deleted("a".into()));
    }
}
