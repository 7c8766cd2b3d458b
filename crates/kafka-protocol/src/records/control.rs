//! Records that brokers write for clients, not for their users.

use crate::cursor::Cursor;
use crate::{DecodeError, DecodeErrorKind};

/// What a record of a control batch says.
///
/// ```
/// use kafka_protocol::records::{ControlRecord, ControlType};
/// let marker = ControlRecord { control_type: ControlType::Commit, coordinator_epoch: Some(3) };
/// let value = ControlRecord::end_marker_value(3);
/// assert_eq!(ControlRecord::read(Some(&ControlType::Commit.key()), Some(&value))?, marker);
/// # Ok::<(), kafka_protocol::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    /// What kind it is.
    pub control_type: ControlType,
    /// The epoch of the transaction coordinator that ended the transaction; only with `Abort` and `Commit`.
    pub coordinator_epoch: Option<i32>,
}

impl ControlRecord {
    /// Reads the key (int16 version, int16 type) and, of a transaction's end, the value (int16 version, int32
    /// coordinator epoch). Newer versions may hold more behind that.
    ///
    /// # Errors
    /// `Null` without a key or a value that is needed, `Truncated`, and `Length` for a version below zero.
    pub fn read(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, DecodeError> {
        let mut key = versioned(key)?;
        let control_type = ControlType::from_code(key.int16()?);
        let coordinator_epoch = match control_type {
            ControlType::Abort | ControlType::Commit => Some(versioned(value)?.int32()?),
            _ => None,
        };
        Ok(Self { control_type, coordinator_epoch })
    }

    /// The value of an `Abort` or `Commit` record.
    pub fn end_marker_value(coordinator_epoch: i32) -> [u8; 6] {
        let [a, b, c, d] = coordinator_epoch.to_be_bytes();
        [0, 0, a, b, c, d]
    }
}

/// The kinds of control records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlType {
    /// The producer's transaction was aborted: its records are to be dropped.
    Abort,
    /// The producer's transaction was committed.
    Commit,
    /// A new leader of a KRaft quorum (KIP-595).
    LeaderChange,
    /// The first record of a KRaft snapshot (KIP-630).
    SnapshotHeader,
    /// The last record of a KRaft snapshot.
    SnapshotFooter,
    /// The version of the KRaft protocol (KIP-853).
    KraftVersion,
    /// The voters of a KRaft quorum (KIP-853).
    KraftVoters,
    /// One that this crate does not know, to be passed over.
    Unknown(i16),
}

impl ControlType {
    /// The number in the record's key.
    pub fn code(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::SnapshotHeader => 3,
            Self::SnapshotFooter => 4,
            Self::KraftVersion => 5,
            Self::KraftVoters => 6,
            Self::Unknown(code) => code,
        }
    }

    /// The kind of a number.
    pub fn from_code(code: i16) -> Self {
        match code {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            3 => Self::SnapshotHeader,
            4 => Self::SnapshotFooter,
            5 => Self::KraftVersion,
            6 => Self::KraftVoters,
            _ => Self::Unknown(code),
        }
    }

    /// The key of a record of this kind.
    pub fn key(self) -> [u8; 4] {
        let [high, low] = self.code().to_be_bytes();
        [0, 0, high, low]
    }
}

/// What follows the version.
fn versioned(bytes: Option<&[u8]>) -> Result<Cursor<'_>, DecodeError> {
    let mut cursor = Cursor::new(bytes.ok_or_else(|| DecodeError::new(DecodeErrorKind::Null, 0))?);
    let version = cursor.int16()?;
    if version < 0 {
        return Err(DecodeError::new(DecodeErrorKind::Length(version.into()), 0));
    }
    Ok(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_the_future_is_kept() {
        let record = ControlRecord::read(Some(&[0, 0, 0, 99]), None).unwrap();
        assert_eq!(record, ControlRecord { control_type: ControlType::Unknown(99), coordinator_epoch: None });
    }

    #[test]
    fn a_marker_without_its_epoch_is_refused() {
        assert!(ControlRecord::read(Some(&[0, 0, 0, 1]), Some(&[0, 0, 0])).unwrap_err().is_truncated());
        assert_eq!(ControlRecord::read(None, None).unwrap_err().kind(), &DecodeErrorKind::Null);
    }
}
