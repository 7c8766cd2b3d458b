//! Moving the offsets of groups: what a plan for it looks like. The plan itself is made
//! [beside](crate::Admin::plan_offset_reset) what groups committed.

use std::fmt;

use super::lines;
use crate::group_offsets::OffsetPlan;

/// A line for each partition.
impl fmt::Display for OffsetPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |(partition, to): (&crate::TopicPartition, &crate::OffsetMove)| {
            let group = self.group.as_str();
            match to.from {
                Some(from) if from == to.to => format!("group {group:?}: {partition} stays at {from}"),
                Some(from) => {
                    let by = i128::from(to.to) - i128::from(from);
                    format!("group {group:?}: {partition} from {from} to {} ({by:+})", to.to)
                }
                None => format!("group {group:?}: {partition} to {}", to.to),
            }
        };
        lines(f, self.moves.iter().map(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OffsetMove, TopicPartition};

    #[test]
    fn it_says_from_where_to_where() {
        let moves = [(Some(5), 5), (Some(9), 2), (None, 7)].into_iter().zip(0..);
        let moves = moves.map(|((from, to), index)| (TopicPartition::new("t", index), OffsetMove { from, to }));
        let plan = OffsetPlan { group: "g".into(), moves: moves.collect() };
        let expected = "group \"g\": t-0 stays at 5\ngroup \"g\": t-1 from 9 to 2 (-7)\ngroup \"g\": t-2 to 7";
        assert_eq!(plan.to_string(), expected);
    }
}
