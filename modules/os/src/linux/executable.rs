//! Whether a file is a program.

use std::{fs::File, io, io::Read, path::Path};

/// An ELF header up to its machine field.
const HEADER_BYTES: usize = 20;

/// Intel's 32-bit machine, which its 64-bit one runs too.
const MACHINE_386: u16 = 3;
const MACHINE_X86_64: u16 = 62;

/// Whether the kernel of this machine would execute the file itself. Asked beforehand because the C library hands a file
/// that the kernel refuses to a shell, which then reads an empty or foreign program as a script.
///
/// # Errors
/// When it cannot be opened.
pub fn is_program(path: &Path) -> io::Result<bool> {
    let head = head_of(path)?;
    if head.starts_with(b"#!") {
        return Ok(true);
    }
    let own = machine_of(&head_of(Path::new("/proc/self/exe"))?);
    Ok(match (machine_of(&head), own) {
        (Some(MACHINE_386), Some(MACHINE_X86_64)) => true,
        (Some(machine), Some(own)) => machine == own,
        // What cannot be told is left to the kernel.
        (Some(_), None) => true,
        (None, _) => false,
    })
}

fn head_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    File::open(path)?
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut head)?;
    Ok(head)
}

/// Byte 5 tells the order of the bytes, 18 and 19 are the machine (elf(5)).
fn machine_of(head: &[u8]) -> Option<u16> {
    if head.len() < HEADER_BYTES || !head.starts_with(b"\x7fELF") {
        return None;
    }
    let machine = [head[18], head[19]];
    Some(if head[5] == 2 {
        u16::from_be_bytes(machine)
    } else {
        u16::from_le_bytes(machine)
    })
}
