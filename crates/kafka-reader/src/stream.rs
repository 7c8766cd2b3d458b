//! Messages as a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use kafka_conn::Message;

use crate::error::Result;
use crate::group::Waiting;
use crate::reader::Reader;

/// The messages of a [`Reader`] as a [`Stream`], from [`Reader::messages`]. It never ends; after an error it goes on, as
/// [`Reader::fetch_message`] does. Nothing is lost when it is dropped.
#[derive(Debug)]
pub struct Messages<'a> {
    reader: &'a mut Reader,
    waiting: Option<Waiting>,
}

impl<'a> Messages<'a> {
    pub(crate) fn new(reader: &'a mut Reader) -> Self {
        Self { reader, waiting: None }
    }
}

impl Stream for Messages<'_> {
    type Item = Result<Message>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.reader.poll_message(context);
        match (polled.is_pending(), &self.waiting) {
            (true, None) => self.waiting = self.reader.enter(),
            (true, Some(_)) => {}
            (false, _) => {
                self.waiting = None;
                if let Some(activity) = self.reader.activity() {
                    activity.touch();
                }
            }
        }
        polled.map(Some)
    }
}
