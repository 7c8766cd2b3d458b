//! Decoding: fills the slots of a message from bytes that nobody vouches for.

use bytes::Bytes;
use smol_str::SmolStr;

use super::encode::TAG_MAX;
use super::{
    ArrayPlace, FieldSchema, Kind, Outcome, Place, RawTaggedField, Slot, SlotVisitor, Stop, Struct, StructSchema,
    Versions,
};
use crate::cursor::Cursor;
use crate::error::Segment;
use crate::{DecodeError, DecodeErrorKind, Limits, MessageType, Uuid};

/// Fills `message`, which is at its defaults, from a body that takes up all of `bytes`.
pub(crate) fn message(
    message: &mut dyn Struct,
    facts: &MessageType,
    version: i16,
    bytes: &Bytes,
    limits: &Limits,
) -> Result<()> {
    let used = prefix(message, facts, version, bytes, limits)?;
    match bytes.len() - used {
        0 => Ok(()),
        left => Err(DecodeError::new(DecodeErrorKind::Trailing(left), used).within(Segment::Name(facts.name()))),
    }
}

/// Fills `message`, which is at its defaults, from the front of `bytes`, and returns how many of them it took.
pub(crate) fn prefix(
    message: &mut dyn Struct,
    facts: &MessageType,
    version: i16,
    bytes: &Bytes,
    limits: &Limits,
) -> Result<usize> {
    let name = facts.name();
    if !facts.versions.contains(version) {
        let (min, max) = (facts.versions.min, facts.versions.max);
        return Err(DecodeError::new(DecodeErrorKind::Version { message: name, version, min, max }, 0));
    }
    let mut decoder = Decoder {
        cursor: Cursor::new(bytes),
        frame: bytes,
        version,
        flexible: facts.flexible.contains(version),
        limits,
        promised: 0,
        element_len: 0,
        begun: 0,
        error: None,
    };
    match message.slots(&mut decoder) {
        Ok(()) => Ok(decoder.cursor.position()),
        Err(Stop) => Err(decoder.take_error().within(Segment::Name(name))),
    }
}

struct Decoder<'a> {
    cursor: Cursor<'a>,
    /// What the cursor runs over, for slices that outlive it.
    frame: &'a Bytes,
    version: i16,
    flexible: bool,
    limits: &'a Limits,
    /// The fewest bytes that the elements still to come of all arrays around here will take. What is left beyond them
    /// bounds the count of an array within: so all counts together never claim more than the input holds, and an array
    /// can set aside room for all its elements at once.
    promised: usize,
    /// What each element of the array that is being filled takes at least.
    element_len: usize,
    /// How many elements of that array have been begun.
    begun: usize,
    error: Option<DecodeError>,
}

type Result<T> = std::result::Result<T, DecodeError>;

impl SlotVisitor for Decoder<'_> {
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        slots: &mut [Slot<'_>],
        unknown: &mut Vec<RawTaggedField>,
    ) -> Outcome {
        self.fields(schema, slots, unknown).map_err(|error| {
            self.error = Some(error);
            Stop
        })
    }
}

impl Decoder<'_> {
    fn fields(
        &mut self,
        schema: &'static StructSchema,
        slots: &mut [Slot<'_>],
        unknown: &mut Vec<RawTaggedField>,
    ) -> Result<()> {
        // An element that is here is no longer to come.
        let element_len = std::mem::take(&mut self.element_len);
        self.promised = self.promised.saturating_sub(element_len);
        self.begun += 1;
        // A cursor of this function's own stays in registers.
        let mut cursor = self.cursor;
        for (field, slot) in schema.fields.iter().zip(slots.iter_mut()) {
            if !field.is_untagged_in(self.version) {
                continue;
            }
            let outcome = match number(&mut cursor, slot) {
                Some(outcome) => outcome,
                None => {
                    self.cursor = cursor;
                    let outcome = self.composite(field, slot);
                    cursor = self.cursor;
                    outcome
                }
            };
            outcome.map_err(|error| error.within(Segment::Name(field.name)))?;
        }
        let tagged = if self.flexible { cursor.uvarint() } else { Ok(0) };
        self.cursor = cursor;
        match tagged? {
            0 => {}
            count => self.tagged_fields(count as usize, schema, slots, unknown)?,
        }
        self.element_len = element_len;
        Ok(())
    }

    fn value(&mut self, field: &FieldSchema, slot: &mut Slot<'_>) -> Result<()> {
        number(&mut self.cursor, slot).unwrap_or_else(|| self.composite(field, slot))
    }

    /// A value that is not a number: a function apart, so that numbers do not pay for its size.
    #[inline(never)]
    fn composite(&mut self, field: &FieldSchema, slot: &mut Slot<'_>) -> Result<()> {
        let (nullable, compact) = (field.nullable, self.flexible && !field.inflexible);
        match slot {
            Slot::String(place) => match self.string(compact)? {
                Some(text) => place.set(text),
                None => self.null(nullable, || place.set_null())?,
            },
            Slot::Bytes(place) => match self.length(compact, Prefix::Int32)? {
                Some(len) => place.set(self.slice(len)?),
                None => self.null(nullable, || place.set_null())?,
            },
            Slot::Int8s(place) => self.numbers(place, nullable, compact, i8::from_be_bytes)?,
            Slot::Int16s(place) => self.numbers(place, nullable, compact, i16::from_be_bytes)?,
            Slot::Int32s(place) => self.numbers(place, nullable, compact, i32::from_be_bytes)?,
            Slot::Int64s(place) => self.numbers(place, nullable, compact, i64::from_be_bytes)?,
            Slot::Uuids(place) => self.numbers(place, nullable, compact, Uuid::from_bytes)?,
            Slot::Strings(place) => self.strings(place, nullable, compact)?,
            Slot::Struct(place) => self.walk(|decoder| place.slots(decoder))?,
            Slot::Nested(place) => {
                if nullable.contains(self.version) && self.is_null(field)? {
                    place.set_null();
                } else {
                    self.walk(|decoder| place.set_default().slots(decoder))?;
                }
            }
            Slot::Array(array) => match self.length(compact, Prefix::Int32)? {
                Some(count) => self.array(field, count, *array)?,
                None => self.null(nullable, || array.set_null())?,
            },
            // A number.
            _ => {}
        }
        Ok(())
    }

    fn array(&mut self, field: &FieldSchema, count: usize, array: &mut dyn ArrayPlace) -> Result<()> {
        let element_len = field.kind.element().map_or(1, |element| element.min_len(self.version, self.flexible).max(1));
        self.promised += self.count(count, element_len)?;
        self.element_len = element_len;
        let begun = std::mem::take(&mut self.begun);
        let outcome = array.fill(count, self);
        let failed = std::mem::replace(&mut self.begun, begun);
        self.element_len = 0;
        outcome.map_err(|Stop| self.take_error().within(Segment::Index(failed.saturating_sub(1))))
    }

    /// Goes into a struct.
    #[inline]
    fn walk(&mut self, into: impl FnOnce(&mut Self) -> Outcome) -> Result<()> {
        let begun = self.begun;
        let outcome = into(self);
        self.begun = begun;
        outcome.map_err(|Stop| self.take_error())
    }

    #[cold]
    fn take_error(&mut self) -> DecodeError {
        debug_assert!(self.error.is_some(), "a walk stops only for an error");
        self.error.take().unwrap_or_else(|| self.cursor.error(DecodeErrorKind::Length(0)))
    }

    /// Makes a value null, if the version allows it.
    #[inline]
    fn null(&self, nullable: Versions, set_null: impl FnOnce()) -> Result<()> {
        if !nullable.contains(self.version) {
            return Err(self.cursor.error(DecodeErrorKind::Null));
        }
        set_null();
        Ok(())
    }

    /// Whether a nullable struct is null: an int8 before it says so, before a tagged one a uvarint.
    fn is_null(&mut self, field: &FieldSchema) -> Result<bool> {
        match field.tag {
            None => Ok(self.cursor.int8()? < 0),
            Some(_) => Ok(self.cursor.uvarint()? == 0),
        }
    }

    /// The length before a string, bytes or array; `None` is null.
    #[inline(always)]
    fn length(&mut self, compact: bool, classic: Prefix) -> Result<Option<usize>> {
        let len = match (compact, classic) {
            (true, _) => i64::from(self.cursor.uvarint()?) - 1,
            (false, Prefix::Int16) => i64::from(self.cursor.int16()?),
            (false, Prefix::Int32) => i64::from(self.cursor.int32()?),
        };
        match usize::try_from(len) {
            Ok(len) => Ok(Some(len)),
            Err(_) if len == -1 => Ok(None),
            Err(_) => Err(self.cursor.error(DecodeErrorKind::Length(len))),
        }
    }

    /// Fails where there cannot be `count` elements of at least `len` bytes each, none of which has been looked at; else
    /// returns the bytes that they take at least.
    fn count(&self, count: usize, len: usize) -> Result<usize> {
        self.within("max_array_len", count, self.limits.max_array_len)?;
        let all = count.saturating_mul(len);
        self.cursor.require(all.saturating_add(self.promised))?;
        Ok(all)
    }

    fn within(&self, what: &'static str, actual: usize, limit: usize) -> Result<()> {
        if actual > limit {
            return Err(self.cursor.error(DecodeErrorKind::Limit { what, actual: actual as u64, limit: limit as u64 }));
        }
        Ok(())
    }

    #[inline]
    fn string(&mut self, compact: bool) -> Result<Option<SmolStr>> {
        let Some(len) = self.length(compact, Prefix::Int16)? else {
            return Ok(None);
        };
        self.within("max_string_len", len, self.limits.max_string_len)?;
        let start = self.cursor.position();
        match std::str::from_utf8(self.cursor.take(len)?) {
            Ok(text) => Ok(Some(SmolStr::new(text))),
            Err(error) => Err(DecodeError::new(DecodeErrorKind::Utf8, start + error.valid_up_to())),
        }
    }

    /// The next `len` bytes as a slice that shares the frame.
    fn slice(&mut self, len: usize) -> Result<Bytes> {
        let start = self.cursor.position();
        self.cursor.take(len)?;
        Ok(self.frame.slice(start..start + len))
    }

    fn strings(&mut self, place: &mut Place<'_, Vec<SmolStr>>, nullable: Versions, compact: bool) -> Result<()> {
        let Some(count) = self.length(compact, Prefix::Int32)? else {
            return self.null(nullable, || place.set_null());
        };
        self.count(count, Kind::Text.min_len(compact))?;
        let mut strings = Vec::with_capacity(count);
        for index in 0..count {
            let text = match self.string(compact) {
                Ok(Some(text)) => text,
                Ok(None) => return Err(self.cursor.error(DecodeErrorKind::Null).within(Segment::Index(index))),
                Err(error) => return Err(error.within(Segment::Index(index))),
            };
            strings.push(text);
        }
        place.set(strings);
        Ok(())
    }

    #[inline(never)]
    fn numbers<T, const N: usize>(
        &mut self,
        place: &mut Place<'_, Vec<T>>,
        nullable: Versions,
        compact: bool,
        number: impl Fn([u8; N]) -> T,
    ) -> Result<()> {
        let Some(count) = self.length(compact, Prefix::Int32)? else {
            return self.null(nullable, || place.set_null());
        };
        let bytes = self.cursor.take(self.count(count, N)?)?;
        place.set(bytes.as_chunks::<N>().0.iter().map(|chunk| number(*chunk)).collect());
        Ok(())
    }

    /// The section at the end of a struct in flexible versions (KIP-482), behind its count.
    #[inline(never)]
    fn tagged_fields(
        &mut self,
        count: usize,
        schema: &'static StructSchema,
        slots: &mut [Slot<'_>],
        unknown: &mut Vec<RawTaggedField>,
    ) -> Result<()> {
        self.within("max_tagged_fields", count, self.limits.max_tagged_fields)?;
        self.cursor.require(count.saturating_mul(TAGGED_FIELD_LEN).saturating_add(self.promised))?;
        let mut previous = None;
        for index in 0..count {
            let tag = self.cursor.uvarint()?;
            if let Some(previous) = previous.replace(tag).filter(|&previous| previous >= tag) {
                return Err(self.cursor.error(DecodeErrorKind::TagOrder { previous, tag }));
            }
            if tag > TAG_MAX {
                return Err(self.cursor.error(DecodeErrorKind::Tag(tag)));
            }
            let size = self.cursor.uvarint()? as usize;
            self.cursor.require(size)?;
            let mut fields = schema.fields.iter().zip(slots.iter_mut());
            match fields.find(|(field, _)| field.tag == Some(tag) && field.versions.contains(self.version)) {
                Some((field, slot)) => self
                    .tagged_field(field, slot, tag, size)
                    .map_err(|error| error.within(Segment::Name(field.name)))?,
                None => {
                    unknown.reserve_exact(count - index);
                    unknown.push(RawTaggedField { tag, data: self.slice(size)? });
                }
            }
        }
        Ok(())
    }

    fn tagged_field(&mut self, field: &FieldSchema, slot: &mut Slot<'_>, tag: u32, size: usize) -> Result<()> {
        let start = self.cursor.position();
        self.value(field, slot)?;
        match self.cursor.position() - start {
            used if used == size => Ok(()),
            used => Err(self.cursor.error(DecodeErrorKind::TagSize { tag, size, used })),
        }
    }
}

/// Reads a number or a uuid; `None` is for [`composite`](Decoder::composite).
#[inline(always)]
fn number(cursor: &mut Cursor<'_>, slot: &mut Slot<'_>) -> Option<Result<()>> {
    Some(match slot {
        Slot::Bool(place) => cursor.int8().map(|value| **place = value != 0),
        Slot::Int8(place) => cursor.int8().map(|value| **place = value),
        Slot::Int16(place) => cursor.int16().map(|value| **place = value),
        Slot::UInt16(place) => cursor.uint16().map(|value| **place = value),
        Slot::Int32(place) => cursor.int32().map(|value| **place = value),
        Slot::UInt32(place) => cursor.uint32().map(|value| **place = value),
        Slot::Int64(place) => cursor.int64().map(|value| **place = value),
        Slot::Float64(place) => cursor.float64().map(|value| **place = value),
        Slot::Uuid(place) => cursor.array().map(|bytes| **place = Uuid::from_bytes(bytes)),
        _ => return None,
    })
}

/// The classic length before a value.
#[derive(Clone, Copy)]
enum Prefix {
    Int16,
    Int32,
}

/// A tag and a size: what a tagged field takes at least.
const TAGGED_FIELD_LEN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::messages::metadata::MetadataRequest;

    /// Found by the fuzz target `round_trip`'s promise that what decodes can be encoded.
    #[test]
    fn a_tag_that_cannot_be_written_is_refused() {
        let decode = |tag: u32| {
            // No topics, two booleans; a tagged field without content.
            let mut body = vec![0, 0, 0, 1];
            crate::varint::put_uvarint(&mut body, tag);
            body.push(0);
            MetadataRequest::decode(12, body.into())
        };
        assert!(decode(TAG_MAX).is_ok());
        for tag in [TAG_MAX + 1, u32::MAX] {
            assert_eq!(decode(tag).unwrap_err().kind(), &DecodeErrorKind::Tag(tag));
        }
    }
}
