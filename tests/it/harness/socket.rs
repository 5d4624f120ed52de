//! The socket of an open page, frame by frame (RFC 6455).

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use super::{PATIENCE, Session};

/// What a page asks to know whether anybody is there.
const PROBE: &[u8] = b"?";
/// Frames of text, and of a connection's end.
const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// An open page as the server sees it.
pub struct Socket(BufReader<TcpStream>);

impl Socket {
    /// Opens `path`, e.g. `"/live?view=chat"`, as a page of this session does.
    #[track_caller]
    pub fn open(session: &Session, path: &str) -> Self {
        let mut stream = TcpStream::connect(session.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = session.origin().split("://").nth(1).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {}\r\nCookie: {}\r\n\r\n",
            session.origin(),
            session.cookie().unwrap()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                reader.read_line(&mut head).unwrap() > 0,
                "it ended after {head:?}"
            );
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Self(reader)
    }

    /// Asks, and waits for whatever frame of text is the answer.
    #[track_caller]
    pub fn answers(&mut self) {
        // The mask of a browser's frame, here of zeros.
        let mut frame = vec![0x80 | TEXT, 0x80 | u8::try_from(PROBE.len()).unwrap(), 0, 0, 0, 0];
        frame.extend(PROBE);
        self.0.get_mut().write_all(&frame).unwrap();
        loop {
            match self.kind().unwrap() {
                TEXT => return,
                CLOSE => panic!("it was closed"),
                _ => {}
            }
        }
    }

    /// Waits until it has ended, however it did.
    #[track_caller]
    pub fn ended(&mut self) {
        loop {
            match self.kind() {
                Ok(CLOSE) => return,
                Ok(_) => {}
                Err(error) => {
                    assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "it goes on");
                    return;
                }
            }
        }
    }

    /// Reads a frame; what kind it was.
    fn kind(&mut self) -> io::Result<u8> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head)?;
        let length = match head[1] & 0x7f {
            126 => {
                let mut long = [0; 2];
                self.0.read_exact(&mut long)?;
                u64::from(u16::from_be_bytes(long))
            }
            127 => {
                let mut long = [0; 8];
                self.0.read_exact(&mut long)?;
                u64::from_be_bytes(long)
            }
            short => u64::from(short),
        };
        io::copy(&mut (&mut self.0).take(length), &mut io::sink())?;
        Ok(head[0] & 0x0f)
    }
}
