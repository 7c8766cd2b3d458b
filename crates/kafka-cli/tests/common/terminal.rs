//! A terminal, and a person who looks at it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Both ends of a terminal: what a person sees, and what a program has.
pub(crate) fn terminal() -> (File, File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let program = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (File::from(person), program)
}

/// What is read until `text` was among it, or there is no more.
pub(crate) fn read_until(terminal: &mut File, seen: &mut String, text: &str) {
    let mut buffer = [0; 1024];
    while !seen.contains(text) {
        match terminal.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => seen.push_str(&String::from_utf8_lossy(&buffer[..len])),
            // What a terminal says when the program has gone.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => return,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error}"),
        }
    }
}
