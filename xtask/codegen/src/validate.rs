//! What must hold in the schema beyond its grammar.

use super::schema::{Base, Field, Literal, Message};

/// What does not hold, and where.
#[derive(Debug, thiserror::Error)]
#[error("{message}: {what}")]
pub struct Invalid {
    message: String,
    what: String,
}

/// Fails for the first message that cannot be declared.
pub(super) fn messages(messages: &[Message]) -> Result<(), Invalid> {
    for message in messages {
        check(message).map_err(|what| Invalid { message: message.full_name(), what })?;
    }
    Ok(())
}

fn check(message: &Message) -> Result<(), String> {
    for (index, structure) in message.structs.iter().enumerate() {
        if message.structs[..index].iter().any(|earlier| earlier.name == structure.name) {
            return Err(format!("the struct {} is defined twice", structure.name));
        }
    }
    let bodies = message.structs.iter().map(|structure| &structure.fields).chain([&message.fields]);
    bodies.into_iter().try_for_each(|fields| check_fields(message, fields))
}

fn check_fields(message: &Message, fields: &[Field]) -> Result<(), String> {
    for (index, field) in fields.iter().enumerate() {
        let name = &field.name;
        let others = &fields[..index];
        if others.iter().any(|other| other.name == *name) {
            return Err(format!("{name} is there twice"));
        }
        if field.tag.is_some() && others.iter().any(|other| other.tag == field.tag) {
            return Err(format!("the tag of {name} is taken"));
        }
        check_field(message, field).map_err(|what| format!("{name} {what}"))?;
    }
    Ok(())
}

fn check_field(message: &Message, field: &Field) -> Result<(), &'static str> {
    let number =
        matches!(field.base, Base::Int8 | Base::Int16 | Base::Uint16 | Base::Int32 | Base::Uint32 | Base::Int64);
    match field.default {
        _ if field.struct_name().is_some_and(|name| message.find_struct(name).is_none()) => Err("has an unknown type"),
        _ if field.tag.is_some() && message.flexible.is_none() => Err("has a tag, but no version is flexible"),
        _ if field.versions.is_some_and(|versions| versions.min > versions.max) => Err("has no version"),
        Literal::Null if field.nullable.is_none() => Err("is null by default, but not nullable"),
        Literal::True if field.array || field.base != Base::Bool => Err("is true by default, but not a bool"),
        Literal::Number(_) if field.array || !number => Err("has a number for a default, but is none"),
        _ if field.nullable.is_some() && !field.array && (number || is_plain(&field.base)) => Err("cannot be nullable"),
        _ => Ok(()),
    }
}

fn is_plain(base: &Base) -> bool {
    matches!(base, Base::Bool | Base::Float64 | Base::Uuid)
}
