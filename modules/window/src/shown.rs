//! One window and the page in it.

use std::{cell::RefCell, path::PathBuf, rc::Rc, time::Instant};

use anyhow::Context;
use kit::window::{FromWindow, Place};
use tao::{
    dpi::{LogicalPosition, LogicalSize},
    event_loop::{EventLoopProxy, EventLoopWindowTarget},
    window::{Window, WindowBuilder, WindowId},
};
use url::Url;
use wry::{
    NewWindowResponse, WebContext, WebView, WebViewBuilder,
    http::{HeaderMap, HeaderValue, header::AUTHORIZATION},
};

use crate::{
    agent::{self, Told},
    guard::{self, Verdict},
    place::{self, Screen},
    platform,
};

/// Pages are told apart from a browser's by this, in the list of sessions.
const USER_AGENT: &str = concat!(
    "Mozilla/5.0 (KHTML, like Gecko) AppleWebKit/605.1.15 Safari/605.1.15 nexus-window/",
    env!("CARGO_PKG_VERSION")
);
/// A page's own `window.close()` would leave an empty window and tell nobody.
const CLOSE_ASKS: &str = "window.close = () => window.ipc.postMessage('close');";
/// Until the page has a title.
const NAME: &str = "OpenCode Nexus";
/// Shown until the page paints, so that no white flash is seen in the dark.
const BACKGROUND: (u8, u8, u8, u8) = (24, 24, 27, 255);

/// What the agent asked for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) origin: String,
    pub(crate) path: String,
    pub(crate) ticket: String,
    pub(crate) place: Option<Place>,
}

/// A window on screen.
pub(crate) struct Shown {
    /// Before the window, so that it is dropped first.
    page: WebView,
    window: Window,
    /// The page that was loaded last; a page whose process is gone does not tell.
    address: Rc<RefCell<String>>,
    /// When the page's process died last, if it did.
    pub(crate) crashed_at: Option<Instant>,
}

impl Shown {
    /// Makes the window and loads the page.
    pub(crate) fn open(
        wanted: &Wanted,
        target: &EventLoopWindowTarget<Told>,
        context: &mut WebContext,
        events: &EventLoopProxy<Told>,
        is_first: bool,
    ) -> anyhow::Result<Self> {
        let window = frame(wanted, target)?;
        let origin = Url::parse(&wanted.origin)
            .context("the agent named no origin")?
            .origin();
        let closing = (events.clone(), wanted.name.clone());
        let titled = closing.clone();
        let (own, loaded) = (origin.clone(), origin.clone());
        let address = Rc::new(RefCell::new(wanted.origin.clone()));
        let noted = Rc::clone(&address);
        let mut builder = WebViewBuilder::new_with_web_context(context)
            .with_user_agent(USER_AGENT)
            .with_background_color(BACKGROUND)
            .with_clipboard(true)
            .with_devtools(false)
            .with_initialization_script(CLOSE_ASKS)
            .with_ipc_handler(move |request| {
                let (events, name) = &closing;
                if request.body() == "close" {
                    // The loop may be over; then the window is closed already.
                    drop(events.send_event(Told::Close(name.clone())));
                }
            })
            .with_navigation_handler(move |address| stays(&own, &address))
            .with_new_window_req_handler(move |address, _| {
                elsewhere(&origin, &address);
                NewWindowResponse::Deny
            })
            .with_on_page_load_handler(move |_, url| {
                if guard::judge(&loaded, &url) == Verdict::Here {
                    *noted.borrow_mut() = url;
                }
            })
            .with_document_title_changed_handler(move |title| {
                let (events, name) = &titled;
                let name = name.clone();
                // As above.
                drop(events.send_event(Told::Titled { name, title }));
            })
            .with_url_and_headers(enter(&wanted.origin), ticket(&wanted.ticket)?);
        if is_first {
            // Handlers of later pages in the same context would never be called, or twice.
            builder = builder.with_download_started_handler(|_, path| keep_download(path));
        }
        let page = platform::build(builder, &window).context("the page could not be shown")?;
        let crashed = (events.clone(), wanted.name.clone());
        platform::on_crash(&page, move || {
            let (events, name) = &crashed;
            // As above.
            drop(events.send_event(Told::Crashed(name.clone())));
        });
        Ok(Self {
            page,
            window,
            address,
            crashed_at: None,
        })
    }

    /// Which window of the system it is.
    pub(crate) fn id(&self) -> WindowId {
        self.window.id()
    }

    /// Brings it to the front, and loads another page if another was asked for.
    pub(crate) fn raise(&self, wanted: &Wanted) -> anyhow::Result<()> {
        self.window.set_visible(true);
        self.window.set_minimized(false);
        self.window.set_focus();
        let current = self.page.url().unwrap_or_default();
        if guard::has_to_load(&wanted.name, &current, &wanted.path) {
            self.page
                .load_url_with_headers(&enter(&wanted.origin), ticket(&wanted.ticket)?)?;
        }
        Ok(())
    }

    /// Loads the page again after its process died. A reload would not carry the session's cookie: WebKit no longer
    /// knows then that the page came from this very site (WebKitGTK 2.50).
    pub(crate) fn load_again(&self) -> anyhow::Result<()> {
        Ok(self.page.load_url(&self.address.borrow())?)
    }

    /// Shows the page's title, or the program's name while there is none.
    pub(crate) fn set_title(&self, title: &str) {
        self.window.set_title(if title.is_empty() { NAME } else { title });
    }

    /// Where it is now.
    pub(crate) fn place(&self) -> Place {
        let scale = self.window.scale_factor();
        let size: LogicalSize<u32> = self.window.inner_size().to_logical(scale);
        let position = self
            .window
            .outer_position()
            .ok()
            .filter(|_| platform::tells_position())
            .map(|position| position.to_logical::<i32>(scale));
        Place {
            x: position.map(|position| position.x),
            y: position.map(|position| position.y),
            width: size.width,
            height: size.height,
        }
    }
}

fn frame(wanted: &Wanted, target: &EventLoopWindowTarget<Told>) -> anyhow::Result<Window> {
    let screens: Vec<Screen> = target
        .available_monitors()
        .map(|monitor| {
            let scale = monitor.scale_factor();
            let corner: LogicalPosition<i32> = monitor.position().to_logical(scale);
            let size: LogicalSize<i32> = monitor.size().to_logical(scale);
            Screen {
                x: corner.x,
                y: corner.y,
                width: size.width,
                height: size.height,
            }
        })
        .collect();
    let place = place::choose(&wanted.name, wanted.place, &screens);
    let mut builder = WindowBuilder::new()
        .with_title(NAME)
        .with_inner_size(LogicalSize::new(place.width, place.height))
        .with_min_inner_size(LogicalSize::new(place::WIDTH_MIN, place::HEIGHT_MIN));
    if let (Some(x), Some(y)) = (place.x, place.y) {
        builder = builder.with_position(LogicalPosition::new(x, y));
    }
    builder.build(target).context("the window could not be made")
}

fn enter(origin: &str) -> String {
    format!("{}/enter", origin.trim_end_matches('/'))
}

fn ticket(secret: &str) -> anyhow::Result<HeaderMap> {
    let mut value = HeaderValue::from_str(&format!("Ticket {secret}")).context("the ticket is no header")?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

/// Whether a navigation happens here. One that does not may happen in the browser.
fn stays(own: &url::Origin, address: &str) -> bool {
    let verdict = guard::judge(own, address);
    if let Verdict::Browser(url) = &verdict {
        agent::tell(&FromWindow::Browse { url: url.clone() });
    }
    verdict == Verdict::Here
}

/// A page of ours that wants a second window gets the browser too: one window per page.
fn elsewhere(own: &url::Origin, address: &str) {
    match guard::judge(own, address) {
        Verdict::Browser(url) => agent::tell(&FromWindow::Browse { url }),
        Verdict::Here => agent::tell(&FromWindow::Browse {
            url: address.to_owned(),
        }),
        Verdict::Nowhere => {}
    }
}

/// Puts a download into the person's own folder; the name comes from the server and is cut to its last part.
fn keep_download(path: &mut PathBuf) -> bool {
    let Some(dirs) = directories::UserDirs::new() else {
        return false;
    };
    let folder = dirs.download_dir().unwrap_or_else(|| dirs.home_dir());
    let name = path.file_name().unwrap_or_else(|| "download".as_ref());
    let mut kept = folder.join(name);
    let mut copy = 1;
    while kept.exists() {
        kept = folder.join(format!("{copy}-{}", name.to_string_lossy()));
        copy += 1;
    }
    *path = kept;
    true
}
