//! Plans for what cannot be undone: made for all that is named, or for as much of it as can be.

use std::slice;

use kafka_admin::ErrorKind;

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
        Err(error) if is_of_all(&error) => return Err(error.into()),
        // It names one item, and says nothing about the others.
        Err(_) => {}
    }
    let mut whole = P::default();
    for item in items {
        match make(slice::from_ref(item)).await {
            Ok(plan) => join(&mut whole, plan),
            Err(error) if is_of_all(&error) => return Err(error.into()),
            Err(error) => {
                report::error(&error);
                *outcome = Outcome::Incomplete;
            }
        }
    }
    Ok(whole)
}

/// Whether other items would fare no better.
fn is_of_all(error: &kafka_admin::Error) -> bool {
    *error.kind() == ErrorKind::Connection
}
