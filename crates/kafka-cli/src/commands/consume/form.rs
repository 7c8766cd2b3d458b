//! What a message looks like on standard output: pure.

use std::io::Write as _;

use kafka_reader::{FetchedBatch, Record};

use super::{ConsumeArguments, OutputForm};
use crate::error::{Error, Result};
use crate::json_message::{self, Origin};
use crate::key_separator::KeySeparator;
use crate::parse::format::{Field, Format, Piece};

/// How messages are printed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// The key and the separator, if they are wanted, the value, a line feed. No value at all is an empty line too.
    Lines(Option<&'a KeySeparator>),
    /// As a format string says, and nothing else.
    Format(&'a Format),
    /// A line of JSON.
    Json,
}

impl<'a> Form<'a> {
    pub(super) fn of(arguments: &'a ConsumeArguments) -> Result<Self> {
        match (arguments.output, &arguments.format, &arguments.key_separator) {
            (OutputForm::Json, Some(_), _) => Err(Error::Contradiction("--format", JSON)),
            (OutputForm::Json, None, Some(_)) => Err(Error::Contradiction("--key-separator", JSON)),
            (OutputForm::Json, None, None) => Ok(Self::Json),
            (OutputForm::Lines, Some(format), _) => Ok(Self::Format(format)),
            (OutputForm::Lines, None, separator) => Ok(Self::Lines(separator.as_ref())),
        }
    }

    /// Appends a message to what is to be printed.
    pub(super) fn append(self, lines: &mut Vec<u8>, origin: Origin<'_>, record: &Record<'_>) {
        match self {
            Self::Lines(separator) => {
                if let Some(separator) = separator {
                    separator.append(record.key, lines);
                }
                lines.extend_from_slice(record.value.unwrap_or_default());
                lines.push(b'\n');
            }
            Self::Format(Format(pieces)) => pieces.iter().for_each(|piece| match piece {
                Piece::Text(text) => lines.extend_from_slice(text),
                Piece::Field(field) => append_field(lines, *field, origin, record),
            }),
            Self::Json => json_message::append(lines, origin, record),
        }
    }
}

/// What the records of a batch have in common.
pub(super) fn origin(batch: &FetchedBatch) -> Origin<'_> {
    let timestamp_type = batch.as_batch().timestamp_type();
    Origin { topic: batch.topic(), partition: batch.partition(), timestamp_type }
}

fn append_field(lines: &mut Vec<u8>, field: Field, origin: Origin<'_>, record: &Record<'_>) {
    // -1 for what is absent, as kcat has it.
    let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    let number = match field {
        Field::Value => return lines.extend_from_slice(record.value.unwrap_or_default()),
        Field::Key => return lines.extend_from_slice(record.key.unwrap_or_default()),
        Field::Topic => return lines.extend_from_slice(origin.topic.as_bytes()),
        Field::Headers => return append_headers(lines, record),
        Field::ValueLength => length(record.value),
        Field::KeyLength => length(record.key),
        Field::Partition => origin.partition.into(),
        Field::Offset => record.offset,
        Field::Timestamp => record.timestamp,
    };
    let _never_fails = write!(lines, "{number}");
}

/// `name=value,name=value`; a value that is absent is `NULL`, as kcat has it.
fn append_headers(lines: &mut Vec<u8>, record: &Record<'_>) {
    for (number, header) in record.headers.iter().enumerate() {
        if number > 0 {
            lines.push(b',');
        }
        lines.extend_from_slice(header.key.as_bytes());
        lines.push(b'=');
        lines.extend_from_slice(header.value.unwrap_or(b"NULL"));
    }
}

const JSON: &str = "--output json";

#[cfg(test)]
mod tests {
    use kafka_protocol::records::{
        BatchBuilder, BatchDecoder, BatchOptions, Batches, Compressor, Headers, TimestampType,
    };

    use super::*;
    use crate::parse::format::parse_format;

    const ORIGIN: Origin<'_> = Origin { topic: "orders", partition: 2, timestamp_type: TimestampType::CreateTime };

    fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Record<'a> {
        Record { offset: 17, timestamp: 1_768_435_200_000, sequence: -1, key, value, headers: Headers::default() }
    }

    fn printed(form: Form<'_>, record: &Record<'_>) -> String {
        let mut lines = Vec::new();
        form.append(&mut lines, ORIGIN, record);
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn lines_have_the_value_and_where_it_is_wanted_the_key() {
        let separator = KeySeparator::parse(":").unwrap();
        let (both, value) = (record(Some(b"k"), Some(b"v")), record(None, Some(b"v")));
        assert_eq!(printed(Form::Lines(None), &both), "v\n");
        assert_eq!(printed(Form::Lines(Some(&separator)), &both), "k:v\n");
        assert_eq!(printed(Form::Lines(Some(&separator)), &value), "v\n");
        assert_eq!(printed(Form::Lines(None), &record(Some(b"k"), None)), "\n");
    }

    #[test]
    fn formats_have_what_they_name() {
        let format = parse_format(r"%t[%p]@%o %T %k=%s (%K %S) %h%%|").unwrap();
        let all = printed(Form::Format(&format), &record(Some(b"k"), Some(b"vv")));
        assert_eq!(all, "orders[2]@17 1768435200000 k=vv (1 2) %|");
        let nothing = printed(Form::Format(&format), &record(None, None));
        assert_eq!(nothing, "orders[2]@17 1768435200000 = (-1 -1) %|");
    }

    #[test]
    fn headers_stand_side_by_side() {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        let headers = [("a", Some(&b"1"[..])), ("a", None), ("b", Some(b""))];
        builder.append(0, None, None, headers).unwrap();
        let batch = Batches::new(builder.seal(&mut Compressor::default()).unwrap()).next().unwrap().unwrap();
        let mut decoder = BatchDecoder::default();
        let record = batch.records(&mut decoder).unwrap().next().unwrap().unwrap();
        assert_eq!(printed(Form::Format(&parse_format("%h").unwrap()), &record), "a=1,a=NULL,b=");
    }
}
