//! Whether anything on this desktop shows tray icons.

#[cfg(target_os = "linux")]
#[path = "tray_host/linux.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[path = "tray_host/other.rs"]
mod os;

use std::time::Duration;

use kit::{CancellationToken, Notice, NoticeKind, NoticeSender};
use tokio::sync::watch;

pub(crate) use os::look;

/// At login the panel may start later than this program.
const PANEL_WAIT: Duration = Duration::from_secs(10);

/// What is known of a tray.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrayHost {
    /// Not asked yet.
    Unknown,
    /// There is no session bus.
    NoBus,
    /// Nothing shows icons.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "other systems always have a tray")
    )]
    Absent,
    /// Icons are visible.
    Present,
}

/// Follows the tray until `stop`; says it once when there is none.
pub(super) async fn watch_over(notices: NoticeSender, stop: CancellationToken) {
    let (found, mut host) = watch::channel(TrayHost::Unknown);
    let tell = async {
        let present = host.wait_for(|host| *host == TrayHost::Present);
        if tokio::time::timeout(PANEL_WAIT, present).await.is_err() {
            tell_absence(*host.borrow(), &notices);
            // Dropped while waiting at the end.
            if host.wait_for(|host| *host == TrayHost::Present).await.is_err() {
                return;
            }
        }
        tracing::info!("the tray icon is visible");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = os::follow(found, stop) => {}
        () = tell => {}
    }
}

fn tell_absence(host: TrayHost, notices: &NoticeSender) {
    if host == TrayHost::NoBus {
        tracing::warn!(
            "there is no session bus, so there is neither tray icon nor notices; everything else works"
        );
        return;
    }
    notices.send(Notice {
        kind: NoticeKind::Agent,
        key: "tray".to_owned(),
        title: "Running without a tray icon".to_owned(),
        body: "This desktop shows no tray icons. Open the window from the application menu or with `nexus`; the icon \
               appears by itself when a tray does."
            .to_owned(),
        page: "/chat".to_owned(),
        answers: Vec::new(),
        away: None,
    });
}
