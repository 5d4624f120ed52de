//! Getting cloudflared for somebody who has none and wants it: one version, from where Cloudflare publishes it, and
//! nothing but what was published.
//!
//! What was had of a download that broke is kept, and the rest is asked for next time. Only a file whose SHA-256 is that
//! of the release gets the name of a program, and only one that says it is that version keeps it.

mod progress;
mod release;
// A script plays cloudflared there.
#[cfg(test)]
#[cfg(unix)]
mod tests;
mod unpack;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use kit::files;
use sha2::{Digest, Sha256};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    sync::watch,
    time::sleep,
};

use crate::find;
use https::{FetchError, Fetcher, Hosts};
pub use progress::Progress;
use release::Asset;

/// The version that is downloaded: one that this program was tested with.
pub const VERSION: find::Version = find::Version(2026, 8, 2);

/// Where releases are listed.
const API: &str = "https://api.github.com";
/// Where GitHub keeps what it lists.
const HOSTS: &[&str] = &[
    "api.github.com",
    "github.com",
    "objects.githubusercontent.com",
    "release-assets.githubusercontent.com",
];
/// Names two servers of a test, apart by a comma, in their place: `https://127.0.0.1:1,https://127.0.0.1:2`.
const TEST_VARIABLE: &str = "NEXUS_TEST_RELEASES";

/// Longest wait for the next bytes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest description of a release.
const LISTED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A connection that breaks is taken up again so often.
const TRIES: u32 = 5;
/// Before the next try when there was no connection at all.
const PAUSE: Duration = Duration::from_secs(2);
/// How much is read at a time to check a file.
const PIECE_BYTES: usize = 64 * 1024;

/// Why there is no cloudflared. Each text ends with what the person can do.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// For this system there is nothing to download.
    #[error(
        "Cloudflare publishes no program for this system that could be used as it is; install cloudflared yourself"
    )]
    NoAsset,
    /// The release cannot be had.
    #[error(
        "what Cloudflare publishes could not be learned: {0}; try again, or install cloudflared yourself"
    )]
    NotListed(#[source] FetchError),
    /// The release is not what it should be.
    #[error(
        "the release {VERSION} of cloudflared lists no file for this system that could be checked; install cloudflared yourself"
    )]
    NotChecked,
    /// The file cannot be had. What came of it is kept.
    #[error("the download broke off at {done} of {total} bytes: {cause}; begin it again to go on from there")]
    Broke {
        /// There already.
        done: u64,
        /// Of all.
        total: u64,
        /// Why.
        #[source]
        cause: FetchError,
    },
    /// It is something else.
    #[error(
        "what came is not the file that was published (its SHA-256 differs), so it was deleted; try again, or install cloudflared yourself"
    )]
    Wrong,
    /// It cannot be run, or says it is something else.
    #[error("the file that was published {0}, so it was deleted; install cloudflared yourself")]
    Mute(String),
    /// Disk.
    #[error("{path} cannot be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// One at a time.
    #[error("cloudflared is being downloaded already; wait for it")]
    Busy,
}

/// The one place for a cloudflared of ours. See the module.
pub(crate) struct Downloads {
    folder: PathBuf,
    api: String,
    hosts: Hosts,
    /// What this machine's file is called in a release.
    name: Option<&'static str>,
    busy: tokio::sync::Mutex<()>,
    progress: watch::Sender<Option<Progress>>,
}

impl Downloads {
    /// Keeps it in `folder`. Touches nothing.
    pub(crate) fn new(folder: &Path) -> Self {
        let elsewhere = std::env::var(TEST_VARIABLE).ok();
        let (api, known) = match elsewhere.as_deref().and_then(|given| given.split_once(',')) {
            None => (
                API.to_owned(),
                HOSTS.iter().map(|host| (*host).to_owned()).collect(),
            ),
            Some((api, assets)) => (
                api.to_owned(),
                [api, assets]
                    .map(|url| url.trim_start_matches("https://").to_owned())
                    .to_vec(),
            ),
        };
        Self {
            folder: folder.to_owned(),
            api,
            hosts: Hosts {
                known,
                patience: PATIENCE,
            },
            name: release::name(),
            busy: tokio::sync::Mutex::default(),
            progress: watch::Sender::new(None),
        }
    }

    /// Whether there is anything to download for this system.
    pub(crate) fn is_offered() -> bool {
        release::name().is_some()
    }

    /// How far the one at hand is; `None` while there is none.
    pub(crate) fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.progress.subscribe()
    }

    /// Gets it, and gives where it is. One at a time; dropped midway, what came is kept for the next.
    pub(crate) async fn get(&self) -> Result<PathBuf, DownloadError> {
        self.get_over(Fetcher::new(self.hosts.clone()).map_err(DownloadError::NotListed)?)
            .await
    }

    async fn get_over(&self, fetcher: Fetcher) -> Result<PathBuf, DownloadError> {
        let _only = self.busy.try_lock().map_err(|_| DownloadError::Busy)?;
        let _shown = Shown(&self.progress);
        let name = self.name.ok_or(DownloadError::NoAsset)?;
        let asset = self.asset(&fetcher, name).await?;
        files::create_private_folder(&self.folder).map_err(|source| self.file(&self.folder, source))?;
        let part = self.folder.join(format!("cloudflared-{VERSION}.part"));
        let had = length(&part).await;
        self.fill(&fetcher, &asset, &part).await?;
        if !self.is_right(&part, &asset).await? {
            self.remove(&part).await?;
            if had == 0 {
                return Err(DownloadError::Wrong);
            }
            // What was left of an earlier one may have been of something else.
            self.fill(&fetcher, &asset, &part).await?;
            if !self.is_right(&part, &asset).await? {
                self.remove(&part).await?;
                return Err(DownloadError::Wrong);
            }
        }
        if unpack::is_archive(name) {
            return self.install(&self.unpacked(part).await?).await;
        }
        self.install(&part).await
    }

    async fn asset(&self, fetcher: &Fetcher, name: &str) -> Result<Asset, DownloadError> {
        let url = format!(
            "{}/repos/cloudflare/cloudflared/releases/tags/{VERSION}",
            self.api
        );
        let listed = fetcher
            .text(&url, LISTED_BYTES_MAX)
            .await
            .map_err(DownloadError::NotListed)?;
        release::asset(&listed, name).ok_or(DownloadError::NotChecked)
    }

    /// Has all bytes of the file in `part`, taking a broken connection up again where it broke.
    async fn fill(&self, fetcher: &Fetcher, asset: &Asset, part: &Path) -> Result<(), DownloadError> {
        let mut left = TRIES;
        loop {
            let before = length(part).await;
            let Err(cause) = self.fill_once(fetcher, asset, part).await? else {
                return Ok(());
            };
            let done = length(part).await;
            // One that brings something is no failed one.
            left = if done > before { TRIES } else { left - 1 };
            let is_lasting = matches!(
                cause,
                FetchError::Foreign(_)
                    | FetchError::Address(_)
                    | FetchError::Loop
                    | FetchError::Status { .. }
            );
            if left == 0 || is_lasting {
                let total = asset.size;
                return Err(DownloadError::Broke { done, total, cause });
            }
            tracing::debug!(%cause, done, "a download goes on from where it broke");
            if done == before && matches!(cause, FetchError::Unreached { .. }) {
                sleep(PAUSE).await;
            }
        }
    }

    /// One connection; inside, why it gave not all.
    async fn fill_once(
        &self,
        fetcher: &Fetcher,
        asset: &Asset,
        part: &Path,
    ) -> Result<Result<(), FetchError>, DownloadError> {
        let done = length(part).await;
        if done == asset.size {
            return Ok(Ok(()));
        }
        // More than there is: none of it is believed.
        let from = if done < asset.size { done } else { 0 };
        let mut coming = match fetcher.file(&asset.url, from).await {
            Ok(coming) => coming,
            Err(error) => return Ok(Err(error)),
        };
        let broken = |source| self.file(part, source);
        let mut file = self.open(part, coming.begins_at).await.map_err(broken)?;
        let mut done = coming.begins_at;
        let outcome = loop {
            self.tell(done, asset.size);
            match coming.next().await {
                Ok(Some(bytes)) => {
                    let room = usize::try_from(asset.size - done).unwrap_or(usize::MAX);
                    let bytes = &bytes[..bytes.len().min(room)];
                    file.write_all(bytes).await.map_err(broken)?;
                    done += bytes.len() as u64;
                    // Whatever else comes is not asked for.
                    if done == asset.size {
                        break Ok(());
                    }
                }
                Ok(None) => break Err(FetchError::Nonsense(coming.host)),
                Err(error) => break Err(error),
            }
        };
        file.sync_all().await.map_err(broken)?;
        Ok(outcome)
    }

    /// Shown in hundredths: whoever looks on is not told of every packet.
    fn tell(&self, done: u64, total: u64) {
        self.progress.send_if_modified(|held| {
            let is_new = held.is_none_or(|held| held.done.abs_diff(done) * 100 >= total);
            if is_new {
                *held = Some(Progress { done, total });
            }
            is_new
        });
    }

    async fn open(&self, part: &Path, at: u64) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(false);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(part).await?;
        file.set_len(at).await?;
        file.seek(io::SeekFrom::Start(at)).await?;
        Ok(file)
    }

    async fn is_right(&self, part: &Path, asset: &Asset) -> Result<bool, DownloadError> {
        let digest = sha256(part).await.map_err(|source| self.file(part, source))?;
        Ok(digest == asset.sha256)
    }

    /// The program out of an archive that is right; the archive is gone then.
    async fn unpacked(&self, archive: PathBuf) -> Result<PathBuf, DownloadError> {
        let program = archive.with_extension("unpacked");
        let (from, to) = (archive.clone(), program.clone());
        let unpacking = tokio::task::spawn_blocking(move || unpack::unpack(&from, &to));
        let unpacked = unpacking.await.map_err(io::Error::other).flatten();
        self.remove(&archive).await?;
        if unpacked.is_err() && length(&program).await > 0 {
            self.remove(&program).await?;
        }
        unpacked.map_err(|source| self.file(&archive, source))?;
        Ok(program)
    }

    /// Makes a program of a file that is right.
    async fn install(&self, part: &Path) -> Result<PathBuf, DownloadError> {
        let program = program(&self.folder);
        let broken = |source| self.file(&program, source);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let runs = std::fs::Permissions::from_mode(0o700);
            tokio::fs::set_permissions(part, runs).await.map_err(broken)?;
        }
        tokio::fs::rename(part, &program).await.map_err(broken)?;
        let reason = match find::version_of(&program, &crate::child::own()).await {
            Ok(Some(VERSION)) => return Ok(program),
            Ok(Some(other)) => format!("says it is {other}"),
            Ok(None) => "says no version".to_owned(),
            Err(reason) => reason,
        };
        self.remove(&program).await?;
        Err(DownloadError::Mute(reason))
    }

    async fn remove(&self, path: &Path) -> Result<(), DownloadError> {
        tokio::fs::remove_file(path)
            .await
            .map_err(|source| self.file(path, source))
    }

    fn file(&self, path: &Path, source: io::Error) -> DownloadError {
        DownloadError::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// Nothing is shown of a download that ended, however it did.
struct Shown<'d>(&'d watch::Sender<Option<Progress>>);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

/// Where the one of ours is, or would be.
pub(crate) fn program(folder: &Path) -> PathBuf {
    folder.join(format!("cloudflared-{VERSION}{}", std::env::consts::EXE_SUFFIX))
}

/// Nothing there has no length.
async fn length(path: &Path) -> u64 {
    tokio::fs::symlink_metadata(path)
        .await
        .map_or(0, |found| found.len())
}

async fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path).await?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = file.read(&mut piece).await?;
        if count == 0 {
            break;
        }
        digest.update(&piece[..count]);
    }
    Ok(digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
