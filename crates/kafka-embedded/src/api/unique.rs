//! What is asked for more than once: no answer needs to be larger for it, and some must not be given.
//!
//! Sans-IO.

use std::collections::BTreeSet;

/// Leaves the first of those with the same key.
pub(crate) fn unique<T, K: Ord>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(key(item))).collect()
}

/// The keys that are there more than once.
pub(crate) fn repeated<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeSet<K> {
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for key in keys {
        if let Some(again) = seen.replace(key) {
            repeated.insert(again);
        }
    }
    repeated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stays() {
        assert_eq!(unique(vec![(1, 'a'), (2, 'b'), (1, 'c')], |item| item.0), [(1, 'a'), (2, 'b')]);
        assert_eq!(repeated([1, 2, 1, 3, 1]), BTreeSet::from([1]));
    }
}
