//! Messages as a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use kafka_conn::Message;

use crate::error::Result;
use crate::reader::Reader;

/// The messages of a [`Reader`] as a [`Stream`], from [`Reader::messages`]. It never ends; after an error it goes on, as
/// [`Reader::fetch_message`] does. Nothing is lost when it is dropped.
#[derive(Debug)]
pub struct Messages<'a> {
    reader: &'a mut Reader,
}

impl<'a> Messages<'a> {
    pub(crate) fn new(reader: &'a mut Reader) -> Self {
        Self { reader }
    }
}

impl Stream for Messages<'_> {
    type Item = Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.reader.poll_message(context).map(Some)
    }
}
