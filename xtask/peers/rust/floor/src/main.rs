//! The floor: lays out records of format 2 in batches of a megabyte, checksums them and writes them to a socket; or reads
//! a socket and checksums what comes. Nothing else, so no client can take less.
//!
//! `peer-floor produce|consume - - COUNT BYTES none` serves its own socket, in a thread whose time is not counted: it
//! prints the seconds of its working thread alone.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use peer_text::{Text, Work};

fn main() {
    let work = Work::from_arguments();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection to ourselves");
    let (mut other, _) = listener.accept().expect("the connection to ourselves");
    let text = Text::new(work.size);
    let total = work.count * work.size;
    let consumes = work.operation == "consume";
    let peer = thread::spawn(move || {
        let mut block = vec![7; 1 << 20];
        if consumes {
            (0..total.div_ceil(block.len())).for_each(|_| other.write_all(&block).expect("a reader"));
        } else {
            while other.read(&mut block).expect("a writer") > 0 {}
        }
    });
    let before = seconds();
    let sum = if consumes { consume(&mut stream) } else { produce(&mut stream, &text, work.count) };
    let spent = seconds() - before;
    drop(stream);
    peer.join().expect("the other end");
    println!("checksum {sum}");
    println!("cpu {spent:.3}");
}

fn produce(stream: &mut TcpStream, text: &Text, count: usize) -> u32 {
    let mut batch = Vec::with_capacity(1 << 20);
    let (mut sum, mut number) = (0, 0);
    while number < count {
        batch.clear();
        let first = number;
        while number < count {
            let value = text.message(number);
            if batch.len() + value.len() + 30 > 1_000_000 {
                break;
            }
            put_record(&mut batch, (number - first) as i64, value);
            number += 1;
        }
        sum ^= crc32c::crc32c(&batch);
        stream.write_all(&batch).expect("a reader");
    }
    sum
}

fn put_record(batch: &mut Vec<u8>, delta: i64, value: &[u8]) {
    put_varint(batch, value.len() as i64 + 10);
    batch.push(0);
    put_varint(batch, delta / 100);
    put_varint(batch, delta);
    put_varint(batch, -1);
    put_varint(batch, value.len() as i64);
    batch.extend_from_slice(value);
    put_varint(batch, 0);
}

fn put_varint(batch: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        batch.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    batch.push(rest as u8);
}

fn consume(stream: &mut TcpStream) -> u32 {
    let mut block = vec![0; 1 << 20];
    let mut sum = 0;
    loop {
        match stream.read(&mut block).expect("a writer") {
            0 => return sum,
            len => sum ^= crc32c::crc32c(&block[..len]),
        }
    }
}

/// What this thread has spent, user and system.
fn seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    nanos / 1e9
}
