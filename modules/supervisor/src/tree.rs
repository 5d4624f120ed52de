//! A child with everything it started.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use os::Identity;

use crate::Vitals;

/// The variable every descendant inherits, whatever session it makes for itself.
pub(crate) const MARKER_VARIABLE: &str = "NEXUS_CHILD";

/// Processes remembered at most; beyond that they are found by marker and parent alone.
const KNOWN_MAX: usize = 4_096;

/// One child's process tree. Clones are the same tree.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// The child itself.
    pub(crate) root: Identity,
    /// The value of [`MARKER_VARIABLE`], made anew for every run, e.g. `"opencode.5f0c…"`.
    pub(crate) marker: Arc<str>,
    /// Descendants seen so far: those that clear their environment and outlive their parent are found only here.
    known: Arc<Mutex<HashSet<Identity>>>,
}

impl Tree {
    pub(crate) fn new(root: Identity, marker: &str) -> Self {
        Self {
            root,
            marker: marker.into(),
            known: Arc::default(),
        }
    }

    /// The living processes of the tree, the root and those it is known by at this moment. Cheap: only the tree is
    /// looked at.
    pub(crate) fn glance_blocking(&self) -> Vec<Identity> {
        let mut found: Vec<Identity> = os::identify(self.root.pid)
            .filter(|root| *root == self.root)
            .into_iter()
            .collect();
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            next += 1;
            for child in os::children_of(parent.pid) {
                if let Some(child) = os::identify(child).filter(|child| !found.contains(child)) {
                    found.push(child);
                }
            }
        }
        self.remember(&found);
        found
    }

    /// What the tree has used so far, and whether the child itself was stopped. Cheap.
    pub(crate) fn vitals_blocking(&self) -> Vitals {
        let mut vitals = Vitals::default();
        for process in self.glance_blocking() {
            if let Some(usage) = os::usage(process.pid) {
                vitals.cpu += usage.cpu;
                vitals.is_stopped |= process == self.root && usage.is_stopped;
            }
        }
        vitals
    }

    /// The living processes of the tree, wherever they went: below the root, below any that was ever seen, and those
    /// adopted by us that carry the marker.
    pub(crate) fn alive_blocking(&self) -> std::io::Result<Vec<Identity>> {
        let processes = os::processes()?;
        let mut roots: Vec<u32> = vec![];
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            for process in &processes {
                if process.identity == self.root || known.contains(&process.identity) {
                    roots.push(process.identity.pid);
                }
            }
        }
        for candidate in os::below(&processes, &[std::process::id()]) {
            if !roots.contains(&candidate.pid) && os::carries(candidate.pid, MARKER_VARIABLE, &self.marker) {
                roots.push(candidate.pid);
            }
        }
        let found = os::below(&processes, &roots);
        self.remember(&found);
        Ok(found)
    }

    /// Frees the numbers of those that were adopted by us and have ended. The root is somebody else's to wait for.
    pub(crate) fn reap(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for process in known.iter().filter(|process| **process != self.root) {
            os::reap(process.pid);
        }
    }

    fn remember(&self, found: &[Identity]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() + found.len() > KNOWN_MAX {
            known.retain(|process| os::identify(process.pid) == Some(*process));
        }
        let room = KNOWN_MAX.saturating_sub(known.len());
        known.extend(found.iter().take(room));
    }
}
