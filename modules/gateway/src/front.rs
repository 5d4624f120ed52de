//! The way of a request: which host, who, from where, and only then what.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::SystemTime};

use axum::{
    Router,
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, Method, Request, Response, StatusCode, Uri, request::Parts},
};
use futures_util::FutureExt;
use hyper::body::Incoming;
use kit::{CancellationToken, Chrome, Listener, Overview, Page};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::{
    access::{Access, Passed},
    answer::{self, No},
    clock::to_ms,
    ending::Ending,
    headers::{self, OwnWindow},
    host::Hosts,
    keys::Keys,
    origin, passkey, path,
    proxy::{self, Proxy},
    remote::Reach,
    session::{Kind, Session},
    wire::{Answering, Talk},
};

/// Where a request came in, known before a byte of it was read.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) listener: Listener,
    /// Whose it is: the peer's at the local listener, where no header is asked; what Cloudflare says of its visitor at
    /// the tunnel's, where every peer is cloudflared.
    pub(crate) address: IpAddr,
    /// How long what stands for the visitor at Cloudflare Access holds, where that is asked for.
    pub(crate) until: Option<SystemTime>,
    /// Cancelled when the listener ends.
    pub(crate) stop: CancellationToken,
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Everything behind the listeners.
pub(crate) struct Front {
    pub(crate) keys: Arc<Keys>,
    pub(crate) router: Router,
    pub(crate) proxy: Proxy,
    pub(crate) access: Access,
    pub(crate) pages: Arc<[Page]>,
    pub(crate) overview: watch::Receiver<Arc<Overview>>,
}

/// What stands before the path of a proxied request.
const PROXY_PREFIX: &str = "/api/opencode/";

/// Paths that answer without a session, beside the assets.
fn is_public(path: &str) -> bool {
    matches!(
        path,
        "/healthz" | "/login" | "/login/passkey" | "/login/passkey/enter" | "/enter" | "/pair"
    ) || is_asset(path)
}

fn is_asset(path: &str) -> bool {
    path.starts_with("/assets/") || matches!(path, "/sw.js" | "/offline")
}

fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

impl Front {
    /// Answers one request; what is put on every answer is put on here.
    pub(crate) async fn answer(
        &self,
        visit: Visit,
        hosts: &Hosts,
        talk: &Arc<Talk>,
        request: Request<Incoming>,
    ) -> Response<Tracked> {
        let answering = Answering::new(talk);
        let listener = visit.listener;
        // A panic in a module's page is that page's failure, not the connection's; what it said is in the log.
        let admitted = AssertUnwindSafe(self.admit(visit, hosts, talk, request))
            .catch_unwind()
            .await;
        let mut response = admitted.unwrap_or_else(|_panicked| No::Internal.json());
        headers::harden(response.headers_mut(), listener);
        if response.extensions().get::<OwnWindow>().is_some() {
            headers::without_openers(response.headers_mut());
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            talk.upgraded();
        }
        let counted = response.extensions_mut().remove::<Counted>();
        response.map(|body| Tracked {
            body,
            counted,
            _answering: answering,
        })
    }

    async fn admit(
        &self,
        visit: Visit,
        hosts: &Hosts,
        talk: &Talk,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let Some(host) = hosts.admitted(request.headers()) else {
            return answer::bare(StatusCode::MISDIRECTED_REQUEST);
        };
        let Some(address) = source(&visit, request.headers()) else {
            // Not from Cloudflare's edge: nobody else has business at this listener.
            return answer::bare(StatusCode::FORBIDDEN);
        };
        let visit = Visit { address, ..visit };
        let is_outside = visit.listener == Listener::Tunnel;
        // The guard is tried from within, where nobody has passed Access.
        let until = if is_outside && !hosts.is_trial() {
            match self.access.look(request.headers(), self.keys.clock.wall()).await {
                Passed::No => return No::NotPassed.answer(request.headers()),
                Passed::Unasked => None,
                Passed::Until(at) => Some(at),
            }
        } else {
            None
        };
        let visit = Visit { until, ..visit };
        let origin = match visit.listener {
            Listener::Local => format!("http://{host}"),
            Listener::Tunnel => format!("https://{host}"),
        };
        let path = request.uri().path();
        let is_canonical = path::is_canonical(path);
        if !is_canonical && path.starts_with("/api") {
            return No::Malformed.json();
        }
        if !is_known(request.method()) {
            return No::Method.json();
        }
        let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
        if is_public(path) || !is_canonical && is_asset(path) {
            if !is_safe && !origin::may_change(request.headers(), &origin) {
                return No::OtherSite.answer(request.headers());
            }
            return self.open_to_all(visit, request).await;
        }
        let Some(session) = self.session(&visit, &request) else {
            return Self::stranger(&request);
        };
        talk.in_session();
        if session.kind != Kind::Script && !self.is_own(&request, &origin, is_safe) {
            return No::OtherSite.answer(request.headers());
        }
        if !is_canonical {
            return No::NotFound.answer(request.headers());
        }
        let reach = match visit.listener {
            Listener::Local => None,
            Listener::Tunnel => {
                let settings = self.keys.settings.get();
                let now_ms = to_ms(self.keys.clock.now());
                // The way out is always open.
                let counted = session.allowance.request(now_ms, settings.limits());
                if let Err(wait) = counted.or_else(|wait| if path == "/logout" { Ok(()) } else { Err(wait) })
                {
                    return No::UsedUp.answer_later(request.headers(), wait);
                }
                Some(settings.reach())
            }
        };
        if reach.as_ref().is_some_and(|reach| !reach.opens(path)) {
            return No::NotHere.answer(request.headers());
        }
        if let Some(rest) = path.strip_prefix(PROXY_PREFIX) {
            // Found again in the request, which is about to be taken apart.
            let from = path.len() - rest.len() - 1;
            return self.proxy.answer(&self.keys, &session, from, request).await;
        }
        let counted = reach.is_some().then(|| Arc::clone(&session));
        let request = request.map(|body| Ending::new(body, &session.ended).counted(counted));
        self.inside(visit, reach, session, request).await
    }

    /// Whether a request in a session comes from a page of ours, as far as its kind has to.
    fn is_own(&self, request: &Request<Incoming>, origin: &str, is_safe: bool) -> bool {
        let path = request.uri().path();
        if path == "/live" || proxy::asks_upgrade(request.headers()) {
            return origin::may_shake_hands(request.headers(), origin);
        }
        if is_safe {
            return origin::may_read(request.headers(), origin, is_api(path));
        }
        origin::may_change(request.headers(), origin)
    }

    /// The session of a request; scripts' tokens count for the API on the local listener only.
    fn session(&self, visit: &Visit, request: &Request<Incoming>) -> Option<Arc<Session>> {
        let (headers, path) = (request.headers(), request.uri().path());
        let script = bearer(headers).filter(|_| visit.listener == Listener::Local && is_api(path));
        match script {
            Some(token) => self.keys.sessions.find_script(token),
            None => self.keys.session(visit.listener, headers),
        }
    }

    /// What a stranger gets: a person going to a page is shown the login.
    fn stranger(request: &Request<Incoming>) -> Response<Body> {
        let (headers, path) = (request.headers(), request.uri().path());
        let is_page = request.method() == Method::GET && !is_api(path) && origin::is_navigation(headers);
        if is_page {
            to_login(request.uri())
        } else {
            No::Session.json()
        }
    }

    async fn open_to_all(&self, visit: Visit, request: Request<Incoming>) -> Response<Body> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(visit);
        self.dispatch(request).await
    }

    async fn inside(
        &self,
        visit: Visit,
        reach: Option<Reach>,
        session: Arc<Session>,
        request: Request<Ending<Incoming>>,
    ) -> Response<Body> {
        let mut request = request.map(Body::new);
        let caller = session.caller(self.keys.clock.now());
        let is_own_window = session.kind == Kind::Window;
        let pages = match &reach {
            None => Arc::clone(&self.pages),
            Some(reach) => {
                let own = self
                    .keys
                    .passkeys
                    .host(request.headers())
                    .map(|_| passkey::page::PAGE);
                let open = self.pages.iter().filter(|page| reach.opens(page.path));
                open.cloned().chain(own).collect()
            }
        };
        let chrome = Chrome {
            pages,
            caller: caller.clone(),
            path: request.uri().path().to_owned(),
            overview: self.overview.clone(),
        };
        // The start page is the chat's.
        if request.uri().path() == "/" {
            *request.uri_mut() = start_page(request.uri());
        }
        let extensions = request.extensions_mut();
        extensions.insert(visit);
        let counted = reach.map(|_| Counted(Arc::clone(&session)));
        extensions.insert(session);
        extensions.insert(caller);
        extensions.insert(Arc::new(chrome));
        let mut response = self.dispatch(request).await;
        if is_own_window {
            response.extensions_mut().insert(OwnWindow);
        }
        if let Some(counted) = counted {
            response.extensions_mut().insert(counted);
        }
        response
    }

    async fn dispatch(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }
}

/// Whose request it is; `None` when it has to be said and is not.
fn source(visit: &Visit, headers: &HeaderMap) -> Option<IpAddr> {
    match visit.listener {
        Listener::Local => Some(visit.address),
        Listener::Tunnel => {
            let mut given = headers.get_all(CLIENT).iter();
            let (address, None) = (given.next()?.to_str().ok()?, given.next()) else {
                return None;
            };
            address.parse().ok()
        }
    }
}

/// Where Cloudflare says who its visitor is. It replaces whatever the visitor sent under this name.
const CLIENT: &str = "cf-connecting-ip";

fn is_known(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    )
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get("authorization")?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn start_page(uri: &Uri) -> Uri {
    let chat = match uri.query() {
        Some(query) => format!("/chat?{query}"),
        None => "/chat".to_owned(),
    };
    chat.parse().unwrap_or(Uri::from_static("/chat"))
}

fn to_login(uri: &Uri) -> Response<Body> {
    let wanted = uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    if wanted == "/" || !path::is_own_page(wanted) {
        return answer::see("/login");
    }
    let next: String = url::form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
    answer::see(&format!("/login?next={next}"))
}

/// An answer's body, which knows when it has been written or given up.
pub(crate) struct Tracked {
    body: Body,
    /// Whose allowance it comes from.
    counted: Option<Counted>,
    _answering: Answering,
}

/// The session from outside that an answer is for.
#[derive(Clone)]
struct Counted(Arc<Session>);

impl http_body::Body for Tracked {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let frame = std::pin::Pin::new(&mut self.body).poll_frame(cx);
        if let (Some(Counted(session)), std::task::Poll::Ready(Some(Ok(frame)))) = (&self.counted, &frame) {
            let length = frame.data_ref().map_or(0, bytes::Bytes::len);
            session.allowance.spend(length as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
