//! Reads `kafka.schema`; `GRAMMAR.txt` beside it describes the notation.

use std::str::FromStr;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while};
use nom::character::complete::{char, digit1, line_ending, satisfy};
use nom::combinator::{all_consuming, cut, eof, map_opt, not, opt, peek, recognize, value};
use nom::error::{ContextError, ErrorKind, ParseError, context};
use nom::multi::{many0, many0_count, separated_list1};
use nom::sequence::{delimited, pair, preceded, terminated};
use nom::{Finish, IResult, Parser};

use super::schema::{Base, Field, Kind, Literal, Message, Range, Struct};

/// Where the schema's text is not what the grammar allows.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: expected {expected}, found `{found}`")]
pub struct SyntaxError {
    line: usize,
    expected: &'static str,
    found: String,
}

/// All messages of the schema, in its order.
pub(super) fn schema(text: &str) -> Result<Vec<Message>, SyntaxError> {
    let mut file = all_consuming(delimited(blank_lines, many0(message), end_of_file));
    let (_, messages) = file.parse(text).finish().map_err(|stop| stop.into_error(text))?;
    Ok(messages)
}

type Parsed<'a, T> = IResult<&'a str, T, Stop<'a>>;

/// Where a parser stopped, and what would have let it go on.
#[derive(Debug)]
struct Stop<'a> {
    at: &'a str,
    expected: &'static str,
}

const UNSAID: &str = "something else";

impl Stop<'_> {
    fn into_error(self, text: &str) -> SyntaxError {
        let before = &text[..text.len() - self.at.len()];
        SyntaxError {
            line: before.matches('\n').count() + 1,
            expected: self.expected,
            found: self.at.lines().next().unwrap_or_default().trim().to_owned(),
        }
    }
}

impl<'a> ParseError<&'a str> for Stop<'a> {
    fn from_error_kind(at: &'a str, _: ErrorKind) -> Self {
        Self { at, expected: UNSAID }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }

    fn or(self, other: Self) -> Self {
        if self.at.len() < other.at.len() { self } else { other }
    }
}

impl<'a> ContextError<&'a str> for Stop<'a> {
    /// The innermost rule with a name says what was expected.
    fn add_context(_: &'a str, expected: &'static str, other: Self) -> Self {
        if other.expected == UNSAID { Self { expected, ..other } } else { other }
    }
}

fn message(input: &str) -> Parsed<'_, Message> {
    let (input, kind) = kind(input)?;
    let heading = (
        opt(number),
        word,
        context("the message's versions", versions),
        opt(preceded(keyword("flexible"), cut(versions))),
        opt(preceded(keyword("unstable"), cut(versions))),
        opt(preceded(keyword("on"), cut(token(separated_list1(char(','), name))))),
    );
    let (input, (key, name, versions, flexible, unstable, listeners)) = cut(heading).parse(input)?;
    let (input, (shared, (fields, inline))) = cut(braces((many0(shared_struct), fields))).parse(input)?;
    let mut structs: Vec<_> = shared.into_iter().flatten().collect();
    structs.extend(inline);
    let message = Message {
        kind,
        key,
        name: name.to_owned(),
        versions,
        flexible: flexible.map(|range| range.min),
        unstable: unstable.map(|range| range.min),
        listeners: listeners.unwrap_or_default().into_iter().map(str::to_owned).collect(),
        structs,
        fields,
    };
    Ok((input, message))
}

fn kind(input: &str) -> Parsed<'_, Kind> {
    let kinds = alt((
        value(Kind::Request, keyword("request")),
        value(Kind::Response, keyword("response")),
        value(Kind::Header, keyword("header")),
        value(Kind::Data, keyword("data")),
        value(Kind::CoordinatorKey, keyword("coordinator-key")),
        value(Kind::CoordinatorValue, keyword("coordinator-value")),
        value(Kind::Metadata, keyword("metadata")),
    ));
    context("a kind of message", kinds).parse(input)
}

/// A struct that several fields share, and what its fields define.
fn shared_struct(input: &str) -> Parsed<'_, Vec<Struct>> {
    let (input, _) = keyword("struct").parse(input)?;
    let (input, name) = cut(word).parse(input)?;
    let (input, (fields, inline)) = cut(braces(fields)).parse(input)?;
    let mut structs = vec![Struct { name: name.to_owned(), fields }];
    structs.extend(inline);
    Ok((input, structs))
}

/// Fields, and the structs that they define.
fn fields(input: &str) -> Parsed<'_, (Vec<Field>, Vec<Struct>)> {
    let (input, parsed) = many0(field).parse(input)?;
    let (fields, structs): (Vec<_>, Vec<_>) = parsed.into_iter().unzip();
    Ok((input, (fields, structs.into_iter().flatten().collect())))
}

fn field(input: &str) -> Parsed<'_, (Field, Vec<Struct>)> {
    let (input, name) = word(input)?;
    let details = (
        context("a type", base),
        opt(preceded(char('?'), opt(range))),
        opt(versions),
        opt(preceded(keyword("tag"), cut(number))),
        opt(preceded(token(char('=')), cut(literal))),
        many0(mark),
    );
    let (input, ((array, base), nullable, versions, tag, default, marks)) = cut(details).parse(input)?;
    let field = Field {
        name: name.to_owned(),
        array,
        base,
        nullable: nullable.map(|range| range.unwrap_or(Range::ALL)),
        versions,
        tag,
        default: default.unwrap_or(Literal::Unsaid),
        ignorable: marks.contains(&Mark::Ignorable),
        inflexible: marks.contains(&Mark::Inflexible),
        entity: marks.iter().find_map(Mark::entity),
    };
    let (input, structs) = match &field.base {
        Base::Struct(name) => cut(inline_struct(name)).parse(input)?,
        _ => cut(end_of_line).map(|()| Vec::new()).parse(input)?,
    };
    Ok((input, (field, structs)))
}

/// The braces behind a field whose struct is defined there, or the end of the line where it is shared.
fn inline_struct<'a>(name: &str) -> impl Parser<&'a str, Output = Vec<Struct>, Error = Stop<'a>> {
    let defined = preceded(peek(token(char('{'))), cut(braces(fields))).map(|(fields, mut structs)| {
        structs.insert(0, Struct { name: name.to_owned(), fields });
        structs
    });
    alt((defined, end_of_line.map(|()| Vec::new())))
}

/// The type of a field: whether it is an array, and of what.
fn base(input: &str) -> Parsed<'_, (bool, Base)> {
    let (input, (array, name)) = token(pair(opt(tag("[]")), name)).parse(input)?;
    let base = match name {
        "bool" => Base::Bool,
        "int8" => Base::Int8,
        "int16" => Base::Int16,
        "uint16" => Base::Uint16,
        "int32" => Base::Int32,
        "uint32" => Base::Uint32,
        "int64" => Base::Int64,
        "float64" => Base::Float64,
        "string" => Base::String,
        "bytes" => Base::Bytes,
        "uuid" => Base::Uuid,
        "records" => Base::Records,
        name => Base::Struct(name.to_owned()),
    };
    Ok((input, (array.is_some(), base)))
}

#[derive(Clone, Debug, PartialEq)]
enum Mark {
    Ignorable,
    /// Kafka's Java code indexes such arrays; on the wire they are arrays like any other.
    Key,
    Inflexible,
    Entity(String),
}

impl Mark {
    fn entity(&self) -> Option<String> {
        match self {
            Self::Entity(name) => Some(name.clone()),
            _ => None,
        }
    }
}

fn mark(input: &str) -> Parsed<'_, Mark> {
    alt((
        value(Mark::Ignorable, keyword("ignorable")),
        value(Mark::Key, keyword("key")),
        value(Mark::Inflexible, keyword("inflexible")),
        token(preceded(char('@'), cut(name))).map(|name| Mark::Entity(name.to_owned())),
    ))
    .parse(input)
}

fn literal(input: &str) -> Parsed<'_, Literal> {
    let number = map_opt(recognize(pair(opt(char('-')), digit1)), |digits: &str| digits.parse().ok());
    let literals = alt((
        value(Literal::Null, keyword("null")),
        value(Literal::True, keyword("true")),
        token(number).map(Literal::Number),
    ));
    context("null, true or a number", literals).parse(input)
}

fn versions(input: &str) -> Parsed<'_, Range> {
    token(range).parse(input)
}

fn range(input: &str) -> Parsed<'_, Range> {
    let (input, min) = digits(input)?;
    let later = value(i16::MAX, char('+'));
    let (input, max) = opt(alt((later, preceded(char('-'), cut(digits))))).parse(input)?;
    Ok((input, Range { min, max: max.unwrap_or(min) }))
}

fn number<T: FromStr>(input: &str) -> Parsed<'_, T> {
    token(digits).parse(input)
}

fn digits<T: FromStr>(input: &str) -> Parsed<'_, T> {
    context("a number", map_opt(digit1, |digits: &str| digits.parse().ok())).parse(input)
}

/// Something between braces which end their lines.
fn braces<'a, P>(content: P) -> impl Parser<&'a str, Output = P::Output, Error = Stop<'a>>
where
    P: Parser<&'a str, Error = Stop<'a>>,
{
    let open = pair(context("`{`", token(char('{'))), end_of_line);
    let close = pair(context("a field or `}`", token(char('}'))), end_of_line);
    delimited(open, content, close)
}

fn keyword<'a>(keyword: &'static str) -> impl Parser<&'a str, Output = &'a str, Error = Stop<'a>> {
    terminated(token(tag(keyword)), not(name_character))
}

fn word(input: &str) -> Parsed<'_, &str> {
    context("a name", token(name)).parse(input)
}

fn name(input: &str) -> Parsed<'_, &str> {
    recognize(pair(satisfy(|first| first.is_ascii_alphabetic()), take_while(|next: char| next.is_ascii_alphanumeric())))
        .parse(input)
}

fn name_character(input: &str) -> Parsed<'_, char> {
    satisfy(|character| character.is_ascii_alphanumeric()).parse(input)
}

fn token<'a, P>(parser: P) -> impl Parser<&'a str, Output = P::Output, Error = Stop<'a>>
where
    P: Parser<&'a str, Error = Stop<'a>>,
{
    preceded(blanks, parser)
}

fn blanks(input: &str) -> Parsed<'_, &str> {
    take_while(|character| character == ' ' || character == '\t').parse(input)
}

fn comment(input: &str) -> Parsed<'_, &str> {
    preceded(char('#'), take_till(|character| character == '\n')).parse(input)
}

fn blank_line(input: &str) -> Parsed<'_, ()> {
    value((), (blanks, opt(comment), line_ending)).parse(input)
}

fn blank_lines(input: &str) -> Parsed<'_, ()> {
    value((), many0_count(blank_line)).parse(input)
}

fn end_of_line(input: &str) -> Parsed<'_, ()> {
    let end = alt((blank_line, value((), (blanks, opt(comment), eof))));
    value((), pair(context("the end of the line", end), blank_lines)).parse(input)
}

fn end_of_file(input: &str) -> Parsed<'_, &str> {
    context("a kind of message", preceded((blanks, opt(comment)), eof)).parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_grammar_allows() {
        let text = "# first\n\nrequest 3 Some 0-9 flexible 4+ unstable 9 on broker,controller { # opens\n\
                    struct Shared {\n  Id int32\n}\n\
                    Names []string?1-2 0-5 = null ignorable @topicName\n\
                    Part Part?1+ 2+ tag 7 {\n  Other []Shared\n  Limit int64 = -9223372036854775808\n}\n}\n# last";
        let messages = schema(text).unwrap();
        let [message] = messages.as_slice() else { panic!("one message") };
        assert_eq!((message.key, message.flexible, message.unstable), (Some(3), Some(4), Some(9)));
        assert_eq!(message.listeners, ["broker", "controller"]);
        assert_eq!(message.reading_order().iter().map(|found| &found.name).collect::<Vec<_>>(), ["Part", "Shared"]);
        let [names, part] = message.fields.as_slice() else { panic!("two fields") };
        assert_eq!((names.nullable, names.versions), (Some(Range { min: 1, max: 2 }), Some(Range { min: 0, max: 5 })));
        assert!(names.array && names.ignorable && names.is_null_by_default());
        assert_eq!(names.entity.as_deref(), Some("topicName"));
        assert_eq!((part.tag, part.struct_name()), (Some(7), Some("Part")));
        assert_eq!(message.structs[1].fields[1].default, Literal::Number(i64::MIN));
    }

    #[test]
    fn names_the_line_of_an_error() {
        let error = |text| schema(text).unwrap_err().to_string();
        assert_eq!(error("nothing\n"), "line 1: expected a kind of message, found `nothing`");
        assert_eq!(error("header A 0 {\n  Id\n}\n"), "line 2: expected a type, found ``");
        assert_eq!(error("header A 0 {\n  Id int32 = x\n}\n"), "line 2: expected null, true or a number, found `x`");
        assert_eq!(error("header A 0 {\n  Id int32 maybe\n}"), "line 2: expected the end of the line, found `maybe`");
        assert_eq!(error("header A 0 {\n"), "line 2: expected a field or `}`, found ``");
        assert_eq!(error("request 99999 A 0 {\n"), "line 1: expected a name, found `99999 A 0 {`");
    }
}
