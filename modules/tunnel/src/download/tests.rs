//! Against a server that offers a release as GitHub does, on loopback, with TLS.

use std::sync::Arc;

use fakes::{Fault, Redirect, Release};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::*;

/// A cloudflared as far as it says which one it is, long enough to break off in the middle.
fn saying(version: &str) -> Vec<u8> {
    let mut script = format!("#!/bin/sh\necho cloudflared version {version}\nexit 0\n").into_bytes();
    script.resize(600_000, b'#');
    script
}

struct Desk {
    release: Release,
    downloads: Downloads,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn with(content: Vec<u8>) -> Self {
        let release = Release::start("2026.8.2", content).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let known = [release.host().https, release.assets().https].map(|address| address.to_string());
        Self {
            downloads: Downloads {
                api: format!("https://{}", known[0]),
                hosts: Hosts {
                    known: known.to_vec(),
                    patience: Duration::from_millis(500),
                },
                ..Downloads::new(folder.path())
            },
            release,
            folder,
        }
    }

    /// Asks as somebody who trusts the server.
    async fn get(&self) -> Result<PathBuf, DownloadError> {
        let mut roots = RootCertStore::empty();
        let pem = self.release.authority().pem();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
            .unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .build();
        let fetcher = Fetcher::over(connector, self.downloads.hosts.clone());
        self.downloads.get_over(fetcher).await
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("cloudflared-2026.8.2.part")
    }

    /// Names in the folder.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// The ranges that were asked for, of files.
    fn ranges(&self) -> Vec<Option<String>> {
        let seen = self.release.seen();
        let files = seen
            .iter()
            .filter(|request| request["status"] == 200 || request["status"] == 206)
            .filter(|request| !request["path"].as_str().unwrap().starts_with("/repos/"));
        files
            .map(|request| request["range"].as_str().map(str::to_owned))
            .collect()
    }
}

#[tokio::test]
async fn what_was_published_becomes_a_program_of_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::with(saying("2026.8.2")).await;
    desk.release.set(|rules| rules.redirect = Redirect::Assets);

    let path = desk.get().await.unwrap();

    assert_eq!(std::fs::read(&path).unwrap(), saying("2026.8.2"));
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(desk.left(), ["cloudflared-2026.8.2"]);
    assert_eq!(*desk.downloads.progress().borrow(), None);
    let found = find::find("", &[], &path).await.map(|found| found.path);
    // Unless this machine has one of its own.
    assert!(found.is_ok(), "{found:?}");
}

#[tokio::test]
async fn where_an_archive_is_published_the_program_is_taken_out_of_it() {
    let packed = |entries: &[(&str, tar::EntryType, &[u8])]| unpack::tests::archive(entries);
    let (file, program) = (tar::EntryType::Regular, saying("2026.8.2"));
    let mut desk = Desk::with(packed(&[("cloudflared", file, &program)])).await;
    desk.downloads.name = Some("cloudflared-darwin-arm64.tgz");

    let path = desk.get().await.unwrap();

    assert_eq!(std::fs::read(&path).unwrap(), program);
    assert_eq!(desk.left(), ["cloudflared-2026.8.2"]);

    let mut desk = Desk::with(packed(&[("cloudflared", file, &program), ("more", file, b"x")])).await;
    desk.downloads.name = Some("cloudflared-darwin-arm64.tgz");
    let refused = desk.get().await.unwrap_err();
    assert!(refused.to_string().contains("more than the program"), "{refused}");
    assert_eq!(desk.left(), [""; 0]);
}

#[tokio::test]
async fn what_broke_off_goes_on_where_it_broke() {
    let desk = Desk::with(saying("2026.8.2")).await;
    desk.release.set(|rules| {
        rules.fault = Fault::Cut(250_000);
        rules.times = Some(2);
    });

    desk.get().await.unwrap();

    let ranges = desk.ranges();
    assert_eq!(ranges.len(), 3, "{ranges:?}");
    assert_eq!(ranges[0], None);
    let begins: Vec<u64> = ranges[1..]
        .iter()
        .map(|range| {
            let range = range.as_deref().unwrap();
            range
                .strip_prefix("bytes=")
                .unwrap()
                .trim_end_matches('-')
                .parse()
                .unwrap()
        })
        .collect();
    assert!(0 < begins[0] && begins[0] < begins[1], "{begins:?}");
}

#[tokio::test]
async fn what_an_earlier_try_left_is_used_and_not_believed() {
    let desk = Desk::with(saying("2026.8.2")).await;
    desk.release.set(|rules| rules.fault = Fault::Status(500));
    std::fs::write(desk.part(), &saying("2026.8.2")[..400_000]).unwrap();
    let broken = desk.get().await;
    assert!(
        matches!(
            broken,
            Err(DownloadError::Broke {
                done: 400_000,
                total: 600_000,
                ..
            })
        ),
        "{broken:?}"
    );

    desk.release.set(|rules| rules.fault = Fault::None);
    desk.get().await.unwrap();
    assert_eq!(desk.ranges(), [Some("bytes=400000-".to_owned())]);

    for garbage in [vec![b'x'; 400_000], vec![b'x'; 600_000], vec![b'x'; 700_000]] {
        std::fs::write(desk.part(), garbage).unwrap();
        let path = desk.get().await.unwrap();
        assert_eq!(std::fs::read(path).unwrap(), saying("2026.8.2"));
    }
}

#[tokio::test]
async fn what_is_not_what_was_published_is_deleted() {
    let desk = Desk::with(saying("2026.8.2")).await;
    desk.release.set(|rules| rules.fault = Fault::WrongBytes);

    let wrong = desk.get().await;

    assert!(matches!(wrong, Err(DownloadError::Wrong)), "{wrong:?}");
    assert!(desk.left().is_empty(), "{:?}", desk.left());
    let other = Desk::with(saying("2020.1.1")).await;
    let mute = other.get().await;
    assert!(matches!(mute, Err(DownloadError::Mute(_))), "{mute:?}");
    assert!(other.left().is_empty(), "{:?}", other.left());
}

#[tokio::test]
async fn more_or_less_than_was_promised_makes_no_difference() {
    for (fault, ignores_ranges) in [
        (Fault::Endless, false),
        (Fault::LengthLies(1_000), false),
        (Fault::None, true),
    ] {
        let desk = Desk::with(saying("2026.8.2")).await;
        std::fs::write(desk.part(), &saying("2026.8.2")[..100_000]).unwrap();
        desk.release.set(|rules| {
            rules.fault = fault;
            rules.ignores_ranges = ignores_ranges;
        });

        let path = desk.get().await;

        assert_eq!(std::fs::read(path.unwrap()).unwrap().len(), 600_000, "{fault:?}");
    }
}

#[tokio::test]
async fn nobody_is_followed_to_a_stranger_or_out_of_tls() {
    for (redirect, expected) in [
        (Redirect::Stranger, "is none of the hosts that are asked for this"),
        (Redirect::Plain, "http://"),
        (Redirect::Loop, "without end"),
        (
            Redirect::To("https://example.com/cloudflared".to_owned()),
            "example.com",
        ),
        (
            Redirect::To("https://owner@127.0.0.1/cloudflared".to_owned()),
            "127.0.0.1",
        ),
    ] {
        let desk = Desk::with(saying("2026.8.2")).await;
        desk.release.set(|rules| rules.redirect = redirect.clone());

        let error = desk.get().await.unwrap_err().to_string();

        assert!(error.contains(expected), "{redirect:?}: {error}");
        assert!(desk.ranges().is_empty(), "{:?}", desk.release.seen());
    }
}

#[tokio::test]
async fn whoever_does_not_answer_or_cannot_be_trusted_is_named() {
    let desk = Desk::with(saying("2026.8.2")).await;
    desk.release.set(|rules| rules.fault = Fault::Silent);
    let silent = desk.get().await.unwrap_err().to_string();
    assert!(
        silent.contains("does not answer") && silent.contains("127.0.0.1"),
        "{silent}"
    );

    let untrusted = desk.downloads.get().await.unwrap_err();
    assert!(
        matches!(untrusted, DownloadError::NotListed(FetchError::Unreached { .. })),
        "{untrusted:?}"
    );

    let other = Desk {
        release: Release::start("2025.1.0", saying("2025.1.0")).await.unwrap(),
        ..desk
    };
    let other = Desk {
        downloads: Downloads {
            api: format!("https://{}", other.release.host().https),
            hosts: Hosts {
                known: vec![other.release.host().https.to_string()],
                patience: PATIENCE,
            },
            ..Downloads::new(other.folder.path())
        },
        ..other
    };
    let unlisted = other.get().await.unwrap_err().to_string();
    assert!(unlisted.contains("404"), "{unlisted}");
}

#[tokio::test]
async fn one_is_downloaded_at_a_time_and_how_far_it_is_can_be_seen() {
    let desk = Desk::with(saying("2026.8.2")).await;
    desk.release.set(|rules| rules.bytes_per_s = Some(2_000_000));
    let mut progress = desk.downloads.progress();
    let mut seen = Vec::new();
    let second = async {
        drop(progress.wait_for(Option::is_some).await.unwrap());
        let busy = desk.get().await;
        loop {
            let now = *progress.borrow_and_update();
            let Some(Progress { done, .. }) = now else {
                return busy;
            };
            seen.push(done);
            progress.changed().await.unwrap();
        }
    };

    let (first, busy) = tokio::join!(desk.get(), second);

    assert!(first.is_ok(), "{first:?}");
    assert!(matches!(busy, Err(DownloadError::Busy)), "{busy:?}");
    assert!(seen.len() > 3 && seen.len() < 120 && seen.is_sorted(), "{seen:?}");
}
