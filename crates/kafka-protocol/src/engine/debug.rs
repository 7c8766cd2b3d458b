//! `Debug` of messages: every field by its Kafka name, secrets as `***`.

use std::fmt;

use super::{Outcome, RawTaggedField, Stop, Struct, StructSchema, Value, ValueVisitor};

/// Writes a struct with all its fields.
pub(crate) fn write(message: &dyn Struct, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    message.values(&mut Writer { f }).map_err(|Stop| fmt::Error)
}

struct Writer<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
}

impl ValueVisitor for Writer<'_, '_> {
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        values: &[Value<'_>],
        unknown: &[RawTaggedField],
    ) -> Outcome {
        let mut fields = self.f.debug_struct(schema.name);
        for (field, value) in schema.fields.iter().zip(values) {
            if field.secret {
                fields.field(field.name, &format_args!("***"));
            } else {
                fields.field(field.name, &Shown(value));
            }
        }
        if !unknown.is_empty() {
            fields.field("unknownTaggedFields", &unknown);
        }
        fields.finish().map_err(|fmt::Error| Stop)
    }

    fn stopped_at(&mut self, _index: usize) {}
}

/// A value as its Rust type would show it.
struct Shown<'a>(&'a Value<'a>);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(value) => value.fmt(f),
            Value::Int8(value) => value.fmt(f),
            Value::Int16(value) => value.fmt(f),
            Value::UInt16(value) => value.fmt(f),
            Value::Int32(value) => value.fmt(f),
            Value::UInt32(value) => value.fmt(f),
            Value::Int64(value) => value.fmt(f),
            Value::Float64(value) => value.fmt(f),
            Value::Uuid(value) => value.fmt(f),
            Value::String(value) => value.fmt(f),
            // Records run to megabytes: their length says more.
            Value::Bytes(Some(value)) if value.len() > BYTES_SHOWN => write!(f, "({} bytes)", value.len()),
            Value::Bytes(value) => value.fmt(f),
            Value::Int8s(value) => value.fmt(f),
            Value::Int16s(value) => value.fmt(f),
            Value::Int32s(value) => value.fmt(f),
            Value::Int64s(value) => value.fmt(f),
            Value::Uuids(value) => value.fmt(f),
            Value::Strings(value) => value.fmt(f),
            Value::Struct(value) => value.fmt(f),
            Value::Nested(value) => value.fmt(f),
            Value::Array(value) => value.fmt(f),
        }
    }
}

const BYTES_SHOWN: usize = 64;
