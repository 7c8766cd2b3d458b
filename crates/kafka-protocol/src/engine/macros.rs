//! The notation of the generated declarations.

/// Declares one Kafka struct: a Rust struct with public fields, its default, and its [`Struct`](super::Struct) views.
///
/// A line is `name: Type = default, facts;`, the default left out where `Default::default()` is right. The facts begin
/// with [`at`](super::at) and Kafka's JSON name.
macro_rules! structure {
    ($(#[$meta:meta])* $name:ident $schema:literal {
        $($(#[$doc:meta])* $field:ident: $type:ty $(= $initial:expr)?, $facts:expr;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
            /// Tagged fields that this version of the schema does not know.
            pub unknown_tagged_fields: Vec<$crate::RawTaggedField>,
        }

        impl Default for $name {
            #[inline]
            fn default() -> Self {
                Self {
                    $($field: $crate::engine::initial!($($initial)?),)*
                    unknown_tagged_fields: Vec::new(),
                }
            }
        }

        impl std::fmt::Debug for $name {
            #[inline]
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::engine::debug::write(self, f)
            }
        }

        impl $crate::engine::Declared for $name {
            const SCHEMA: &'static $crate::engine::StructSchema = {
                #[allow(unused_imports, reason = "a struct without fields needs none")]
                use $crate::engine::{Field, at};
                static SCHEMA: $crate::engine::StructSchema = $crate::engine::StructSchema {
                    name: $schema,
                    fields: &[$($facts.of(<$type as Field>::KIND)),*],
                };
                &SCHEMA
            };
        }

        impl $crate::engine::Struct for $name {
            #[inline]
            fn slots(&mut self, visitor: &mut dyn $crate::engine::SlotVisitor) -> $crate::engine::Outcome {
                visitor.structure(
                    <Self as $crate::engine::Declared>::SCHEMA,
                    &mut [$($crate::engine::Field::slot(&mut self.$field)),*],
                    &mut self.unknown_tagged_fields,
                )
            }

            #[inline]
            fn values(&self, visitor: &mut dyn $crate::engine::ValueVisitor) -> $crate::engine::Outcome {
                visitor.structure(
                    <Self as $crate::engine::Declared>::SCHEMA,
                    &[$($crate::engine::Field::value(&self.$field)),*],
                    &self.unknown_tagged_fields,
                )
            }
        }
    };
}
pub(crate) use structure;

macro_rules! initial {
    () => {
        Default::default()
    };
    ($initial:expr) => {
        $initial
    };
}
pub(crate) use initial;

/// Makes a declared struct a [`Message`](crate::Message): what kind it is, its key, versions and flexible versions.
macro_rules! message {
    ($name:ident: $kind:ident $api:literal $(key $key:literal)?, $min:literal..=$max:literal $(, flexible $flexible:literal)? $(, unstable $unstable:literal)? $(, answer $response:ident)?) => {
        impl $crate::Message for $name {
            const TYPE: &'static $crate::MessageType = &$crate::MessageType {
                api: $api,
                kind: $crate::MessageKind::$kind,
                key: $crate::engine::option!($($key)?),
                versions: $crate::Versions::new($min, $max),
                flexible: $crate::engine::since!($($flexible)?),
                unstable: $crate::engine::since!($($unstable)?),
                schema: <Self as $crate::engine::Declared>::SCHEMA,
                new: $crate::message::boxed::<Self>,
            };
        }

        $(impl $crate::Request for $name {
            type Response = $response;
        })?

        /// A message of the newest version.
        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            #[inline]
            fn arbitrary(source: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                <Self as $crate::Message>::arbitrary($max, source)
            }
        }
    };
}
pub(crate) use message;

macro_rules! option {
    () => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}
pub(crate) use option;

macro_rules! since {
    () => {
        $crate::Versions::NONE
    };
    ($min:literal) => {
        $crate::Versions::new($min, i16::MAX)
    };
}
pub(crate) use since;
