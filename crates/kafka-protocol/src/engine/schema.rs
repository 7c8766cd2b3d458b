//! The facts about messages that the generated declarations state and the visitors act on.

/// A range of versions, both ends included; empty where `min` is above `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The first version.
    pub min: i16,
    /// The last version.
    pub max: i16,
}

impl Versions {
    /// Every version.
    pub const ALL: Self = Self { min: 0, max: i16::MAX };
    /// No version.
    pub const NONE: Self = Self { min: 1, max: 0 };

    /// The range from `min` to `max`, both included.
    pub const fn new(min: i16, max: i16) -> Self {
        Self { min, max }
    }

    /// Whether `version` is in the range.
    #[inline]
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// Whether no version is in the range.
    pub const fn is_empty(self) -> bool {
        self.min > self.max
    }

    /// The versions in both ranges; [empty](Self::is_empty) where there are none.
    pub const fn intersect(self, other: Self) -> Self {
        Self {
            min: if self.min > other.min { self.min } else { other.min },
            max: if self.max < other.max { self.max } else { other.max },
        }
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            range if range.is_empty() => f.write_str("none"),
            Self { min, max } if min == max => write!(f, "{min}"),
            Self { min, max: i16::MAX } => write!(f, "{min}+"),
            Self { min, max } => write!(f, "{min}-{max}"),
        }
    }
}

/// What the schema says of one struct.
#[derive(Debug)]
pub struct StructSchema {
    /// Its name in Kafka's schema.
    pub name: &'static str,
    /// Its fields, in the order of the schema, which is the order on the wire.
    pub fields: &'static [FieldSchema],
}

impl StructSchema {
    /// The fewest bytes that one takes on the wire in `version`: what bounds the count of an array of them.
    pub(crate) fn min_len(&self, version: i16, flexible: bool) -> usize {
        let fields = self.fields.iter().filter(|field| field.is_untagged_in(version));
        fields.map(|field| field.min_len(version, flexible)).sum::<usize>() + usize::from(flexible)
    }
}

/// What the schema says of one field.
#[derive(Debug)]
pub struct FieldSchema {
    /// Its name in Kafka's JSON: the schema's with the first letter lowered.
    pub name: &'static str,
    /// The versions that have it.
    pub versions: Versions,
    /// The versions in which it may be null.
    pub nullable: Versions,
    /// Its tag, where it is a tagged field in all its versions (KIP-482).
    pub tag: Option<u32>,
    /// Its default.
    pub initial: Initial,
    /// What it is made of.
    pub kind: Kind,
    /// Whether it is silently left out of versions that lack it, even when it is set.
    pub ignorable: bool,
    /// Whether it has the classic encoding even in flexible versions (the client id of the request header).
    pub inflexible: bool,
    /// Whether it carries a secret: `Debug` shows `***`.
    pub secret: bool,
}

impl FieldSchema {
    #[inline]
    pub(crate) fn is_untagged_in(&self, version: i16) -> bool {
        self.tag.is_none() && self.versions.contains(version)
    }

    fn min_len(&self, version: i16, flexible: bool) -> usize {
        match self.kind {
            Kind::Struct(_) if self.nullable.contains(version) => 1,
            Kind::Struct(schema) => schema.min_len(version, flexible),
            kind => kind.min_len(flexible && !self.inflexible),
        }
    }
}

/// What the bytes of a field are made of, as far as their least number goes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A number or a uuid: so many bytes.
    Fixed(usize),
    /// A string: a length, then its bytes.
    Text,
    /// Bytes, records or an array of numbers, uuids or strings: a length or count, then the content.
    Counted,
    /// An array of structs: a count, then the elements.
    Array(&'static StructSchema),
    /// A struct.
    Struct(&'static StructSchema),
}

impl Kind {
    /// What an array of structs has as its elements.
    pub(crate) fn element(self) -> Option<&'static StructSchema> {
        match self {
            Self::Array(element) => Some(element),
            _ => None,
        }
    }

    /// The fewest bytes that one takes; of a struct it depends on more than that.
    pub(crate) fn min_len(self, compact: bool) -> usize {
        match self {
            Self::Fixed(len) => len,
            Self::Text if !compact => 2,
            Self::Counted | Self::Array(_) if !compact => 4,
            Self::Text | Self::Counted | Self::Array(_) | Self::Struct(_) => 1,
        }
    }
}

/// The default of a field, as far as a visitor must recognise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// 0, false, "", empty, or a struct at its defaults.
    Zero,
    /// Null.
    Null,
    /// Another number; 1 is `true`.
    Number(i64),
}

/// Begins the facts about a field that is in all versions of its struct, with nothing special about it.
pub(crate) const fn at(name: &'static str) -> FieldSchema {
    FieldSchema {
        name,
        versions: Versions::ALL,
        nullable: Versions::NONE,
        tag: None,
        initial: Initial::Zero,
        kind: Kind::Counted,
        ignorable: false,
        inflexible: false,
        secret: false,
    }
}

/// The notation of the generated declarations. Versions are ranges with both ends included.
impl FieldSchema {
    pub(crate) const fn versions(mut self, min: i16, max: i16) -> Self {
        self.versions = Versions::new(min, max);
        self
    }

    pub(crate) const fn since(self, min: i16) -> Self {
        self.versions(min, i16::MAX)
    }

    pub(crate) const fn nullable(self) -> Self {
        self.nullable_since(0)
    }

    pub(crate) const fn nullable_since(self, min: i16) -> Self {
        self.nullable_in(min, i16::MAX)
    }

    pub(crate) const fn nullable_in(mut self, min: i16, max: i16) -> Self {
        self.nullable = Versions::new(min, max);
        self
    }

    pub(crate) const fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    pub(crate) const fn or_null(mut self) -> Self {
        self.initial = Initial::Null;
        self
    }

    pub(crate) const fn or(mut self, number: i64) -> Self {
        self.initial = Initial::Number(number);
        self
    }

    pub(crate) const fn ignorable(mut self) -> Self {
        self.ignorable = true;
        self
    }

    pub(crate) const fn inflexible(mut self) -> Self {
        self.inflexible = true;
        self
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(crate) const fn of(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }
}
