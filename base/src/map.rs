//! [`SecretMap`]: a hash map whose seed peers cannot guess and whose order nobody can use.

use siphasher::sip::SipHasher13;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

/// A map keyed with a secret seed (so that a stranger cannot make keys collide) and without
/// iteration (so that no behaviour can depend on the order of its keys and a simulated run stays
/// the same run). Keep a separate ordered index where order is needed.
#[derive(Debug)]
pub struct SecretMap<K, V> {
    inner: HashMap<K, V, Seed>,
}

/// The secret seed of a map.
#[derive(Clone, Copy)]
pub struct Seed(u64, u64);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

impl BuildHasher for Seed {
    type Hasher = SipHasher13;
    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

impl<K: Hash + Eq, V> SecretMap<K, V> {
    /// An empty map with a seed drawn from `rng`.
    pub fn new(rng: &mut crate::Rng) -> Self {
        let seed = Seed(rng.next_u64(), rng.next_u64());
        SecretMap { inner: HashMap::with_hasher(seed) }
    }

    /// The value of a key.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.inner.get(key)
    }

    /// The value of a key, to change.
    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.inner.get_mut(key)
    }

    /// Whether the key is there.
    pub fn contains_key<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.inner.contains_key(key)
    }

    /// Puts a value; gives back the one it replaced.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.inner.insert(key, value)
    }

    /// Takes a value out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.inner.remove(key)
    }

    /// The value of a key, made by `make` if it is not there yet.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.inner.entry(key).or_insert_with(make)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }
}
