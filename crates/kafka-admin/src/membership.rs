//! Members of groups, as they name themselves to brokers.

use std::time::Duration;

use kafka_protocol::Uuid;
use smol_str::SmolStr;

/// A member of a group, and where it stands: what heartbeats and the commits of a transaction name (Java's
/// `ConsumerGroupMetadata`).
///
/// ```
/// use kafka_admin::Membership;
///
/// let member = Membership::joining("billing");
/// assert_eq!((member.epoch, member.member_id.len()), (0, 22));
/// assert_eq!(member.leaving().epoch, -1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The group.
    pub group: SmolStr,
    /// The member's id.
    pub member_id: SmolStr,
    /// The name it was given, if it is a static member. Share groups have none.
    pub instance_id: Option<SmolStr>,
    /// Its epoch, as last answered: 0 to join. In a classic group, the generation.
    pub epoch: i32,
}

impl Membership {
    /// Of a member that is to join, with an id of its own making (KIP-1082).
    pub fn joining(group: impl Into<SmolStr>) -> Self {
        Self { group: group.into(), member_id: random_id(), instance_id: None, epoch: JOINING }
    }

    /// Of nobody: for commits in the name of a group, which the group does not fence.
    pub fn of_nobody(group: impl Into<SmolStr>) -> Self {
        Self { group: group.into(), member_id: SmolStr::default(), instance_id: None, epoch: NOBODY }
    }

    /// The same, to leave the group.
    #[must_use]
    pub fn leaving(&self) -> Self {
        Self { epoch: LEAVING, ..self.clone() }
    }

    /// The same, of a static member that leaves for a while: what it has stays its own until it joins again, or its
    /// session times out.
    #[must_use]
    pub fn pausing(&self) -> Self {
        Self { epoch: PAUSING, ..self.clone() }
    }

    /// The same, at the epoch that was answered; a coordinator that made up the id tells it once.
    pub(crate) fn answered(&self, member_id: Option<SmolStr>, epoch: i32) -> Self {
        let member_id = member_id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.member_id.clone());
        Self { member_id, epoch, ..self.clone() }
    }

    /// Whether anybody is named.
    pub(crate) fn is_somebody(&self) -> bool {
        !self.member_id.is_empty() || self.instance_id.is_some() || self.epoch != NOBODY
    }
}

/// A random uuid (version 4) as Kafka writes it. Empty where the system has no randomness: brokers refuse that.
fn random_id() -> SmolStr {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        return SmolStr::default();
    }
    let number = u128::from_be_bytes(bytes) & !VERSION_MASK | VERSION_4;
    smol_str::format_smolstr!("{}", Uuid::from_bytes(number.to_be_bytes()))
}

/// How long members may take to let go of what they have: as Java's `max.poll.interval.ms`.
pub(crate) const DEFAULT_REBALANCE_TIMEOUT: Duration = Duration::from_secs(300);
const VERSION_MASK: u128 = 0xf000_c000_0000_0000_0000;
const VERSION_4: u128 = 0x4000_8000_0000_0000_0000;
const JOINING: i32 = 0;
const LEAVING: i32 = -1;
const PAUSING: i32 = -2;
const NOBODY: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_random_uuid_of_version_4() {
        let (one, other) = (Membership::joining("g"), Membership::joining("g"));
        assert_ne!(one.member_id, other.member_id);
        let id: Uuid = one.member_id.parse().unwrap();
        assert_eq!((id.as_bytes()[6] >> 4, id.as_bytes()[8] >> 6), (4, 2));
    }

    #[test]
    fn an_id_stays_where_the_coordinator_says_nothing_of_it() {
        let member = Membership::joining("g");
        assert_eq!(member.answered(None, 3), Membership { epoch: 3, ..member.clone() });
        assert_eq!(member.answered(Some("given".into()), 1).member_id, "given");
        assert!(member.is_somebody() && !Membership::of_nobody("g").is_somebody());
    }
}
