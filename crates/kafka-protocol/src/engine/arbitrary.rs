//! Arbitrary messages for fuzzers and generators, leaning towards the edges: nulls, empties, extremes, unknown tags.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use smol_str::SmolStr;

use super::{FieldSchema, Outcome, Place, RawTaggedField, Slot, SlotVisitor, Stop, Struct, StructSchema};
use crate::{MessageType, Uuid};

/// Fills `message`, which is at its defaults, with values that `version` can carry.
///
/// # Errors
/// Never for want of data: [`Unstructured`] then gives zeros, which are defaults.
pub(crate) fn fill(
    message: &mut dyn Struct,
    facts: &MessageType,
    version: i16,
    source: &mut Unstructured<'_>,
) -> Result<()> {
    let flexible = facts.flexible.contains(version);
    let mut filler = Filler { source, version, flexible, depth: 0, error: arbitrary::Error::IncorrectFormat };
    message.slots(&mut filler).map_err(|Stop| filler.error)
}

struct Filler<'a, 'b> {
    source: &'a mut Unstructured<'b>,
    version: i16,
    flexible: bool,
    depth: usize,
    error: arbitrary::Error,
}

impl SlotVisitor for Filler<'_, '_> {
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        slots: &mut [Slot<'_>],
        unknown: &mut Vec<RawTaggedField>,
    ) -> Outcome {
        self.depth += 1;
        let outcome = self.fields(schema, slots, unknown);
        self.depth -= 1;
        outcome.map_err(|error| {
            self.error = error;
            Stop
        })
    }
}

impl Filler<'_, '_> {
    fn fields(
        &mut self,
        schema: &'static StructSchema,
        slots: &mut [Slot<'_>],
        unknown: &mut Vec<RawTaggedField>,
    ) -> Result<()> {
        for (field, slot) in schema.fields.iter().zip(slots.iter_mut()) {
            let skipped = field.tag.is_some() && self.source.ratio(2, 5)?;
            if field.versions.contains(self.version) && !skipped {
                self.value(field, slot)?;
            }
        }
        if self.flexible && self.source.ratio(1, 2 + 2 * self.depth as u32)? {
            self.unknown_tags(schema, unknown)?;
        }
        Ok(())
    }

    fn value(&mut self, field: &FieldSchema, slot: &mut Slot<'_>) -> Result<()> {
        let nullable = field.nullable.contains(self.version);
        match slot {
            Slot::Bool(place) => **place = self.source.arbitrary()?,
            Slot::Int8(place) => **place = self.integer()? as i8,
            Slot::Int16(place) => **place = self.integer()? as i16,
            Slot::UInt16(place) => **place = self.integer()? as u16,
            Slot::Int32(place) => **place = self.integer()? as i32,
            Slot::UInt32(place) => **place = self.integer()? as u32,
            Slot::Int64(place) => **place = self.integer()?,
            Slot::Float64(place) => **place = self.float()?,
            Slot::Uuid(place) => **place = self.uuid()?,
            Slot::String(place) => self.place(place, nullable, Self::string)?,
            Slot::Bytes(place) => self.place(place, nullable, Self::bytes)?,
            Slot::Int8s(place) => self.place(place, nullable, |this| this.items(|this| Ok(this.integer()? as i8)))?,
            Slot::Int16s(place) => self.place(place, nullable, |this| this.items(|this| Ok(this.integer()? as i16)))?,
            Slot::Int32s(place) => self.place(place, nullable, |this| this.items(|this| Ok(this.integer()? as i32)))?,
            Slot::Int64s(place) => self.place(place, nullable, |this| this.items(Self::integer))?,
            Slot::Uuids(place) => self.place(place, nullable, |this| this.items(Self::uuid))?,
            Slot::Strings(place) => self.place(place, nullable, |this| this.items(Self::string))?,
            Slot::Struct(place) => self.walk(|this| place.slots(this))?,
            Slot::Nested(place) if nullable && self.source.ratio(1, 4)? => place.set_null(),
            Slot::Nested(place) => self.walk(|this| place.set_default().slots(this))?,
            Slot::Array(place) if nullable && self.source.ratio(1, 5)? => place.set_null(),
            Slot::Array(place) => {
                let count = self.source.int_in_range(0..=if self.depth == 1 { 3 } else { 2 })?;
                self.walk(|this| place.fill(count, this))?;
            }
        }
        Ok(())
    }

    fn walk(&mut self, into: impl FnOnce(&mut Self) -> Outcome) -> Result<()> {
        into(self).map_err(|Stop| self.error)
    }

    fn place<T>(
        &mut self,
        place: &mut Place<'_, T>,
        nullable: bool,
        value: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<()> {
        if nullable && self.source.ratio(1, 4)? {
            place.set_null();
        } else {
            place.set(value(self)?);
        }
        Ok(())
    }

    /// The low bits make an integer of any width.
    fn integer(&mut self) -> Result<i64> {
        let widths = [8, 16, 32, 64];
        Ok(match self.source.int_in_range(0..=7u8)? {
            0 => 0,
            1 => -1,
            2 => self.source.int_in_range(1..=100)?,
            edge @ (3 | 4) => {
                // The largest or smallest number of one of the widths.
                let max = i64::MAX >> (64 - self.source.choose(&widths)?);
                if edge == 3 { max } else { -max - 1 }
            }
            _ => self.source.arbitrary()?,
        })
    }

    fn float(&mut self) -> Result<f64> {
        let edges = [0.0, -0.0, 1.5, f64::MAX, f64::MIN_POSITIVE, -1e-300];
        let number = if self.source.ratio(1, 2)? { *self.source.choose(&edges)? } else { self.source.arbitrary()? };
        // JSON, against which other implementations check these messages, has neither infinities nor NaN.
        Ok(if f64::is_finite(number) { number } else { 0.0 })
    }

    fn uuid(&mut self) -> Result<Uuid> {
        Ok(if self.source.ratio(1, 5)? { Uuid::ZERO } else { Uuid::from_bytes(self.source.arbitrary()?) })
    }

    fn string(&mut self) -> Result<SmolStr> {
        let len = self.len()?;
        let letters = ['a', 'Z', '0', '-', '.', '"', '\\', '\n', '\0', '/', 'é', 'Ω', '中', '😀'];
        (0..len).map(|_| self.source.choose(&letters).copied()).collect()
    }

    fn bytes(&mut self) -> Result<Bytes> {
        let len = self.len()?;
        (0..len).map(|_| self.source.arbitrary::<u8>()).collect()
    }

    /// A length: mostly short, now and then around the point where its own encoding grows.
    fn len(&mut self) -> Result<usize> {
        if self.source.ratio(1, 24)? {
            return self.source.choose(&[126, 127, 128, 300]).copied();
        }
        self.source.int_in_range(0..=12)
    }

    fn items<T>(&mut self, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = if self.source.ratio(1, 40)? { 130 } else { self.source.int_in_range(0..=3)? };
        (0..count).map(|_| item(self)).collect()
    }

    fn unknown_tags(&mut self, schema: &StructSchema, unknown: &mut Vec<RawTaggedField>) -> Result<()> {
        // Kafka's writer keeps the largest tag, 2³¹-1, for itself.
        for tag in [30, 126, 127, 128, 20_000, i32::MAX as u32 - 1] {
            let known = schema.fields.iter().any(|field| field.tag == Some(tag));
            if !known && self.source.ratio(1, 4)? {
                unknown.push(RawTaggedField { tag, data: self.bytes()? });
            }
        }
        Ok(())
    }
}
