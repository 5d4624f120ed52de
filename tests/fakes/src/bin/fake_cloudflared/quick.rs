//! Asking for a quick tunnel.

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use fakes::ids;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    config::as_go_says,
    log::{Level, Log},
    script::{Quick, Script},
};

/// All of one request.
const WAIT: Duration = Duration::from_secs(15);
const REAL_SERVICE: &str = "https://api.trycloudflare.com";
const NO_NAME: &str = "dial tcp: lookup api.trycloudflare.com: Temporary failure in name resolution";
const DISCLAIMER: &str = "Thank you for trying Cloudflare Tunnel. Doing so, without a Cloudflare account, is a quick way \
    to experiment and try it out. However, be aware that these account-less Tunnels have no uptime guarantee, are subject \
    to the Cloudflare Online Services Terms of Use (https://www.cloudflare.com/website-terms/), and Cloudflare reserves \
    the right to investigate your use of Tunnels for violations of such terms. If you intend to use Tunnels in production \
    you should use a pre-created named tunnel by following: \
    https://developers.cloudflare.com/cloudflare-one/connections/connect-apps";

pub(crate) struct Tunnel {
    pub(crate) id: String,
    pub(crate) hostname: String,
    pub(crate) secret: String,
}

/// Asks and shows the address in its box.
///
/// # Errors
/// The text the program ends with.
pub(crate) async fn obtain(service: Option<&str>, script: &Script, log: &Log) -> Result<Tunnel, String> {
    log.info(DISCLAIMER);
    log.info("Requesting new quick Tunnel on trycloudflare.com...");
    let named = service.unwrap_or(REAL_SERVICE);
    let wait = script.scaled(WAIT);
    let asked = async {
        if script.is_dns_dead {
            return Err(NO_NAME.to_owned());
        }
        match service {
            Some(service) => ask(service, script).await,
            None => pretended(script).await,
        }
    };
    let answered = tokio::time::timeout(wait, asked).await.unwrap_or_else(|_| {
        Err(
            "net/http: timeout awaiting response headers (Client.Timeout exceeded while awaiting headers)"
                .to_owned(),
        )
    });
    let (status, body) = answered
        .map_err(|cause| format!("failed to request quick Tunnel: Post \"{named}/tunnel\": {cause}"))?;
    let tunnel = read(status, &body, log)?;
    tokio::time::sleep(script.url_after()).await;
    let url = format!("https://{}", tunnel.hostname);
    let words = "Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):";
    log.info(&format!("+{}+", "-".repeat(92)));
    log.info(&format!("|  {words:<90}|"));
    log.info(&format!("|  {url:<90}|"));
    log.info(&format!("+{}+", "-".repeat(92)));
    Ok(tunnel)
}

async fn ask(service: &str, script: &Script) -> Result<(StatusCode, String), String> {
    let url = url::Url::parse(service).map_err(|error| error.to_string())?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let address = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
    let socket = TcpStream::connect(&address)
        .await
        .map_err(|error| format!("dial tcp {address}: {}", as_go_says(&error)))?;
    let eof = |_: hyper::Error| "EOF".to_owned();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(eof)?;
    tokio::spawn(connection);
    let request = Request::post("/tunnel")
        .header(header::HOST, &address)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, format!("cloudflared/{}", script.version))
        .header(header::CONTENT_LENGTH, "0")
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(eof)?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(eof)?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

async fn pretended(script: &Script) -> Result<(StatusCode, String), String> {
    let refused = json!({"success": false, "result": null, "errors": [{"code": 1101, "message": "no"}]});
    Ok(match script.quick {
        Quick::Made => {
            let hostname = script.hostname.clone().unwrap_or_else(ids::quick_hostname);
            let result = json!({"id": ids::uuid(), "hostname": hostname, "secret": ids::secret()});
            (
                StatusCode::OK,
                json!({"success": true, "result": result}).to_string(),
            )
        }
        Quick::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "error code: 1015".to_owned()),
        Quick::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "<html></html>".to_owned()),
        Quick::Refused => (StatusCode::OK, refused.to_string()),
        Quick::Truncated => (StatusCode::OK, "{\"success\":true,".to_owned()),
        Quick::Unreachable => {
            return Err("dial tcp 104.16.230.132:443: connect: connection refused".to_owned());
        }
        Quick::Offline => {
            return Err(NO_NAME.to_owned());
        }
        Quick::Silent => std::future::pending().await,
    })
}

/// Neither the status nor `success` is looked at, as with the real program.
fn read(status: StatusCode, body: &str, log: &Log) -> Result<Tunnel, String> {
    let answer: Value = serde_json::from_str(body).map_err(|_| {
        let fault = fault(body);
        let fields =
            json!({"error": fault, "status_code": format!("{} {}", status.as_u16(), reason(status))});
        log.line(
            Level::Error,
            &format!("Error unmarshaling QuickTunnel response: {body}"),
            &fields,
        );
        format!("failed to unmarshal quick Tunnel: {fault}")
    })?;
    let text = |name: &str| answer["result"][name].as_str().unwrap_or_default().to_owned();
    let id = text("id");
    if !ids::is_uuid(&id) {
        return Err(format!(
            "failed to parse quick Tunnel ID: invalid UUID length: {}",
            id.len()
        ));
    }
    Ok(Tunnel {
        id,
        hostname: text("hostname"),
        secret: text("secret"),
    })
}

/// What Go's JSON reader says.
fn fault(body: &str) -> String {
    match body.trim_start().chars().next() {
        Some(first) if !"{[\"0123456789-tfn".contains(first) => {
            format!("invalid character '{first}' looking for beginning of value")
        }
        _ => "unexpected end of JSON input".to_owned(),
    }
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or_default()
}
