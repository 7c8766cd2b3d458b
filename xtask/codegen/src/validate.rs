//! What must hold in the schema beyond its grammar.

use super::schema::{Base, Field, Literal, Message, Struct};

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
    bodies.into_iter().try_for_each(|fields| check_fields(message, fields))?;
    match message.structs.iter().find(|structure| holds(message, structure, structure, &mut Vec::new())) {
        Some(structure) => Err(format!("the struct {} contains itself", structure.name)),
        None => Ok(()),
    }
}

/// Whether a struct holds `wanted`, directly or through others. Those in `seen` have been asked already.
fn holds<'a>(message: &'a Message, structure: &'a Struct, wanted: &Struct, seen: &mut Vec<&'a str>) -> bool {
    let nested: Vec<_> =
        structure.fields.iter().filter_map(|field| message.find_struct(field.struct_name()?)).collect();
    nested.into_iter().any(|next| {
        let is_new = !seen.contains(&next.name.as_str());
        seen.push(&next.name);
        next.name == wanted.name || (is_new && holds(message, next, wanted, seen))
    })
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

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    /// What is said of a message with this body, `Ok` being nothing.
    fn check(body: &str) -> Result<(), String> {
        checked(&format!("request 1 A 0-3 flexible 2+ {{\n{body}\n}}\n"))
    }

    fn checked(schema: &str) -> Result<(), String> {
        messages(&parse::schema(schema).unwrap()).map_err(|invalid| invalid.to_string())
    }

    fn refused(body: &str, why: &str) {
        assert_eq!(check(body), Err(format!("ARequest: {why}")), "{body}");
    }

    #[test]
    fn what_can_be_declared_passes() {
        let shared = "struct S {\nId int32\n}\nstruct T {\nS S\nMore []S\n}\nOne S\nMany []T\nOther T?";
        let defaults = "B bool = true\nI int64 = -9\nN string? = null\nL []int32? = null\nT string tag 0\nU uuid tag 1";
        assert_eq!(check(shared), Ok(()));
        assert_eq!(check(defaults), Ok(()));
    }

    #[test]
    fn a_struct_is_defined_once() {
        refused("struct S {\nId int32\n}\nstruct S {\nId int32\n}\nOne S", "the struct S is defined twice");
    }

    #[test]
    fn a_struct_does_not_contain_itself() {
        refused("struct S {\nMore []S\n}\nOne S", "the struct S contains itself");
        let circle = "struct S {\nT T\n}\nstruct T {\nU U?\n}\nstruct U {\nId int32\nMany []S\n}\nOne T";
        refused(circle, "the struct S contains itself");
        refused("struct S {\nT T\n}\nstruct T {\nT []T\n}\nOne S", "the struct T contains itself");
    }

    #[test]
    fn names_and_tags_are_there_once() {
        refused("Id int32\nId int64", "Id is there twice");
        refused("Part Part {\nId int32\nId int64\n}", "Id is there twice");
        refused("A string tag 1\nB string tag 1", "the tag of B is taken");
        assert_eq!(check("A string tag 1\nPart Part {\nA string tag 1\n}"), Ok(()));
    }

    #[test]
    fn types_tags_and_versions_exist() {
        refused("One S", "One has an unknown type");
        refused("A string 3-2", "A has no version");
        let inflexible = checked("request 1 A 0-3 {\nA string tag 1\n}\n");
        assert_eq!(inflexible, Err("ARequest: A has a tag, but no version is flexible".to_owned()));
    }

    #[test]
    fn defaults_fit_their_types() {
        refused("A string = null", "A is null by default, but not nullable");
        refused("A int32 = true", "A is true by default, but not a bool");
        refused("A []bool = true", "A is true by default, but not a bool");
        refused("A string = 1", "A has a number for a default, but is none");
        refused("A []int32 = 1", "A has a number for a default, but is none");
    }

    #[test]
    fn only_what_has_a_length_can_be_null() {
        for plain in ["bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64", "uuid"] {
            refused(&format!("A {plain}?"), "A cannot be nullable");
            assert_eq!(check(&format!("A []{plain}?")), Ok(()));
        }
    }
}
