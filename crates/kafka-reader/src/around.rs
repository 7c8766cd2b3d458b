//! Going round a list, from where something was found last: what comes in the list's order is found at once, and nobody
//! looks through thousands for each.
//!
//! Sans-IO.

/// The first element that matches, from `start` on and then from the front.
#[inline]
pub(crate) fn position_from<T>(items: &[T], start: usize, matches: impl Fn(&T) -> bool) -> Option<usize> {
    let (front, back) = items.split_at(start.min(items.len()));
    let behind = back.iter().position(&matches).map(|at| front.len() + at);
    behind.or_else(|| front.iter().position(matches))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_comes_before_what_is_in_front() {
        let items = [1, 2, 1, 3];
        let found = |start, wanted| position_from(&items, start, |item| *item == wanted);
        assert_eq!([found(0, 1), found(1, 1), found(3, 1), found(9, 1)], [Some(0), Some(2), Some(0), Some(0)]);
        assert_eq!([found(2, 4), position_from(&[], 2, |item: &i32| *item == 1)], [None, None]);
    }
}
