//! The commands that end by themselves.

use std::io::{self, Write};

use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::{ingress::Ingress, log::bare, settings::Settings};

/// Top-level keys that are no flags.
const KEYS: &[&str] = &[
    "tunnel",
    "ingress",
    "originRequest",
    "warp-routing",
    "logDirectory",
];

pub(crate) fn print(text: &str) {
    // Whoever does not read it does not need it.
    let _ = writeln!(io::stdout(), "{text}");
}

/// `tunnel --metrics A ready`
pub(crate) async fn ready(settings: &Settings) -> u8 {
    let Some(address) = settings.get("metrics") else {
        bare("--metrics has to be provided");
        return 1;
    };
    match ask(&address).await {
        Ok((200, _)) => 0,
        Ok((status, body)) => {
            bare(&format!(
                "http://{address}/ready endpoint returned status code {status}\n{body}"
            ));
            1
        }
        Err(cause) => {
            bare(&format!(
                "Get \"http://{address}/ready\": dial tcp {address}: {cause}"
            ));
            1
        }
    }
}

async fn ask(address: &str) -> Result<(u16, String), String> {
    let socket = TcpStream::connect(address)
        .await
        .map_err(|error| crate::config::as_go_says(&error))?;
    let eof = |_: hyper::Error| "EOF".to_owned();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(eof)?;
    tokio::spawn(connection);
    let request = Request::get("/ready").header("host", address).body(Body::empty());
    let request = request.map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(eof)?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(eof)?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// `tunnel --config C ingress validate`
pub(crate) fn validate(settings: &Settings) -> u8 {
    let path = shown_path(settings);
    print(&format!("Validating rules from {path}"));
    if let Err(error) = rules(settings) {
        bare(&format!("Validation failed: {error}"));
        return 1;
    }
    let unused: Vec<&String> = settings
        .config
        .values
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()) && crate::flags::names().all(|name| name != key.as_str()))
        .collect();
    if unused.is_empty() {
        print("OK");
    } else {
        let list: Vec<&str> = unused.iter().map(|key| key.as_str()).collect();
        print(&format!(
            "Warning: unused keys detected in your config file. Here is a list of unused keys:\n{}",
            list.join("\n")
        ));
    }
    0
}

/// `tunnel --config C ingress rule URL`
pub(crate) fn rule(settings: &Settings, url: &str) -> u8 {
    let path = shown_path(settings);
    print(&format!("Using rules from {path}"));
    let found = rules(settings).and_then(|ingress| {
        let url = url::Url::parse(url).map_err(|error| error.to_string())?;
        let (at, rule) = ingress
            .find(url.host_str().unwrap_or_default(), url.path())
            .ok_or("no rule matches")?;
        Ok(format!(
            "Matched rule #{at}\n\thostname: {}\n\tpath: {}\n\tservice: {}",
            rule.hostname,
            rule.path.as_ref().map(regex::Regex::as_str).unwrap_or_default(),
            rule.named
        ))
    });
    match found {
        Ok(text) => {
            print(&text);
            0
        }
        Err(error) => {
            bare(&error);
            1
        }
    }
}

fn rules(settings: &Settings) -> Result<Ingress, String> {
    let none = "The config file doesn't contain any ingress rules";
    let rules: &Vec<Value> = settings.ingress().filter(|rules| !rules.is_empty()).ok_or(none)?;
    if settings.config.values.contains_key("url") {
        return Err(
            "You can't set the --url flag (or $TUNNEL_URL) when using multiple-origin ingress rules"
                .to_owned(),
        );
    }
    Ingress::parse(rules, -1)
}

fn shown_path(settings: &Settings) -> String {
    settings
        .config
        .path
        .as_ref()
        .map_or_else(String::new, |path| path.display().to_string())
}
