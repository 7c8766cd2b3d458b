//! Plans for what cannot be undone: made for all that is named, or for as much of it as can be.

use std::pin::pin;
use std::slice;

use futures_util::{StreamExt, stream};
use kafka_admin::Resource;

use crate::error::Result;
use crate::exit::Outcome;
use crate::report;

/// A plan for all items. Where it cannot be made because of some of them, these are reported, and the plan is for the
/// others: `join` puts together those of single items.
pub(super) async fn plan<I, P: Default>(
    items: &[I],
    outcome: &mut Outcome,
    make: impl AsyncFn(&[I]) -> kafka_admin::Result<P>,
    join: impl Fn(&mut P, P),
) -> Result<P> {
    match make(items).await {
        Ok(plan) => return Ok(plan),
        Err(error) if !is_of_one(&error) => return Err(error.into()),
        // It says nothing about the others.
        Err(_) => {}
    }
    let mut whole = P::default();
    // Several at once: what cannot be reached takes as long as the timeout.
    let mut plans = pin!(stream::iter(items).map(|item| make(slice::from_ref(item))).buffered(AT_ONCE));
    while let Some(made) = plans.next().await {
        match made {
            Ok(plan) => join(&mut whole, plan),
            Err(error) if !is_of_one(&error) => return Err(error.into()),
            Err(error) => {
                report::error(&error);
                *outcome = Outcome::Incomplete;
            }
        }
    }
    Ok(whole)
}

/// Whether the error names an item, whatever happened: others may fare better.
fn is_of_one(error: &kafka_admin::Error) -> bool {
    matches!(error.context().resource, Some(Resource::Topic(_) | Resource::Partition(_) | Resource::Group(_)))
}

/// Plans of single items that are made at the same time.
const AT_ONCE: usize = 16;
