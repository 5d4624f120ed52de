//! Downloads, whole and broken.

use axum::{
    body::Body,
    http::{Response, header},
};
use fakes::{
    Release,
    release::{Fault, Redirect},
};
use http_body_util::BodyExt;
use serde_json::json;

use crate::visitor::{get, request, send, whole};

const PATH: &str = "/cloudflare/cloudflared/releases/download/2026.8.2/cloudflared-linux-amd64";
/// More than goes out at once.
const BYTES: usize = 200_000;

async fn start() -> (Release, Vec<u8>) {
    let content: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
    (
        Release::start("2026.8.2", content.clone()).await.unwrap(),
        content,
    )
}

async fn download(release: &Release, range: &str) -> Response<Body> {
    let mut request = request("GET", "github.test", PATH, Body::empty());
    if !range.is_empty() {
        request
            .headers_mut()
            .insert(header::RANGE, range.parse().unwrap());
    }
    send(release.host().http, request).await
}

/// All that comes, and whether it came to its end.
async fn drain(response: Response<Body>) -> (Vec<u8>, bool) {
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (all, false) };
        all.extend_from_slice(&frame.into_data().unwrap());
    }
    (all, true)
}

#[tokio::test]
async fn a_release_is_listed_and_its_file_is_whole() {
    let (release, content) = start().await;

    let listed = get(
        release.host().http,
        "github.test",
        "/repos/cloudflare/cloudflared/releases/latest",
    )
    .await;
    let asset = &listed.json()["assets"][0];
    assert_eq!(asset["digest"], format!("sha256:{}", release.sha256()));
    assert_eq!(asset["browser_download_url"], format!("http://github.test{PATH}"));
    let response = download(&release, "").await;
    assert_eq!(response.headers()[header::CONTENT_LENGTH], BYTES.to_string());
    assert_eq!(drain(response).await, (content, true));
    assert_eq!(
        get(release.host().http, "github.test", "/other").await.status,
        404
    );
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_cut() {
    let (release, content) = start().await;
    release.set(|rules| (rules.fault, rules.times) = (Fault::Cut(100_000), Some(1)));

    let (first, is_whole) = drain(download(&release, "").await).await;
    assert_eq!((first.len(), is_whole), (100_000, false));
    let response = download(&release, "bytes=100000-").await;
    assert_eq!(response.status(), 206);
    assert_eq!(
        response.headers()[header::CONTENT_RANGE],
        "bytes 100000-199999/200000"
    );
    let (rest, _) = drain(response).await;

    assert_eq!([first, rest].concat(), content);
    assert_eq!(download(&release, "bytes=200000-").await.status(), 416);
    release.set(|rules| rules.ignores_ranges = true);
    assert_eq!(download(&release, "bytes=5-").await.status(), 200);
    assert_eq!(
        release.seen()[1],
        json!({"path": PATH, "range": "bytes=100000-", "status": 206})
    );
}

#[tokio::test]
async fn files_go_wrong_in_every_way() {
    let (release, content) = start().await;

    release.set(|rules| rules.fault = Fault::WrongBytes);
    let (wrong, is_whole) = drain(download(&release, "").await).await;
    assert_eq!((wrong.len(), is_whole), (BYTES, true));
    assert_ne!(wrong, content);

    release.set(|rules| rules.fault = Fault::LengthLies(7));
    let response = download(&release, "").await;
    assert_eq!(
        response.headers()[header::CONTENT_LENGTH],
        (BYTES + 7).to_string()
    );
    assert!(!drain(response).await.1);

    release.set(|rules| rules.fault = Fault::Endless);
    let response = download(&release, "").await;
    assert!(!response.headers().contains_key(header::CONTENT_LENGTH));
    let mut body = response.into_body();
    let mut got = 0;
    while got < 3 * BYTES {
        got += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }

    release.set(|rules| rules.fault = Fault::Status(503));
    assert_eq!(download(&release, "").await.status(), 503);
}

#[tokio::test]
async fn downloads_can_be_sent_elsewhere() {
    let (release, content) = start().await;
    let assets = format!("http://{}/asset/cloudflared-linux-amd64", release.assets().http);
    for (redirect, location) in [
        (Redirect::Assets, Some(assets.as_str())),
        (Redirect::Plain, Some(assets.as_str())),
        (Redirect::Loop, Some(PATH)),
        (
            Redirect::To("http://192.0.2.1/x".to_owned()),
            Some("http://192.0.2.1/x"),
        ),
        (Redirect::Stranger, None),
    ] {
        release.set(|rules| rules.redirect = redirect.clone());
        let response = download(&release, "").await;
        assert_eq!(response.status(), 302);
        let found = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
        assert!(
            location.is_none_or(|location| location == found),
            "{redirect:?}: {found}"
        );
    }
    let there = request(
        "GET",
        "assets.test",
        "/asset/cloudflared-linux-amd64",
        Body::empty(),
    );
    let seen = send(release.assets().http, there).await;
    assert_eq!(drain(seen).await.0, content);
    let rules = format!("{}/rules", release.addresses()["control"].as_str().unwrap());
    let control = rules
        .trim_start_matches("http://")
        .trim_end_matches("/rules")
        .parse()
        .unwrap();
    let mut change = request(
        "POST",
        "localhost",
        "/rules",
        Body::from(r#"{"fault":{"cut":10},"times":1}"#),
    );
    change
        .headers_mut()
        .insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    let rules = whole(send(control, change).await).await.json();
    assert_eq!(
        (&rules["fault"], &rules["redirect"]),
        (&json!({"cut": 10}), &json!("stranger"))
    );
}
