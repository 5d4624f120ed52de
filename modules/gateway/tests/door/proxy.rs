use std::{collections::BTreeSet, time::Duration};

use axum::http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    house::{CREDENTIAL, House, upstream_says},
    login::{OPERATIONS, filled},
};

/// What of opencode's operations passes, and nothing else.
const PASSING: &str = "GET /global/health
GET /session
POST /session
GET /session/status
GET /session/{sessionID}
PATCH /session/{sessionID}
DELETE /session/{sessionID}
GET /session/{sessionID}/children
GET /session/{sessionID}/todo
GET /session/{sessionID}/diff
GET /session/{sessionID}/message
POST /session/{sessionID}/message
GET /session/{sessionID}/message/{messageID}
POST /session/{sessionID}/prompt_async
POST /session/{sessionID}/abort
GET /permission
POST /permission/{requestID}/reply
GET /question
POST /question/{requestID}/reply
POST /question/{requestID}/reject
GET /config/providers
GET /agent
GET /command
GET /find/file
GET /file
GET /file/content";

#[tokio::test]
async fn of_all_operations_only_the_listed_ones_arrive() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let passing: BTreeSet<&str> = PASSING.lines().collect();
    let mut arrived = BTreeSet::new();

    for operation in OPERATIONS
        .lines()
        .filter(|operation| *operation != "GET /global/event")
    {
        let (method, path) = operation.split_once(' ').unwrap();
        let path = filled(path);
        let asked = house
            .ask(method, &format!("/api/opencode{path}"))
            .page_of(&cookie);
        let status = if method == "GET" {
            asked.status().await
        } else {
            asked.json("{}").status().await
        };
        let recorded = house.recorded();
        if recorded.is_empty() {
            assert!(matches!(status, 404 | 405), "{operation}: {status}");
        } else {
            assert_eq!(
                (
                    recorded.len(),
                    recorded[0].method.as_str(),
                    recorded[0].target.as_str()
                ),
                (1, method, path.as_str())
            );
            arrived.insert(operation);
        }
    }

    assert_eq!(arrived, passing);
    for path in [
        "/global/dispose",
        "/session/ses_1/shell",
        "/pty",
        "/mcp",
        "/new-in-a-later-version",
    ] {
        assert_eq!(
            house
                .ask("POST", &format!("/api/opencode{path}"))
                .page_of(&cookie)
                .json("{}")
                .status()
                .await,
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_path_is_forwarded_as_it_was_checked_or_not_at_all() {
    let house = House::open().await;
    let cookie = house.log_in().await;

    for path in [
        "/api/session/..%2f..%2fpty",
        "/api//session",
        "/api/%2e%2e/pty",
        "/api\\pty",
        "/api/opencode/session/..%2f..%2fpty",
        "/api/opencode//session",
        "/api/opencode/session/../pty",
        "/api/opencode/./session",
        "/api/opencode/session/%2e%2e/pty",
        "/api/opencode/session%00",
        "/api/opencode/session/",
        "/api/opencode/%73ession",
        "/api/opencode/session/a%5Cb",
        "/api/opencode/session;x=y",
    ] {
        assert_eq!(
            house.ask("GET", path).page_of(&cookie).status().await,
            400,
            "{path}"
        );
    }
    for path in [
        "/api/opencode/session/a%20b",
        "/api/opencode/Session",
        "/api/opencode",
        "/api/opencode/session/a.b/message",
    ] {
        assert_eq!(
            house.ask("GET", path).page_of(&cookie).status().await,
            404,
            "{path}"
        );
    }
    assert_eq!(house.recorded().len(), 0);
}

#[tokio::test]
async fn only_listed_headers_cross() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut asked = house
        .ask("POST", "/api/opencode/session?auth_token=eDp5&directory=/home/u")
        .page_of(&cookie);
    for (name, value) in [
        ("Authorization", "Basic eDp5"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Accept", "application/json"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X_Forwarded_For", "1.2.3.4"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
        ("CF-Connecting-IP", "1.2.3.4"),
        ("True-Client-IP", "1.2.3.4"),
        ("X-Original-URL", "/pty"),
        ("X-Rewrite-URL", "/pty"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-opencode-directory", "/etc"),
        ("Remote-User", "root"),
        ("TE", "trailers"),
        ("Keep-Alive", "timeout=5"),
        ("Connection", "x-named"),
        ("X-Named", "1"),
        ("Accept-Encoding", "gzip"),
        ("Origin", &house.origin()),
        ("Referer", "http://127.0.0.1/x"),
        ("User-Agent", "x"),
        ("Cf-Access-Jwt-Assertion", "x"),
    ] {
        asked = asked.with(name, value);
    }

    let answer = asked.json("{}").send().await;

    assert_eq!(answer.status, 200, "{answer:?}");
    let recorded = &house.recorded()[0];
    assert_eq!(recorded.target, "/session?directory=%2Fhome%2Fu");
    let names: BTreeSet<&str> = recorded.headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(
        names,
        BTreeSet::from([
            "accept",
            "authorization",
            "content-length",
            "content-type",
            "host"
        ])
    );
    assert_eq!(recorded.headers["authorization"], CREDENTIAL);
    assert_ne!(recorded.headers["host"], format!("127.0.0.1:{}", house.port));
}

#[tokio::test]
async fn the_credential_never_reaches_the_client_and_nothing_of_the_server_but_its_answer() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    house.upstream_answers(|| {
        let mut response = upstream_says(StatusCode::OK, "application/json", "[]");
        for (name, value) in [
            ("set-cookie", "a=b"),
            ("authorization", CREDENTIAL),
            ("server", "Bun"),
            ("x-powered-by", "x"),
            ("access-control-allow-origin", "*"),
            ("link", "<http://127.0.0.1:38211/session>"),
            ("x-next-cursor", "abc"),
            ("location", "http://evil.example/"),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    });

    let answer = house
        .ask("GET", "/api/opencode/session")
        .page_of(&cookie)
        .send()
        .await;

    let names: BTreeSet<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    let own = [
        "cache-control",
        "connection",
        "content-length",
        "content-security-policy",
        "content-type",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "date",
        "permissions-policy",
        "referrer-policy",
        "x-content-type-options",
        "x-next-cursor",
    ];
    assert_eq!(names, BTreeSet::from(own));
    assert_eq!(
        (answer.header("content-type"), answer.body.as_str()),
        (Some("application/json; charset=utf-8"), "[]")
    );
}

#[tokio::test]
async fn nothing_in_a_request_chooses_where_it_goes() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = elsewhere.local_addr().unwrap().to_string();
    let ask = |path: &str| house.ask("GET", path).page_of(&cookie);

    for path in [
        format!("//{other}/"),
        format!("//{other}/api/opencode/session"),
        format!("/api/opencode/http://{other}/session"),
        format!("/api/opencode/session?directory=http://{other}/"),
        format!("/api/opencode/@{other}/session"),
    ] {
        let status = ask(&path).status().await;
        assert!(matches!(status, 400 | 404), "{path}: {status}");
    }
    for name in [
        "X-Forwarded-Host",
        "X-Host",
        "X-Forwarded-Server",
        "X-Original-Host",
    ] {
        assert_eq!(
            ask("/api/opencode/session").with(name, &other).status().await,
            200
        );
    }

    assert_eq!(house.recorded().len(), 4);
    let visited = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(visited.is_err());
}

#[tokio::test]
async fn errors_say_nothing_of_the_server() {
    const CANARY: &str = "canary-secret /home/canary-user at Server.fetch (bundle.js:1:2) v1.18.33";
    let house = House::open().await;
    let cookie = house.log_in().await;
    let ask = async || {
        house
            .ask("GET", "/api/opencode/session/ses_1")
            .page_of(&cookie)
            .send()
            .await
    };

    for (answer, expected) in [
        (
            (|| upstream_says(StatusCode::INTERNAL_SERVER_ERROR, "application/json", CANARY)) as fn() -> _,
            502,
        ),
        (
            || upstream_says(StatusCode::NOT_FOUND, "application/json", CANARY),
            404,
        ),
        (
            || upstream_says(StatusCode::BAD_REQUEST, "text/html", CANARY),
            400,
        ),
        (
            || upstream_says(StatusCode::UNAUTHORIZED, "text/plain", CANARY),
            502,
        ),
        (|| upstream_says(StatusCode::FOUND, "text/plain", CANARY), 502),
    ] {
        house.upstream_answers(answer);
        let answer = ask().await;
        assert_eq!(answer.status, expected);
        assert_eq!(
            answer.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        let error: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let members: Vec<_> = error["error"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["code", "id", "message"]);
        assert!(!format!("{answer:?}").contains("canary"), "{answer:?}");
    }
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    house.upstream_is_at(gone);
    let refused = ask().await;
    assert_eq!(refused.status, 502);
    assert!(!refused.body.contains(&gone.to_string()));
    house.upstream_is_gone();
    assert_eq!(ask().await.status, 502);
}

#[tokio::test]
async fn foreign_content_is_a_file_to_save() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    for answer in [
        (|| upstream_says(StatusCode::OK, "text/html", "<script>alert(1)</script>")) as fn() -> _,
        || upstream_says(StatusCode::OK, "image/svg+xml", "<svg onload='alert(1)'/>"),
        || upstream_says(StatusCode::OK, "text/javascript", "alert(1)"),
        || upstream_says(StatusCode::OK, "application/pdf", "%PDF"),
    ] {
        house.upstream_answers(answer);
        let answer = house
            .ask("GET", "/api/opencode/file/content?path=a.html")
            .page_of(&cookie)
            .send()
            .await;
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(answer.header("content-disposition"), Some("attachment"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(
            answer
                .header("content-security-policy")
                .unwrap()
                .contains("sandbox")
        );
    }
}

#[tokio::test]
async fn the_list_of_providers_comes_without_keys() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    house.upstream_answers(|| {
        let body = r#"{"providers":[{"id":"x","key":"canary-1","options":{"apiKey":"canary-2"},"models":{}}],"default":{}}"#;
        upstream_says(StatusCode::OK, "application/json", body)
    });

    let answer = house
        .ask("GET", "/api/opencode/config/providers")
        .page_of(&cookie)
        .send()
        .await;

    assert_eq!(
        answer.body,
        r#"{"default":{},"providers":[{"id":"x","models":{}}]}"#
    );
}

#[tokio::test]
async fn a_connection_to_the_server_that_nobody_uses_is_ended() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = House::open().await;
    let cookie = house.log_in().await;
    house.upstream_is_at(listener.local_addr().unwrap());
    let ask = house.ask("GET", "/api/opencode/session").page_of(&cookie);
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        for _ in 0..2 {
            assert_ne!(stream.read(&mut asked).await.unwrap(), 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]";
            stream.write_all(answer).await.unwrap();
        }
        stream
    };
    let client = async { (ask.status().await, ask.status().await) };
    let (mut stream, statuses) = tokio::join!(server, client);
    assert_eq!(statuses, (200, 200));

    let end = stream.read_u8();
    let ended = tokio::time::timeout(Duration::from_secs(20), end).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}
