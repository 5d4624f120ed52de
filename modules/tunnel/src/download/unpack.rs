//! What Cloudflare publishes for macOS is an archive with the program in it, and nothing else.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use flate2::read::GzDecoder;

/// Larger than any cloudflared by far: an archive says little of what comes out of it.
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The one name in it.
const NAME: &[u8] = b"cloudflared";

/// Whether a file of this name is such an archive.
pub(super) fn is_archive(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("tgz"))
}

/// Writes the program in `archive` to `program`, for its owner alone. Blocks.
///
/// # Errors
/// When there is anything in it but one regular file of that name, and what the system said.
pub(super) fn unpack(archive: &Path, program: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(File::open(archive)?));
    let mut entries = archive.entries()?;
    let mut entry = entries.next().ok_or_else(|| other("it is empty"))??;
    let is_program = entry.header().entry_type().is_file() && *entry.path_bytes() == *NAME;
    if !is_program {
        return Err(other("it holds something else"));
    }
    if !(1..=BYTES_MAX).contains(&entry.size()) {
        return Err(other("what is in it is of no sensible size"));
    }
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(program)?;
    io::copy(&mut entry, &mut file)?;
    file.sync_all()?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(other("it holds more than the program")),
    }
}

fn other(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the archive was not taken: {what}"),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use tar::{Builder, EntryType, Header};

    use super::*;

    /// An archive of these, each with a name as it stands, a kind and a content.
    pub(in crate::download) fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, kind, content) in entries {
            let mut header = Header::new_gnu();
            // Written as it is: names that lead elsewhere are refused by those who make archives in good faith.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> (io::Result<()>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tgz");
        File::create(&path).unwrap().write_all(bytes).unwrap();
        (unpack(&path, &folder.path().join("program")), folder)
    }

    const FILE: EntryType = EntryType::Regular;

    #[test]
    fn the_program_comes_out_as_it_went_in() {
        let content = vec![7; 300_000];

        let (outcome, folder) = unpacked(&archive(&[("cloudflared", FILE, &content)]));

        outcome.unwrap();
        assert_eq!(std::fs::read(folder.path().join("program")).unwrap(), content);
    }

    #[test]
    fn an_archive_with_anything_else_in_it_is_not_taken() {
        let (x, nothing): (&[u8], &[u8]) = (b"x", b"");
        let good = ("cloudflared", FILE, x);
        for entries in [
            &[][..],
            &[("../cloudflared", FILE, x)],
            &[("/cloudflared", FILE, x)],
            &[("bin/cloudflared", FILE, x)],
            &[("cloudflared", EntryType::Symlink, nothing)],
            &[("cloudflared", EntryType::Char, nothing)],
            &[("cloudflared", EntryType::Directory, nothing)],
            &[("cloudflared", FILE, nothing)],
            &[good, ("more", FILE, x)],
            &[("first", FILE, x), good],
        ] {
            let (outcome, folder) = unpacked(&archive(entries));

            let error = outcome.expect_err(&format!("{entries:?}"));
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{entries:?}");
            let left = std::fs::read_dir(folder.path()).unwrap().count();
            assert!(left <= 2, "{entries:?}");
        }
        let whole = archive(&[("cloudflared", FILE, &[7; 50_000])]);
        assert!(unpacked(&whole[..whole.len() / 2]).0.is_err());
        assert!(unpacked(b"no archive").0.is_err());
    }
}
