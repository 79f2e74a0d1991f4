//! The joined part of a control graph: every credential here has all its parents here.
//!
//! Invariants
//! * a node's parents have smaller indices; `depth` is the longest path from the genesis;
//! * nothing is ever removed, so ancestors and order of a node never change.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::Hash;

use crate::credential::Credential;
use crate::state::Place;

/// A set of node indices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    pub(crate) fn contains(&self, index: usize) -> bool {
        self.0
            .get(index / 64)
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, index: usize) {
        if self.0.len() <= index / 64 {
            self.0.resize(index / 64 + 1, 0);
        }
        self.0[index / 64] |= 1 << (index % 64);
    }

    pub(crate) fn union(&mut self, other: &Bits) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

pub(crate) struct Node {
    pub(crate) credential: Credential,
    pub(crate) depth: u32,
    /// All nodes this one follows; not itself.
    pub(crate) ancestors: Bits,
}

impl Node {
    pub(crate) fn place(&self) -> Place {
        Place {
            depth: self.depth,
            hash: self.credential.hash(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Dag {
    pub(crate) nodes: Vec<Node>,
    index: BTreeMap<Hash, usize>,
    heads: BTreeSet<Hash>,
}

impl Dag {
    pub(crate) fn index_of(&self, hash: &Hash) -> Option<usize> {
        self.index.get(hash).copied()
    }

    pub(crate) fn heads(&self) -> &BTreeSet<Hash> {
        &self.heads
    }

    /// Joins a credential whose parents are all here and which is not here itself.
    pub(crate) fn join(&mut self, credential: Credential) {
        let mut ancestors = Bits::default();
        let mut depth = 0;
        for parent in credential.parents() {
            let index = self.index[parent];
            ancestors.union(&self.nodes[index].ancestors);
            ancestors.insert(index);
            depth = depth.max(self.nodes[index].depth + 1);
            self.heads.remove(parent);
        }
        self.heads.insert(credential.hash());
        self.index.insert(credential.hash(), self.nodes.len());
        self.nodes.push(Node {
            credential,
            depth,
            ancestors,
        });
    }

    /// `heads` and all they follow; `None` if one is not here.
    pub(crate) fn closure(&self, heads: &[Hash]) -> Option<Bits> {
        let mut set = Bits::default();
        for head in heads {
            let index = self.index_of(head)?;
            set.union(&self.nodes[index].ancestors);
            set.insert(index);
        }
        Some(set)
    }

    /// The nodes of `set` in the fold's order: a topological order, ties by hash.
    pub(crate) fn ordered(&self, set: &Bits) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.nodes.len()).filter(|i| set.contains(*i)).collect();
        order.sort_by_key(|i| self.nodes[*i].place());
        order
    }

    /// Whether node `a` follows node `b`.
    pub(crate) fn follows(&self, a: usize, b: usize) -> bool {
        self.nodes[a].ancestors.contains(b)
    }
}
