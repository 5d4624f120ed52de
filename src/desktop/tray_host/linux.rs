//! The host of `StatusNotifierItem`s on the session bus.
//!
//! An icon without a host is simply invisible (GNOME has none by default), and nothing says so. The bus is asked, and
//! asked again whenever the watcher's owner changes.

use std::time::Duration;

use futures_util::StreamExt;
use kit::CancellationToken;
use tokio::sync::watch;
use zbus::{Connection, Proxy, fdo::DBusProxy, names::BusName};

use super::TrayHost;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const PATH: &str = "/StatusNotifierWatcher";
/// A panel says a moment after it took the name that it shows icons.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Asks once.
pub(crate) async fn look() -> TrayHost {
    match Connection::session().await {
        Ok(connection) => ask(&connection).await.unwrap_or(TrayHost::Absent),
        Err(_no_bus) => TrayHost::NoBus,
    }
}

/// Keeps `host` true until `stop`.
pub(super) async fn follow(host: watch::Sender<TrayHost>, stop: CancellationToken) {
    let followed = tokio::select! {
        () = stop.cancelled() => return,
        followed = keep(&host) => followed,
    };
    if let Err(error) = followed {
        tracing::debug!(%error, "the tray's host is not followed");
        host.send_replace(TrayHost::NoBus);
    }
    stop.cancelled().await;
}

async fn keep(host: &watch::Sender<TrayHost>) -> zbus::Result<()> {
    let connection = Connection::session().await?;
    let bus = DBusProxy::new(&connection).await?;
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, WATCHER)]).await?;
    loop {
        let found = ask(&connection).await.unwrap_or(TrayHost::Absent);
        host.send_replace(found);
        if found == TrayHost::Present {
            owners.next().await;
        } else {
            tokio::select! {
                _ = owners.next() => {}
                () = tokio::time::sleep(LOOK_AGAIN), if is_owned(&bus).await => {}
            }
        }
    }
}

async fn is_owned(bus: &DBusProxy<'_>) -> bool {
    match BusName::try_from(WATCHER) {
        Ok(name) => bus.name_has_owner(name).await.unwrap_or(false),
        Err(_) => false,
    }
}

async fn ask(connection: &Connection) -> zbus::Result<TrayHost> {
    let bus = DBusProxy::new(connection).await?;
    if !is_owned(&bus).await {
        return Ok(TrayHost::Absent);
    }
    let watcher = Proxy::new(connection, WATCHER, PATH, WATCHER).await?;
    let has_host: bool = watcher.get_property("IsStatusNotifierHostRegistered").await?;
    Ok(if has_host {
        TrayHost::Present
    } else {
        TrayHost::Absent
    })
}
