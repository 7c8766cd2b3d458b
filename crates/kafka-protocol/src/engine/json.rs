//! Messages as Kafka's JSON, both ways.
//!
//! The conventions are those of Kafka's own `JsonConverter` classes: names with the first letter lowered; every
//! untagged field of the version; tagged fields where they are not at their default; bytes and records as base64,
//! uuids as [`Uuid`] prints them. Tagged fields that the schema does not know stand beside them, as
//! `"_unknownTags": [{"tag": 7, "data": "base64"}]`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Map, Number, Value as Json};
use smol_str::SmolStr;

use super::encode::is_initial;
use super::{
    ArrayPlace, FieldSchema, Outcome, Place, RawTaggedField, Slot, SlotVisitor, Stop, Struct, StructSchema, Value,
    ValueVisitor,
};
use crate::error::Segment;
use crate::{MessageType, Uuid};

const UNKNOWN_TAGS: &str = "_unknownTags";

/// JSON that does not say what a message of the version should say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct JsonError {
    path: String,
    reason: String,
}

impl JsonError {
    /// The field that was being read, from the message inwards.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The message as JSON.
pub(crate) fn write(message: &dyn Struct, version: i16) -> Json {
    let mut writer = Writer { version, done: Vec::new() };
    // The writer never stops a walk.
    let _: Outcome = message.values(&mut writer);
    writer.done.pop().unwrap_or_default()
}

/// Fills `message`, which is at its defaults, from JSON.
pub(crate) fn read(message: &mut dyn Struct, facts: &MessageType, version: i16, json: &Json) -> Result<(), JsonError> {
    let name = facts.name();
    if !facts.versions.contains(version) {
        let reason = format!("there is no version {version}, only {}", facts.versions);
        return Err(JsonError { path: name.to_owned(), reason });
    }
    let mut reader = Reader { version, next: std::slice::from_ref(json).iter(), failure: None };
    message.slots(&mut reader).map_err(|Stop| reader.take_failure().within(Segment::Name(name)).into())
}

/// Writes structs; those that are done wait in a row for the field that holds them.
struct Writer {
    version: i16,
    done: Vec<Json>,
}

impl ValueVisitor for Writer {
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        values: &[Value<'_>],
        unknown: &[RawTaggedField],
    ) -> Outcome {
        let mut object = Map::new();
        for (field, value) in schema.fields.iter().zip(values) {
            let left_out = field.tag.is_some() && is_initial(field, value);
            if field.versions.contains(self.version) && !left_out {
                object.insert(field.name.to_owned(), self.value(value)?);
            }
        }
        if !unknown.is_empty() {
            let tags = unknown.iter().map(|raw| {
                let data = BASE64_STANDARD.encode(&raw.data);
                Json::Object(Map::from_iter([("tag".to_owned(), raw.tag.into()), ("data".to_owned(), data.into())]))
            });
            object.insert(UNKNOWN_TAGS.to_owned(), tags.collect());
        }
        self.done.push(Json::Object(object));
        Ok(())
    }
}

impl Writer {
    fn value(&mut self, value: &Value<'_>) -> Result<Json, Stop> {
        Ok(match *value {
            Value::Bool(value) => value.into(),
            Value::Int8(value) => value.into(),
            Value::Int16(value) => value.into(),
            Value::UInt16(value) => value.into(),
            Value::Int32(value) => value.into(),
            Value::UInt32(value) => value.into(),
            Value::Int64(value) => value.into(),
            // JSON has no infinity and no NaN; Java's converter writes them as text, too.
            Value::Float64(value) => Number::from_f64(value).map_or_else(|| value.to_string().into(), Json::Number),
            Value::Uuid(value) => value.to_string().into(),
            Value::String(value) => value.map(SmolStr::as_str).into(),
            Value::Bytes(value) => value.map(|bytes| BASE64_STANDARD.encode(bytes)).into(),
            Value::Int8s(items) => items.map(Vec::as_slice).into(),
            Value::Int16s(items) => items.map(Vec::as_slice).into(),
            Value::Int32s(items) => items.map(Vec::as_slice).into(),
            Value::Int64s(items) => items.map(Vec::as_slice).into(),
            Value::Uuids(items) => items.map(|items| items.iter().map(Uuid::to_string).collect::<Json>()).into(),
            Value::Strings(items) => items.map(|items| items.iter().map(SmolStr::as_str).collect::<Json>()).into(),
            Value::Nested(None) | Value::Array(None) => Json::Null,
            Value::Struct(nested) | Value::Nested(Some(nested)) => {
                nested.values(self)?;
                self.done.pop().unwrap_or_default()
            }
            Value::Array(Some(array)) => {
                let before = self.done.len();
                array.each(self)?;
                self.done.split_off(before).into()
            }
        })
    }
}

/// Reads structs; `next` are the objects of those to come.
struct Reader<'a> {
    version: i16,
    next: std::slice::Iter<'a, Json>,
    failure: Option<Failure>,
}

struct Failure {
    reason: String,
    path: Vec<Segment>,
}

impl Failure {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), path: Vec::new() }
    }

    fn expected(what: &str, found: &Json) -> Self {
        let found = match found {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number outside its range or of another kind",
            Json::String(_) => "other text",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        };
        Self::new(format!("expected {what}, found {found}"))
    }

    fn within(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }
}

impl From<Failure> for JsonError {
    fn from(failure: Failure) -> Self {
        Self { path: crate::error::path(&failure.path), reason: failure.reason }
    }
}

impl SlotVisitor for Reader<'_> {
    fn structure(
        &mut self,
        schema: &'static StructSchema,
        slots: &mut [Slot<'_>],
        unknown: &mut Vec<RawTaggedField>,
    ) -> Outcome {
        self.fields(schema, slots, unknown).map_err(|failure| {
            self.failure = Some(failure);
            Stop
        })
    }
}

impl<'a> Reader<'a> {
    fn fields(
        &mut self,
        schema: &'static StructSchema,
        slots: &mut [Slot<'_>],
        unknown: &mut Vec<RawTaggedField>,
    ) -> Result<(), Failure> {
        let json = self.next.next().unwrap_or(&Json::Null);
        let object = json.as_object().ok_or_else(|| Failure::expected("an object", json))?;
        let has =
            |name: &str| schema.fields.iter().any(|field| field.name == name && field.versions.contains(self.version));
        if let Some(name) = object.keys().find(|name| *name != UNKNOWN_TAGS && !has(name)) {
            return Err(Failure::new(format!("version {} has no field {name:?}", self.version)));
        }
        for (field, slot) in schema.fields.iter().zip(slots.iter_mut()) {
            if !field.versions.contains(self.version) {
                continue;
            }
            match object.get(field.name) {
                Some(value) => {
                    self.value(field, slot, value).map_err(|failure| failure.within(Segment::Name(field.name)))?
                }
                None if field.tag.is_some() => {}
                None => return Err(Failure::new("missing").within(Segment::Name(field.name))),
            }
        }
        if let Some(tags) = object.get(UNKNOWN_TAGS) {
            *unknown = unknown_tags(tags).map_err(|failure| failure.within(Segment::Name(UNKNOWN_TAGS)))?;
        }
        Ok(())
    }

    fn value(&mut self, field: &FieldSchema, slot: &mut Slot<'_>, json: &'a Json) -> Result<(), Failure> {
        if json.is_null() {
            return null(field, slot, self.version);
        }
        match slot {
            Slot::Bool(place) => **place = json.as_bool().ok_or_else(|| Failure::expected("true or false", json))?,
            Slot::Int8(place) => **place = integer(json)?,
            Slot::Int16(place) => **place = integer(json)?,
            Slot::UInt16(place) => **place = integer(json)?,
            Slot::Int32(place) => **place = integer(json)?,
            Slot::UInt32(place) => **place = integer(json)?,
            Slot::Int64(place) => **place = integer(json)?,
            Slot::Float64(place) => **place = float(json)?,
            Slot::Uuid(place) => **place = uuid(json)?,
            Slot::String(place) => place.set(string(json)?),
            Slot::Bytes(place) => place.set(bytes(json)?),
            Slot::Int8s(place) => items(place, json, integer)?,
            Slot::Int16s(place) => items(place, json, integer)?,
            Slot::Int32s(place) => items(place, json, integer)?,
            Slot::Int64s(place) => items(place, json, integer)?,
            Slot::Uuids(place) => items(place, json, uuid)?,
            Slot::Strings(place) => items(place, json, string)?,
            Slot::Struct(place) => self.walk(json, *place)?,
            Slot::Nested(place) => self.walk(json, place.set_default())?,
            Slot::Array(array) => self.array(elements(json)?, *array)?,
        }
        Ok(())
    }

    fn array(&mut self, elements: &'a [Json], array: &mut dyn ArrayPlace) -> Result<(), Failure> {
        let rest = std::mem::replace(&mut self.next, elements.iter());
        let outcome = array.fill(elements.len(), self);
        let left = std::mem::replace(&mut self.next, rest).len();
        let index = elements.len().saturating_sub(left + 1);
        outcome.map_err(|Stop| self.take_failure().within(Segment::Index(index)))
    }

    fn walk(&mut self, json: &'a Json, place: &mut dyn Struct) -> Result<(), Failure> {
        let rest = std::mem::replace(&mut self.next, std::slice::from_ref(json).iter());
        let outcome = place.slots(self);
        self.next = rest;
        outcome.map_err(|Stop| self.take_failure())
    }

    fn take_failure(&mut self) -> Failure {
        self.failure.take().unwrap_or_else(|| Failure::new("stopped"))
    }
}

fn null(field: &FieldSchema, slot: &mut Slot<'_>, version: i16) -> Result<(), Failure> {
    if !field.nullable.contains(version) {
        return Err(Failure::new(format!("must not be null in version {version}")));
    }
    match slot {
        Slot::String(place) => place.set_null(),
        Slot::Bytes(place) => place.set_null(),
        Slot::Int8s(place) => place.set_null(),
        Slot::Int16s(place) => place.set_null(),
        Slot::Int32s(place) => place.set_null(),
        Slot::Int64s(place) => place.set_null(),
        Slot::Uuids(place) => place.set_null(),
        Slot::Strings(place) => place.set_null(),
        Slot::Nested(place) => place.set_null(),
        Slot::Array(place) => place.set_null(),
        // Numbers, uuids and structs that are never null: the schema marks none of them nullable.
        _ => debug_assert!(false, "{} is marked nullable, its type is not", field.name),
    }
    Ok(())
}

fn integer<T: TryFrom<i64>>(json: &Json) -> Result<T, Failure> {
    let number = json.as_i64().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| Failure::expected(&format!("a number of type {}", std::any::type_name::<T>()), json))
}

fn float(json: &Json) -> Result<f64, Failure> {
    let number = json.as_f64().or_else(|| json.as_str().and_then(|text| text.parse().ok()));
    number.ok_or_else(|| Failure::expected("a number", json))
}

fn text(json: &Json) -> Result<&str, Failure> {
    json.as_str().ok_or_else(|| Failure::expected("text", json))
}

fn string(json: &Json) -> Result<SmolStr, Failure> {
    text(json).map(SmolStr::new)
}

fn uuid(json: &Json) -> Result<Uuid, Failure> {
    text(json)?.parse().map_err(|_| Failure::expected("a uuid of 22 characters", json))
}

fn bytes(json: &Json) -> Result<Bytes, Failure> {
    BASE64_STANDARD.decode(text(json)?).map(Bytes::from).map_err(|_| Failure::expected("base64", json))
}

fn elements(json: &Json) -> Result<&Vec<Json>, Failure> {
    json.as_array().ok_or_else(|| Failure::expected("an array", json))
}

fn items<T>(
    place: &mut Place<'_, Vec<T>>,
    json: &Json,
    item: impl Fn(&Json) -> Result<T, Failure>,
) -> Result<(), Failure> {
    let items = elements(json)?.iter().enumerate();
    let items = items.map(|(index, json)| item(json).map_err(|failure| failure.within(Segment::Index(index))));
    place.set(items.collect::<Result<_, _>>()?);
    Ok(())
}

fn unknown_tags(json: &Json) -> Result<Vec<RawTaggedField>, Failure> {
    let tag = |json: &Json| {
        let member = |name| json.get(name).ok_or_else(|| Failure::new(format!("{name:?} is missing")));
        Ok(RawTaggedField { tag: integer(member("tag")?)?, data: bytes(member("data")?)? })
    };
    elements(json)?.iter().map(tag).collect()
}
