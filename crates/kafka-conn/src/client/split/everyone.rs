//! Requests that every broker answers for itself, and whose answers are lists.
//!
//! Sans-IO.

use std::collections::HashSet;

use kafka_protocol::messages::list_groups::ListGroupsRequest;
use kafka_protocol::messages::list_transactions::ListTransactionsRequest;
use kafka_protocol::{ErrorCode, Request};

use super::{Items, Split};
use crate::client::Item;

/// The notation: the list of a response, and the name of its elements. While a coordinator moves, two brokers may name
/// the same one: the first stays.
macro_rules! by_broker {
    ($($request:ty => $list:ident . $name:ident $(, $union:ident)?;)*) => {$(
        impl Split for $request {
            /// Those of the cluster, which the request does not know.
            fn items(&self) -> Vec<Item> {
                Vec::new()
            }

            fn part(&self, _: &Items) -> Self {
                self.clone()
            }

            fn outcomes(&self, items: &Items, response: &<Self as Request>::Response) -> Vec<(Item, ErrorCode)> {
                items.iter().map(|item| (item.clone(), ErrorCode(response.error_code))).collect()
            }

            fn merge(into: &mut <Self as Request>::Response, from: <Self as Request>::Response, _: &Items) {
                into.throttle_time_ms = into.throttle_time_ms.max(from.throttle_time_ms);
                let known: HashSet<_> = into.$list.iter().map(|there| there.$name.clone()).collect();
                into.$list.extend(from.$list.into_iter().filter(|new| !known.contains(&new.$name)));
                $(into.$union.extend(from.$union);
                into.$union.sort_unstable();
                into.$union.dedup();)?
            }
        }
    )*};
}

by_broker! {
    ListGroupsRequest => groups.group_id;
    ListTransactionsRequest => transaction_states.transactional_id, unknown_state_filters;
}
