//! Two releases as one: the newer one rules wherever it knows a version; the versions below, which it dropped, are as
//! the older one has them.

use std::collections::BTreeMap;

use super::definition::{Field, Kind, Message, Struct};
use super::range::Range;

/// The messages of `newer`, with the versions that only `older` still speaks.
///
/// What only the older release has was renamed or withdrawn since, and is left out.
pub(super) fn releases(older: &BTreeMap<String, Message>, newer: BTreeMap<String, Message>) -> Vec<Message> {
    let unstable: Vec<_> =
        newer.values().filter(|message| message.latest_version_unstable).map(|message| message.name.clone()).collect();
    let early: Vec<_> =
        older.values().filter(|message| message.latest_version_unstable).map(|message| message.name.clone()).collect();
    let merged = newer.into_values().map(|message| {
        let before = older.get(&message.name);
        // Only requests say it, of their responses too.
        let was_early = early.contains(&message.request_name());
        let latest_version_unstable = unstable.contains(&message.request_name());
        Message { latest_version_unstable, ..with_older(message, before, was_early) }
    });
    merged.collect()
}

/// `was_early`: the last version of the older release was for tests alone, and withdrawn.
fn with_older(newer: Message, older: Option<&Message>, was_early: bool) -> Message {
    // The version of a stored key was its type until Kafka 4; now all have version 0, and types of their own.
    let Some(older) = older.filter(|older| newer.kind != Kind::CoordinatorKey && older.valid_versions.is_some()) else {
        return newer;
    };
    let Some(versions) = newer.valid_versions else {
        return older.clone();
    };
    let stable = older.valid_versions.and_then(|range| {
        let max = if was_early { range.max - 1 } else { range.max };
        range.and(Range { min: 0, max })
    });
    let Some(stable) = stable else {
        return newer;
    };
    let cut = versions.min;
    let structs = newer.common_structs.into_iter().map(|structure| {
        match older.common_structs.iter().find(|known| known.name == structure.name) {
            Some(known) => Struct { fields: fields(&known.fields, structure.fields, cut), ..structure },
            None => structure,
        }
    });
    Message {
        valid_versions: Some(versions.hull(stable)),
        common_structs: structs.collect(),
        fields: fields(&older.fields, newer.fields, cut),
        ..newer
    }
}

/// The newer fields in their order, those that only older versions have behind the ones that they followed.
fn fields(older: &[Field], newer: Vec<Field>, cut: i16) -> Vec<Field> {
    let mut merged = newer;
    let mut next = 0;
    for old in older {
        if let Some(place) = merged.iter().position(|field| field.name == old.name) {
            let field = &mut merged[place];
            field.versions = joined(old.versions, field.versions, cut);
            field.nullable_versions = joined(old.nullable_versions, field.nullable_versions, cut);
            field.fields = fields(&old.fields, std::mem::take(&mut field.fields), cut);
            next = place + 1;
        } else if let Some(versions) = joined(old.versions, None, cut) {
            merged.insert(next, Field { versions: Some(versions), ..old.clone() });
            next += 1;
        }
    }
    merged
}

/// Below `cut` as `older` says, from there on as `newer` does.
fn joined(older: Option<Range>, newer: Option<Range>, cut: i16) -> Option<Range> {
    let below = older.and_then(|range| range.and(Range { min: 0, max: cut - 1 }));
    let above = newer.and_then(|range| range.and(Range { min: cut, max: Range::OPEN }));
    match (below, above) {
        (Some(below), Some(above)) => Some(below.hull(above)),
        (range, None) | (None, range) => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: i16, max: i16) -> Option<Range> {
        Some(Range { min, max })
    }

    #[test]
    fn the_newer_release_rules_from_its_first_version_on() {
        assert_eq!(joined(range(0, Range::OPEN), range(0, 12), 4), range(0, 12));
        assert_eq!(joined(range(2, 3), None, 4), range(2, 3));
        assert_eq!(joined(range(0, Range::OPEN), None, 0), None, "what was renamed is gone");
        assert_eq!(joined(None, range(5, Range::OPEN), 4), range(5, Range::OPEN));
    }
}
