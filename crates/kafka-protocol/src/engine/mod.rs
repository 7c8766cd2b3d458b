//! One walk over every message, many visitors.
//!
//! A message is declared once, as data ([`structure!`](macros)): its fields with their versions, and two accessors that
//! lay out borrowed views of all of them, [`Slot`]s to fill or [`Value`]s to read. Everything that is done with
//! messages is a visitor of these views, written once for all of them:
//!
//! ```text
//!             slots(): &mut [Slot]                     values(): &[Value]
//!  decode  ───────────────┐                       ┌──────────────── encode (into a buffer, or only counting)
//!  from JSON ─────────────┼──── Struct: one per ──┼──────────────── to JSON
//!  arbitrary ─────────────┘     Kafka struct      └──────────────── Debug, "is it at its default?"
//! ```
#![allow(unnameable_types, reason = "messages are declared here and nowhere else: their view is sealed")]

#[cfg(feature = "arbitrary")]
pub(crate) mod arbitrary;
pub(crate) mod debug;
pub(crate) mod decode;
pub(crate) mod encode;
#[cfg(feature = "json")]
pub(crate) mod json;
mod macros;
mod schema;

use std::fmt;

use bytes::Bytes;
use smol_str::SmolStr;

pub(crate) use macros::{initial, message, option, since, structure};
pub use schema::Versions;
pub(crate) use schema::at;
pub(crate) use schema::{FieldSchema, Initial, Kind, StructSchema};

use crate::Uuid;

/// A tagged field that the schema does not know (KIP-482): kept as it came, and written back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTaggedField {
    /// The field's tag. Tags of one struct are unique; they are written in ascending order.
    pub tag: u32,
    /// The value's bytes, without the size before them.
    pub data: Bytes,
}

/// The visitor stopped; it knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

/// Whether a walk goes on. The error itself stays in the visitor, so that the good case costs nothing.
pub(crate) type Outcome = Result<(), Stop>;

/// A Kafka struct: views of its fields, in the order of its schema.
pub trait Struct: fmt::Debug + Send + Sync + 'static {
    /// Shows all fields to a visitor that fills them.
    fn slots(&mut self, visitor: &mut dyn SlotVisitor) -> Outcome;

    /// Shows all fields to a visitor that reads them.
    fn values(&self, visitor: &mut dyn ValueVisitor) -> Outcome;
}

/// A Kafka struct whose type is known.
pub trait Declared: Struct + Default {
    /// The facts about it.
    const SCHEMA: &'static StructSchema;
}

/// Fills structs.
pub trait SlotVisitor {
    /// Fills one struct: `slots[i]` belongs to `schema.fields[i]`.
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        slots: &mut [Slot<'_>],
        unknown: &mut Vec<RawTaggedField>,
    ) -> Outcome;
}

/// Reads structs.
pub trait ValueVisitor {
    /// Reads one struct: `values[i]` belongs to `schema.fields[i]`.
    fn structure(&mut self, schema: &'static StructSchema, values: &[Value<'_>], unknown: &[RawTaggedField])
    -> Outcome;
}

/// A field to fill.
#[derive(Debug)]
pub enum Slot<'a> {
    Bool(&'a mut bool),
    Int8(&'a mut i8),
    Int16(&'a mut i16),
    UInt16(&'a mut u16),
    Int32(&'a mut i32),
    UInt32(&'a mut u32),
    Int64(&'a mut i64),
    Float64(&'a mut f64),
    Uuid(&'a mut Uuid),
    String(Place<'a, SmolStr>),
    Bytes(Place<'a, Bytes>),
    Int8s(Place<'a, Vec<i8>>),
    Int16s(Place<'a, Vec<i16>>),
    Int32s(Place<'a, Vec<i32>>),
    Int64s(Place<'a, Vec<i64>>),
    Uuids(Place<'a, Vec<Uuid>>),
    Strings(Place<'a, Vec<SmolStr>>),
    Struct(&'a mut dyn Struct),
    Nested(&'a mut dyn NullableStruct),
    Array(&'a mut dyn ArrayPlace),
}

/// Where a value goes that some versions allow to be null.
#[derive(Debug)]
pub enum Place<'a, T> {
    /// The field's type has no null.
    Required(&'a mut T),
    /// The field's type has one.
    Nullable(&'a mut Option<T>),
}

impl<T> Place<'_, T> {
    /// Puts a value there.
    #[inline]
    pub fn set(&mut self, value: T) {
        match self {
            Self::Required(place) => **place = value,
            Self::Nullable(place) => **place = Some(value),
        }
    }

    /// Puts null there, where the type has it.
    pub fn set_null(&mut self) {
        if let Self::Nullable(place) = self {
            **place = None;
        }
    }
}

/// A field to read; `None` is null. What is larger than a number stays where it is: a struct lays out its fields in
/// little code, and a field that nobody looks at costs nothing.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Bool(bool),
    Int8(i8),
    Int16(i16),
    UInt16(u16),
    Int32(i32),
    UInt32(u32),
    Int64(i64),
    Float64(f64),
    Uuid(&'a Uuid),
    String(Option<&'a SmolStr>),
    Bytes(Option<&'a Bytes>),
    Int8s(Option<&'a Vec<i8>>),
    Int16s(Option<&'a Vec<i16>>),
    Int32s(Option<&'a Vec<i32>>),
    Int64s(Option<&'a Vec<i64>>),
    Uuids(Option<&'a Vec<Uuid>>),
    Strings(Option<&'a Vec<SmolStr>>),
    Struct(&'a dyn Struct),
    Nested(Option<&'a dyn Struct>),
    Array(Option<&'a dyn Array>),
}

/// A struct that may be null.
pub trait NullableStruct: fmt::Debug {
    /// Makes it null.
    fn set_null(&mut self);

    /// Makes it a struct at its defaults, and returns it.
    fn set_default(&mut self) -> &mut dyn Struct;
}

/// An array of structs.
pub trait Array {
    /// The number of elements.
    fn count(&self) -> usize;

    /// Shows the elements to the visitor, one after the other, until it stops.
    fn each(&self, visitor: &mut dyn ValueVisitor) -> Outcome;
}

impl fmt::Debug for dyn Array + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug::write_array(self, f)
    }
}

/// An array of structs to fill, nullable or not.
pub trait ArrayPlace {
    /// Makes it null, where its type has that.
    fn set_null(&mut self);

    /// Appends `count` elements to an array at its default, that is empty or null, that the visitor fills, one after the other, until it stops. There is
    /// room for all of them at once: the visitor vouches for the count.
    fn fill(&mut self, count: usize, visitor: &mut dyn SlotVisitor) -> Outcome;
}

impl fmt::Debug for dyn ArrayPlace + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[…]")
    }
}

/// How a Rust type stands for a field.
pub(crate) trait Field {
    /// What it is made of on the wire.
    const KIND: Kind;

    /// The view that fills it.
    fn slot(&mut self) -> Slot<'_>;

    /// The view that reads it.
    fn value(&self) -> Value<'_>;
}

macro_rules! numbers {
    ($($variant:ident $type:ty),*) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::Fixed(size_of::<Self>());

            #[inline]
            fn slot(&mut self) -> Slot<'_> {
                Slot::$variant(self)
            }

            #[inline]
            fn value(&self) -> Value<'_> {
                Value::$variant(*self)
            }
        }
    )*};
}

numbers!(Bool bool, Int8 i8, Int16 i16, UInt16 u16, Int32 i32, UInt32 u32, Int64 i64, Float64 f64);

impl Field for Uuid {
    const KIND: Kind = Kind::Fixed(size_of::<Self>());

    fn slot(&mut self) -> Slot<'_> {
        Slot::Uuid(self)
    }

    fn value(&self) -> Value<'_> {
        Value::Uuid(self)
    }
}

/// Both forms of a type that may be null: `T` and `Option<T>`.
macro_rules! places {
    ($($variant:ident $kind:ident $type:ty;)*) => {$(
        impl Field for $type {
            const KIND: Kind = Kind::$kind;

            #[inline]
            fn slot(&mut self) -> Slot<'_> {
                Slot::$variant(Place::Required(self))
            }

            #[inline]
            fn value(&self) -> Value<'_> {
                Value::$variant(Some(self))
            }
        }

        impl Field for Option<$type> {
            const KIND: Kind = Kind::$kind;

            #[inline]
            fn slot(&mut self) -> Slot<'_> {
                Slot::$variant(Place::Nullable(self))
            }

            #[inline]
            fn value(&self) -> Value<'_> {
                Value::$variant(self.as_ref())
            }
        }
    )*};
}

places! {
    String Text SmolStr;
    Bytes Counted Bytes;
    Int8s Counted Vec<i8>;
    Int16s Counted Vec<i16>;
    Int32s Counted Vec<i32>;
    Int64s Counted Vec<i64>;
    Uuids Counted Vec<Uuid>;
    Strings Counted Vec<SmolStr>;
}

impl<T: Declared> Field for T {
    const KIND: Kind = Kind::Struct(T::SCHEMA);

    #[inline]
    fn slot(&mut self) -> Slot<'_> {
        Slot::Struct(self)
    }

    #[inline]
    fn value(&self) -> Value<'_> {
        Value::Struct(self)
    }
}

impl<T: Declared> Field for Option<T> {
    const KIND: Kind = Kind::Struct(T::SCHEMA);

    #[inline]
    fn slot(&mut self) -> Slot<'_> {
        Slot::Nested(self)
    }

    #[inline]
    fn value(&self) -> Value<'_> {
        Value::Nested(self.as_ref().map(|value| value as &dyn Struct))
    }
}

impl<T: Declared> NullableStruct for Option<T> {
    fn set_null(&mut self) {
        *self = None;
    }

    fn set_default(&mut self) -> &mut dyn Struct {
        self.insert(T::default())
    }
}

impl<T: Declared> Field for Vec<T> {
    const KIND: Kind = Kind::Array(T::SCHEMA);

    #[inline]
    fn slot(&mut self) -> Slot<'_> {
        Slot::Array(self)
    }

    #[inline]
    fn value(&self) -> Value<'_> {
        Value::Array(Some(self))
    }
}

impl<T: Declared> Field for Option<Vec<T>> {
    const KIND: Kind = Kind::Array(T::SCHEMA);

    #[inline]
    fn slot(&mut self) -> Slot<'_> {
        Slot::Array(self)
    }

    #[inline]
    fn value(&self) -> Value<'_> {
        Value::Array(self.as_ref().map(|elements| elements as &dyn Array))
    }
}

impl<T: Declared> Array for Vec<T> {
    fn count(&self) -> usize {
        self.len()
    }

    fn each(&self, visitor: &mut dyn ValueVisitor) -> Outcome {
        for element in self {
            element.values(visitor)?;
        }
        Ok(())
    }
}

impl<T: Declared> ArrayPlace for Vec<T> {
    fn set_null(&mut self) {}

    fn fill(&mut self, count: usize, visitor: &mut dyn SlotVisitor) -> Outcome {
        self.reserve_exact(count);
        for _ in 0..count {
            self.push(T::default());
            if let Some(element) = self.last_mut() {
                element.slots(visitor)?;
            }
        }
        Ok(())
    }
}

impl<T: Declared> ArrayPlace for Option<Vec<T>> {
    fn set_null(&mut self) {
        *self = None;
    }

    fn fill(&mut self, count: usize, visitor: &mut dyn SlotVisitor) -> Outcome {
        self.insert(Vec::new()).fill(count, visitor)
    }
}
