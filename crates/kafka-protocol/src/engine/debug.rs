//! `Debug` of messages: every field by its Kafka name, secrets as `***`.

use std::fmt;

use super::{Array, Outcome, RawTaggedField, Stop, Struct, StructSchema, Value, ValueVisitor};

/// Writes a struct with all its fields.
#[inline(never)]
pub(crate) fn write(message: &dyn Struct, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    message.values(&mut Writer { f }).map_err(|Stop| fmt::Error)
}

/// Writes the elements of an array.
pub(super) fn write_array(array: &dyn Array, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut list = f.debug_list();
    // The writer of elements never stops a walk; the list keeps the first error.
    let _: Outcome = array.each(&mut Elements { list: &mut list });
    list.finish()
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
        fmt::Debug::fmt(&Fields { schema, values, unknown }, self.f).map_err(|fmt::Error| Stop)
    }
}

struct Elements<'a, 'b, 'c> {
    list: &'a mut fmt::DebugList<'b, 'c>,
}

impl ValueVisitor for Elements<'_, '_, '_> {
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        values: &[Value<'_>],
        unknown: &[RawTaggedField],
    ) -> Outcome {
        self.list.entry(&Fields { schema, values, unknown });
        Ok(())
    }
}

/// A struct as the visitors see it.
struct Fields<'a> {
    schema: &'static StructSchema,
    values: &'a [Value<'a>],
    unknown: &'a [RawTaggedField],
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct(self.schema.name);
        for (field, value) in self.schema.fields.iter().zip(self.values) {
            if field.secret {
                fields.field(field.name, &format_args!("***"));
            } else {
                fields.field(field.name, &Shown { value, nullable: !field.nullable.is_empty() });
            }
        }
        if !self.unknown.is_empty() {
            fields.field("unknownTaggedFields", &self.unknown);
        }
        fields.finish()
    }
}

/// A value as its Rust type would show it.
struct Shown<'a> {
    value: &'a Value<'a>,
    nullable: bool,
}

impl Shown<'_> {
    fn write(&self, value: Option<&dyn fmt::Debug>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match value {
            Some(value) if !self.nullable => value.fmt(f),
            value => fmt::Debug::fmt(&value, f),
        }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Value::Bool(value) => value.fmt(f),
            Value::Int8(value) => value.fmt(f),
            Value::Int16(value) => value.fmt(f),
            Value::UInt16(value) => value.fmt(f),
            Value::Int32(value) => value.fmt(f),
            Value::UInt32(value) => value.fmt(f),
            Value::Int64(value) => value.fmt(f),
            Value::Float64(value) => value.fmt(f),
            Value::Uuid(value) => value.fmt(f),
            // Records run to megabytes: their length says more.
            Value::Bytes(Some(value)) if value.len() > BYTES_SHOWN => write!(f, "({} bytes)", value.len()),
            Value::String(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Bytes(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Int8s(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Int16s(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Int32s(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Int64s(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Uuids(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Strings(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Struct(value) => value.fmt(f),
            Value::Nested(value) => self.write(value.as_ref().map(|value| value as _), f),
            Value::Array(value) => self.write(value.as_ref().map(|value| value as _), f),
        }
    }
}

const BYTES_SHOWN: usize = 64;
