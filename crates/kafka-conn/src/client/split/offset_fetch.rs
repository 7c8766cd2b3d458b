//! OffsetFetch, which asks about one group or about many, by version.
//!
//! Sans-IO.

use kafka_protocol::ErrorCode;
use kafka_protocol::messages::offset_fetch::OffsetFetchRequest;

use super::{Items, Split};
use crate::client::Item;

/// One group, as versions up to 7 ask, or a list of them, as later ones do.
impl Split for OffsetFetchRequest {
    fn items(&self) -> Vec<Item> {
        if self.groups.is_empty() {
            return vec![Item::Group(self.group_id.clone())];
        }
        self.groups.iter().map(|group| Item::Group(group.group_id.clone())).collect()
    }

    fn part(&self, items: &Items) -> Self {
        let mut part = self.clone();
        part.groups.retain(|group| items.contains(&Item::Group(group.group_id.clone())));
        part
    }

    fn outcomes(&self, items: &Items, response: &Self::Response) -> Vec<(Item, ErrorCode)> {
        if self.groups.is_empty() {
            return items.iter().map(|item| (item.clone(), ErrorCode(response.error_code))).collect();
        }
        response.groups.iter().map(|group| (Item::Group(group.group_id.clone()), ErrorCode(group.error_code))).collect()
    }

    fn merge(into: &mut Self::Response, mut from: Self::Response, items: &Items) {
        if from.groups.is_empty() {
            *into = from;
            return;
        }
        into.throttle_time_ms = into.throttle_time_ms.max(from.throttle_time_ms);
        from.groups.retain(|group| items.contains(&Item::Group(group.group_id.clone())));
        into.groups.append(&mut from.groups);
    }

    fn max_version(&self) -> Option<i16> {
        self.groups.is_empty().then_some(7)
    }
}
