//! Encoding: writes the values of a message, or only counts the bytes that would take.

use bytes::{Bytes, BytesMut};

use super::{Array, FieldSchema, Initial, Outcome, RawTaggedField, Stop, Struct, StructSchema, Value, ValueVisitor};
use crate::error::Segment;
use crate::{EncodeError, MessageType};

/// Appends `message` to `buffer`, or leaves `buffer` as it was.
pub(crate) fn message(
    message: &dyn Struct,
    facts: &MessageType,
    version: i16,
    buffer: &mut BytesMut,
) -> Result<(), EncodeError> {
    let start = buffer.len();
    let mut output = Output { buffer: &mut *buffer, gathered: [0; CHUNK], len: 0 };
    let outcome = run(message, facts, version, &mut output).map(Output::flush);
    if outcome.is_err() {
        buffer.truncate(start);
    }
    outcome
}

/// The number of bytes that [`message`] would append.
pub(crate) fn len(message: &dyn Struct, facts: &MessageType, version: i16) -> Result<usize, EncodeError> {
    run(message, facts, version, Count(0)).map(|count| count.0)
}

fn run<S: Sink>(message: &dyn Struct, facts: &MessageType, version: i16, sink: S) -> Result<S, EncodeError> {
    let name = facts.name();
    if !facts.versions.contains(version) {
        let (min, max) = (facts.versions.min, facts.versions.max);
        return Err(EncodeError::Version { message: name, version, min, max });
    }
    let mut encoder = Encoder { sink, version, flexible: facts.flexible.contains(version), begun: 0, failure: None };
    match message.values(&mut encoder) {
        Ok(()) => Ok(encoder.sink),
        Err(Stop) => Err(encoder.take_failure().into_error(name, version)),
    }
}

/// Where encoded bytes go. Whoever writes many numbers keeps the place where the next one goes to himself: each would
/// otherwise wait for the last one to have updated it in memory.
trait Sink {
    /// Where the next byte goes.
    fn place(&self) -> usize;

    /// Goes on from a place that [`put`](Self::put) has returned.
    fn go_on(&mut self, place: usize);

    /// Puts a number at the current place, and returns the next one.
    fn put<const N: usize>(&mut self, place: usize, bytes: [u8; N]) -> usize;

    fn slice(&mut self, bytes: &[u8]);

    #[inline]
    fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        let place = self.put(self.place(), bytes);
        self.go_on(place);
    }
}

/// Appends to `buffer`. To extend it by two or four bytes at a time is dear, so what is small is gathered first.
struct Output<'a> {
    buffer: &'a mut BytesMut,
    gathered: [u8; CHUNK],
    len: usize,
}

/// How much is gathered.
const CHUNK: usize = 512;

impl Output<'_> {
    fn flush(&mut self) {
        self.buffer.extend_from_slice(self.gathered.get(..self.len).unwrap_or_default());
        self.len = 0;
    }

    /// Writes what no longer fits.
    #[cold]
    fn extend(&mut self, bytes: &[u8]) {
        self.flush();
        self.buffer.extend_from_slice(bytes);
    }
}

impl Sink for &mut Output<'_> {
    #[inline]
    fn place(&self) -> usize {
        self.len
    }

    #[inline]
    fn go_on(&mut self, place: usize) {
        self.len = place;
    }

    #[inline]
    fn put<const N: usize>(&mut self, place: usize, bytes: [u8; N]) -> usize {
        match self.gathered.get_mut(place..).and_then(|rest| rest.first_chunk_mut()) {
            Some(room) => {
                *room = bytes;
                place + N
            }
            None => {
                self.len = place;
                self.extend(&bytes);
                self.len
            }
        }
    }

    #[inline]
    fn slice(&mut self, bytes: &[u8]) {
        match self.gathered.get_mut(self.len..).and_then(|rest| rest.get_mut(..bytes.len())) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.extend(bytes),
        }
    }
}

/// Counts what would be written.
struct Count(usize);

impl Sink for Count {
    #[inline]
    fn place(&self) -> usize {
        self.0
    }

    #[inline]
    fn go_on(&mut self, place: usize) {
        self.0 = place;
    }

    #[inline]
    fn put<const N: usize>(&mut self, place: usize, _bytes: [u8; N]) -> usize {
        place + N
    }

    #[inline]
    fn slice(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

struct Encoder<S> {
    sink: S,
    version: i16,
    flexible: bool,
    /// How many elements of the array that is being written have been begun.
    begun: usize,
    failure: Option<Failure>,
}

/// Why a message cannot be written. One word wide, so that a `Result` of it costs the good case nothing.
struct Failure(Box<Inner>);

struct Inner {
    reason: Reason,
    /// Innermost first.
    path: Vec<Segment>,
}

enum Reason {
    Null,
    Unsupported,
    TooLong { len: usize, max: usize },
    Tag(u32),
}

impl Failure {
    #[cold]
    fn new(reason: Reason) -> Self {
        Self(Box::new(Inner { reason, path: Vec::new() }))
    }

    #[cold]
    fn within(mut self, segment: Segment) -> Self {
        self.0.path.push(segment);
        self
    }

    fn into_error(self, message: &'static str, version: i16) -> EncodeError {
        let Inner { reason, path } = *self.0;
        let field = crate::error::path(&path);
        match reason {
            Reason::Null => EncodeError::Null { message, version, field },
            Reason::Unsupported => EncodeError::Unsupported { message, version, field },
            Reason::TooLong { len, max } => EncodeError::TooLong { message, field, len, max },
            Reason::Tag(tag) => EncodeError::Tag { message, version, field, tag },
        }
    }
}

type Result<T, E = Failure> = std::result::Result<T, E>;

impl<S: Sink> ValueVisitor for Encoder<S> {
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        values: &[Value<'_>],
        unknown: &[RawTaggedField],
    ) -> Outcome {
        self.fields(schema, values, unknown).map_err(|failure| {
            self.failure = Some(failure);
            Stop
        })
    }
}

impl<S: Sink> Encoder<S> {
    fn fields(
        &mut self,
        schema: &'static StructSchema,
        values: &[Value<'_>],
        unknown: &[RawTaggedField],
    ) -> Result<()> {
        self.begun += 1;
        let mut tagged = unknown.len();
        let mut place = self.sink.place();
        for (field, value) in schema.fields.iter().zip(values) {
            if !field.versions.contains(self.version) {
                self.left_out(field, value)?;
            } else if field.tag.is_some() {
                tagged += usize::from(!is_initial(field, value));
            } else if let Some(next) = self.number(place, field, value) {
                place = next;
            } else {
                self.sink.go_on(place);
                self.composite(field, value).map_err(|failure| failure.within(Segment::Name(field.name)))?;
                place = self.sink.place();
            }
        }
        self.sink.go_on(place);
        match (self.flexible, tagged, unknown) {
            (true, 0, _) => self.sink.array([0]),
            (true, ..) => self.tagged_fields(schema, values, unknown, tagged)?,
            (false, _, [first, ..]) => return Err(Failure::new(Reason::Tag(first.tag))),
            (false, ..) => {}
        }
        Ok(())
    }

    /// A field that this version lacks: it must be at its default, or be one that may be dropped silently.
    #[inline]
    fn left_out(&self, field: &FieldSchema, value: &Value<'_>) -> Result<()> {
        if field.ignorable || is_initial(field, value) {
            return Ok(());
        }
        Err(Failure::new(Reason::Unsupported).within(Segment::Name(field.name)))
    }

    fn value(&mut self, field: &FieldSchema, value: &Value<'_>) -> Result<()> {
        match self.number(self.sink.place(), field, value) {
            Some(place) => self.sink.go_on(place),
            None => self.composite(field, value)?,
        }
        Ok(())
    }

    /// Writes what takes no more than a few instructions, and returns the place behind it; `None` is for
    /// [`composite`](Self::composite).
    #[inline(always)]
    fn number(&mut self, place: usize, field: &FieldSchema, value: &Value<'_>) -> Option<usize> {
        Some(match *value {
            Value::Bool(value) => self.sink.put(place, [u8::from(value)]),
            Value::Int8(value) => self.sink.put(place, value.to_be_bytes()),
            Value::Int16(value) => self.sink.put(place, value.to_be_bytes()),
            Value::UInt16(value) => self.sink.put(place, value.to_be_bytes()),
            Value::Int32(value) => self.sink.put(place, value.to_be_bytes()),
            Value::UInt32(value) => self.sink.put(place, value.to_be_bytes()),
            Value::Int64(value) => self.sink.put(place, value.to_be_bytes()),
            Value::Float64(value) => self.sink.put(place, value.to_be_bytes()),
            Value::Uuid(value) => self.sink.put(place, *value.as_bytes()),
            // Broker ids and partitions: what answers about topics are made of.
            Value::Int32s(Some(items)) if self.flexible && items.len() < 0x7f && !field.inflexible => {
                let first = self.sink.put(place, [items.len() as u8 + 1]);
                items.iter().fold(first, |place, item| self.sink.put(place, item.to_be_bytes()))
            }
            _ => return None,
        })
    }

    /// A value that is not a number: a function apart, so that numbers do not pay for its size.
    #[inline(never)]
    fn composite(&mut self, field: &FieldSchema, value: &Value<'_>) -> Result<()> {
        let compact = self.flexible && !field.inflexible;
        match *value {
            Value::String(Some(text)) => self.string(text, compact)?,
            Value::String(None) => self.null(field, compact, &NULL_INT16)?,
            Value::Bytes(Some(bytes)) => self.bytes(bytes, compact)?,
            Value::Int8s(Some(items)) => self.items(items, compact, |item| item.to_be_bytes())?,
            Value::Int16s(Some(items)) => self.items(items, compact, |item| item.to_be_bytes())?,
            Value::Int32s(Some(items)) => self.items(items, compact, |item| item.to_be_bytes())?,
            Value::Int64s(Some(items)) => self.items(items, compact, |item| item.to_be_bytes())?,
            Value::Uuids(Some(items)) => self.items(items, compact, |item| *item.as_bytes())?,
            Value::Strings(Some(items)) => {
                self.length(items.len(), compact)?;
                for (index, item) in items.iter().enumerate() {
                    self.string(item, compact).map_err(|failure| failure.within(Segment::Index(index)))?;
                }
            }
            Value::Struct(value) => self.walk(value)?,
            Value::Nested(nested) => self.nested(field, nested)?,
            Value::Array(Some(array)) => self.array(array, compact)?,
            Value::Array(None)
            | Value::Bytes(None)
            | Value::Int8s(None)
            | Value::Int16s(None)
            | Value::Int32s(None)
            | Value::Int64s(None)
            | Value::Uuids(None)
            | Value::Strings(None) => self.null(field, compact, &NULL_INT32)?,
            // A number.
            _ => {}
        }
        Ok(())
    }

    fn array(&mut self, array: &dyn Array, compact: bool) -> Result<()> {
        self.length(array.count(), compact)?;
        let begun = std::mem::take(&mut self.begun);
        let outcome = array.each(self);
        let failed = std::mem::replace(&mut self.begun, begun);
        outcome.map_err(|Stop| self.take_failure().within(Segment::Index(failed.saturating_sub(1))))
    }

    /// Goes into a struct.
    #[inline]
    fn walk(&mut self, value: &dyn Struct) -> Result<()> {
        let begun = self.begun;
        let outcome = value.values(self);
        self.begun = begun;
        outcome.map_err(|Stop| self.take_failure())
    }

    #[cold]
    fn take_failure(&mut self) -> Failure {
        debug_assert!(self.failure.is_some(), "a walk stops only for a failure");
        self.failure.take().unwrap_or_else(|| Failure::new(Reason::Unsupported))
    }

    fn null(&mut self, field: &FieldSchema, compact: bool, classic: &[u8]) -> Result<()> {
        if !field.nullable.contains(self.version) {
            return Err(Failure::new(Reason::Null));
        }
        self.sink.slice(if compact { &[0] } else { classic });
        Ok(())
    }

    fn nested(&mut self, field: &FieldSchema, nested: Option<&dyn Struct>) -> Result<()> {
        let marker = match (nested, field.tag) {
            (Some(_), _) => 1,
            (None, None) => 0xff,
            (None, Some(_)) => 0,
        };
        if field.nullable.contains(self.version) {
            self.sink.array([marker]);
        } else if nested.is_none() {
            return Err(Failure::new(Reason::Null));
        }
        nested.map_or(Ok(()), |nested| self.walk(nested))
    }

    /// The length of bytes or the count of an array. Java counts both in int32; a compact one is written one higher.
    #[inline]
    fn length(&mut self, len: usize, compact: bool) -> Result<()> {
        let len = within(len, i32::MAX as usize - 1)?;
        if compact {
            self.uvarint(len + 1);
        } else {
            self.sink.array(len.to_be_bytes());
        }
        Ok(())
    }

    /// A compact length could be longer than 15 bits, but Kafka refuses such strings in all versions.
    #[inline]
    fn string(&mut self, text: &str, compact: bool) -> Result<()> {
        let len = within(text.len(), i16::MAX as usize)?;
        if compact {
            self.uvarint(len + 1);
        } else {
            self.sink.array((len as u16).to_be_bytes());
        }
        self.sink.slice(text.as_bytes());
        Ok(())
    }

    fn bytes(&mut self, bytes: &Bytes, compact: bool) -> Result<()> {
        self.length(bytes.len(), compact)?;
        self.sink.slice(bytes);
        Ok(())
    }

    #[inline]
    fn items<T, const N: usize>(&mut self, items: &[T], compact: bool, bytes: impl Fn(&T) -> [u8; N]) -> Result<()> {
        self.length(items.len(), compact)?;
        for item in items {
            self.sink.array(bytes(item));
        }
        Ok(())
    }

    #[inline]
    fn uvarint(&mut self, value: u32) {
        match value {
            0..0x80 => self.sink.array([value as u8]),
            _ => self.long_uvarint(value),
        }
    }

    #[inline(never)]
    fn long_uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.sink.array([value as u8 | 0x80]);
            value >>= 7;
        }
        self.sink.array([value as u8]);
    }

    /// The section at the end of a struct in flexible versions (KIP-482): known and unknown fields, merged by tag.
    #[cold]
    fn tagged_fields(
        &mut self,
        schema: &'static StructSchema,
        values: &[Value<'_>],
        unknown: &[RawTaggedField],
        count: usize,
    ) -> Result<()> {
        let known = schema.fields.iter().zip(values).filter(|(field, value)| {
            field.tag.is_some() && field.versions.contains(self.version) && !is_initial(field, value)
        });
        let known = known.map(|(field, value)| (field.tag.unwrap_or_default(), Tagged::Known(field, value)));
        let unknown = unknown.iter().map(|raw| (raw.tag, Tagged::Unknown(&raw.data)));
        let mut fields: Vec<_> = known.chain(unknown).collect();
        fields.sort_by_key(|(tag, _)| *tag);
        let reserved = |tag: u32| {
            tag > TAG_MAX
                || schema.fields.iter().any(|field| field.tag == Some(tag) && field.versions.contains(self.version))
        };
        let clash = fields.windows(2).find(|pair| matches!(pair, [(first, _), (second, _)] if first == second));
        let clash = clash.and_then(|pair| pair.first()).map(|(tag, _)| *tag);
        let misplaced = fields.iter().find(|(tag, field)| matches!(field, Tagged::Unknown(_)) && reserved(*tag));
        if let Some(tag) = clash.or_else(|| misplaced.map(|(tag, _)| *tag)) {
            return Err(Failure::new(Reason::Tag(tag)));
        }
        self.uvarint(count as u32);
        for (tag, tagged) in fields {
            self.uvarint(tag);
            match tagged {
                Tagged::Unknown(data) => {
                    self.size(data.len())?;
                    self.sink.slice(data);
                }
                Tagged::Known(field, value) => {
                    self.tagged_field(field, value).map_err(|failure| failure.within(Segment::Name(field.name)))?
                }
            }
        }
        Ok(())
    }

    /// A tagged field has its size before it, so it is walked twice.
    fn tagged_field(&mut self, field: &FieldSchema, value: &Value<'_>) -> Result<()> {
        let mut count =
            Encoder { sink: Count(0), version: self.version, flexible: self.flexible, begun: 0, failure: None };
        count.value(field, value)?;
        self.size(count.sink.0)?;
        self.value(field, value)
    }

    /// The size before a tagged field.
    fn size(&mut self, len: usize) -> Result<()> {
        let max = i32::MAX as usize;
        if len > max {
            return Err(Failure::new(Reason::TooLong { len, max }));
        }
        self.uvarint(len as u32);
        Ok(())
    }
}

/// A length that the wire can hold.
#[inline]
fn within(len: usize, max: usize) -> Result<u32> {
    if len > max {
        return Err(Failure::new(Reason::TooLong { len, max }));
    }
    Ok(len as u32)
}

enum Tagged<'a> {
    Known(&'a FieldSchema, &'a Value<'a>),
    Unknown(&'a Bytes),
}

/// The largest tag; Kafka's writer keeps 2³¹-1 for itself.
pub(super) const TAG_MAX: u32 = i32::MAX as u32 - 1;

const NULL_INT16: [u8; 2] = (-1i16).to_be_bytes();
const NULL_INT32: [u8; 4] = (-1i32).to_be_bytes();

/// Whether a field is at its default: then a tagged one is not written, and a version may lack it.
pub(crate) fn is_initial(field: &FieldSchema, value: &Value<'_>) -> bool {
    let number = match field.initial {
        Initial::Number(number) => number,
        Initial::Zero | Initial::Null => 0,
    };
    let null = field.initial == Initial::Null;
    match *value {
        Value::Bool(value) => i64::from(value) == number,
        Value::Int8(value) => i64::from(value) == number,
        Value::Int16(value) => i64::from(value) == number,
        Value::UInt16(value) => i64::from(value) == number,
        Value::Int32(value) => i64::from(value) == number,
        Value::UInt32(value) => i64::from(value) == number,
        Value::Int64(value) => value == number,
        Value::Float64(value) => value.to_bits() == (number as f64).to_bits(),
        Value::Uuid(value) => value.is_zero(),
        Value::String(value) => value.map_or(null, |value| !null && value.is_empty()),
        Value::Bytes(value) => value.map_or(null, |value| !null && value.is_empty()),
        Value::Int8s(value) => value.map_or(null, |value| !null && value.is_empty()),
        Value::Int16s(value) => value.map_or(null, |value| !null && value.is_empty()),
        Value::Int32s(value) => value.map_or(null, |value| !null && value.is_empty()),
        Value::Int64s(value) => value.map_or(null, |value| !null && value.is_empty()),
        Value::Uuids(value) => value.map_or(null, |value| !null && value.is_empty()),
        Value::Strings(value) => value.map_or(null, |value| !null && value.is_empty()),
        Value::Array(value) => value.map_or(null, |value| !null && value.count() == 0),
        Value::Struct(value) => is_all_initial(value),
        Value::Nested(value) => value.map_or(null, |value| !null && is_all_initial(value)),
    }
}

fn is_all_initial(value: &dyn Struct) -> bool {
    struct AllInitial;

    impl ValueVisitor for AllInitial {
        fn structure(
            &mut self,
            schema: &'static StructSchema,
            values: &[Value<'_>],
            unknown: &[RawTaggedField],
        ) -> Outcome {
            let initial = schema.fields.iter().zip(values).all(|(field, value)| is_initial(field, value));
            if initial && unknown.is_empty() { Ok(()) } else { Err(Stop) }
        }
    }

    value.values(&mut AllInitial).is_ok()
}
