//! The model of `kafka.schema`: what its text says, before any thought of Rust.

use std::fmt;

/// A Kafka message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    /// The API key of a request or response, the record type of a stored key, value or metadata record.
    pub(super) key: Option<i16>,
    pub(super) name: String,
    pub(super) versions: Range,
    /// The first flexible version.
    pub(super) flexible: Option<i16>,
    /// The first unstable version.
    pub(super) unstable: Option<i16>,
    pub(super) listeners: Vec<String>,
    /// The structs under it, at any depth, in the order in which the schema defines them.
    pub(super) structs: Vec<Struct>,
    pub(super) fields: Vec<Field>,
}

impl Message {
    /// Its name in Kafka: `MetadataRequest` for the request named `Metadata` in the schema.
    pub(super) fn full_name(&self) -> String {
        match self.kind {
            Kind::Request => format!("{}Request", self.name),
            Kind::Response => format!("{}Response", self.name),
            _ => self.name.clone(),
        }
    }

    pub(super) fn find_struct(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|candidate| candidate.name == name)
    }

    /// Every field, with the struct that holds it, or `None` where that is the message.
    pub(super) fn all_fields(&self) -> impl Iterator<Item = (Option<&Struct>, &Field)> {
        let own = self.fields.iter().map(|field| (None, field));
        let held = |structure| move |field| (Some(structure), field);
        own.chain(self.structs.iter().flat_map(move |structure| structure.fields.iter().map(held(structure))))
    }

    /// The structs that `fields` need, in reading order: each before those that it needs itself.
    pub(super) fn reading_order(&self) -> Vec<&Struct> {
        let mut found = Vec::new();
        self.collect(&self.fields, &mut found);
        found
    }

    fn collect<'a>(&'a self, fields: &[Field], found: &mut Vec<&'a Struct>) {
        for structure in fields.iter().filter_map(|field| self.find_struct(field.struct_name()?)) {
            if !found.iter().any(|known| known.name == structure.name) {
                found.push(structure);
                self.collect(&structure.fields, found);
            }
        }
    }

    /// Whether two messages mean the same by a struct name, down to the last field.
    pub(super) fn shares_struct(&self, other: &Self, name: &str) -> bool {
        let (Some(mine), Some(theirs)) = (self.find_struct(name), other.find_struct(name)) else {
            return false;
        };
        let mut nested = mine.fields.iter().filter_map(Field::struct_name);
        mine == theirs && nested.all(|name| self.shares_struct(other, name))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
    Header,
    Data,
    CoordinatorKey,
    CoordinatorValue,
    Metadata,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Struct {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) array: bool,
    pub(super) base: Base,
    /// The versions in which it may be null.
    pub(super) nullable: Option<Range>,
    /// The versions that have it; `None` is all.
    pub(super) versions: Option<Range>,
    pub(super) tag: Option<u32>,
    pub(super) default: Literal,
    pub(super) ignorable: bool,
    pub(super) inflexible: bool,
    /// What it names, such as `topicName`.
    pub(super) entity: Option<String>,
}

impl Field {
    pub(super) fn struct_name(&self) -> Option<&str> {
        match &self.base {
            Base::Struct(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is null unless set. Kafka's `records` are null without a word in the schema.
    pub(super) fn is_null_by_default(&self) -> bool {
        self.default == Literal::Null || (self.base == Base::Records && self.nullable.is_some())
    }
}

/// What a field, or an element of an array, is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
    String,
    Bytes,
    Uuid,
    Records,
    Struct(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// Nothing is said: 0, false, "", empty, and so on.
    Unsaid,
    Null,
    True,
    Number(i64),
}

/// A range of versions, both ends included; `i16::MAX` is "and later".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) min: i16,
    pub(super) max: i16,
}

impl Range {
    pub(super) const ALL: Self = Self { min: 0, max: i16::MAX };
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { min, max } if min == max => write!(f, "version {min}"),
            Self { min, max: i16::MAX } => write!(f, "versions {min} and later"),
            Self { min, max } => write!(f, "versions {min} to {max}"),
        }
    }
}
