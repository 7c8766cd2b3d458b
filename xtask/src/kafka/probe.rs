//! Asks a broker whether it serves: ApiVersions, then which brokers it knows to be alive.
//!
//! The few bytes are made by hand, so that a fault in this workspace's codec cannot hide as a broker that never starts.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
const CONNECT_LIMIT: Duration = Duration::from_millis(500);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Far above any answer here; a size beyond it means that no Kafka broker is at the other end.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The ids of the brokers that the one at `address` knows to be registered and unfenced.
pub(crate) fn live_brokers(address: SocketAddr) -> io::Result<Vec<i32>> {
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    let versions = call(&mut stream, API_VERSIONS, 0, &[])?;
    let error_code = i16::from_be_bytes(take(&mut &versions[..])?);
    if error_code != 0 {
        return Err(io::Error::other(format!("ApiVersions was answered with error {error_code}")));
    }
    // Version 1, the oldest that 4.x serves in which an empty list of topics means none.
    let metadata = call(&mut stream, METADATA, 1, &0i32.to_be_bytes())?;
    broker_ids(&metadata)
}

/// Sends one request and returns the body of its answer.
fn call(stream: &mut TcpStream, api_key: i16, version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(&request(api_key, version, body))?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
    if !(4..=ANSWER_BYTES_MAX).contains(&size) {
        return Err(io::Error::other(format!("an answer of {size} bytes")));
    }
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer)?;
    // The correlation id: one request at a time leaves nothing to match.
    Ok(answer.split_off(4))
}

/// A request with header version 1: size, API key, version, correlation id, null client id, body.
fn request(api_key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    const CORRELATION_ID: i32 = 1;
    const NULL: i16 = -1;
    let mut bytes = Vec::new();
    bytes.extend(api_key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(CORRELATION_ID.to_be_bytes());
    bytes.extend(NULL.to_be_bytes());
    bytes.extend(body);
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&size.to_be_bytes(), &bytes[..]].concat()
}

/// The brokers at the start of a Metadata 1 answer: id, host, port, nullable rack.
fn broker_ids(mut body: &[u8]) -> io::Result<Vec<i32>> {
    let count = i32::from_be_bytes(take(&mut body)?);
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(i32::from_be_bytes(take(&mut body)?));
        skip_string(&mut body)?;
        take::<4>(&mut body)?;
        skip_string(&mut body)?;
    }
    Ok(ids)
}

fn skip_string(body: &mut &[u8]) -> io::Result<()> {
    let length = i16::from_be_bytes(take(body)?);
    // Null is -1 and has no bytes.
    let length = usize::try_from(length).unwrap_or(0);
    *body = body.get(length..).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(())
}

fn take<const N: usize>(body: &mut &[u8]) -> io::Result<[u8; N]> {
    let (head, rest) = body.split_first_chunk().ok_or(io::ErrorKind::UnexpectedEof)?;
    *body = rest;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_is_framed() {
        assert_eq!(request(18, 0, &[7]), [0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255, 7]);
    }

    #[test]
    fn broker_ids_come_from_metadata() {
        let broker = |id: u8| [&[0, 0, 0, id, 0, 1, b'h', 0, 0, 35, 132][..], &[255, 255]].concat();
        let body = [&[0, 0, 0, 2][..], &broker(1), &broker(3), &[0, 0, 0, 1]].concat();
        assert_eq!(broker_ids(&body).unwrap(), [1, 3]);
        for length in 0..body.len() - 4 {
            assert!(broker_ids(&body[..length]).is_err(), "{length} bytes");
        }
    }
}
