use crate::house::{Answer, House};

/// The policy as a whole, so that no word of it changes unnoticed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; manifest-src 'self'; worker-src 'self'; require-trusted-types-for 'script'; trusted-types nexus";

fn is_hardened(answer: &Answer) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    let permissions = answer.header("permissions-policy").unwrap_or_default();
    assert!(permissions.contains("camera=()"), "{answer:?}");
    assert!(answer.header("content-security-policy").is_some(), "{answer:?}");
    assert!(answer.header("cache-control").is_some(), "{answer:?}");
    let kind = answer.header("content-type").unwrap_or_default();
    if kind.starts_with("text/html") {
        assert_eq!(answer.header("content-security-policy"), Some(POLICY));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    if kind.starts_with("application/json") {
        assert_eq!(kind, "application/json; charset=utf-8");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let script = web::asset_path("nexus.js");

    let mut pages = 0;
    for path in [
        "/",
        "/chat",
        "/chat/x",
        "/devices",
        "/login",
        "/enter?ticket=x",
        "/healthz",
        script,
        "/assets/none",
        "/sw.js",
        "/offline",
        "/nothing",
        "/api/status",
        "/api/opencode/session",
        "/api/opencode/nothing",
        "/api//x",
        "/live",
        "/logout",
        "/chat/act",
    ] {
        for navigates in [true, false] {
            let asked = house
                .ask("GET", path)
                .with("Cookie", &cookie)
                .with("Sec-Fetch-Site", "same-origin");
            let mode = if navigates { "navigate" } else { "cors" };
            let answer = asked.with("Sec-Fetch-Mode", mode).send().await;
            is_hardened(&answer);
            pages += usize::from(
                answer
                    .header("content-type")
                    .is_some_and(|kind| kind.starts_with("text/html")),
            );
        }
        is_hardened(&house.ask("GET", path).send().await);
        is_hardened(&house.ask("POST", path).send().await);
        is_hardened(&house.ask("GET", path).with("Host", "evil.example").send().await);
    }
    assert!(pages >= 12, "{pages}");
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(20_000));
    let large = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: a\r\n".repeat(200));
    for (refused, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET /# HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET /<b> HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET /a` HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\n\r\n", 405),
        (&long, 414),
        (&large, 431),
    ] {
        let answer = Answer::parse(&house.raw(refused.as_bytes()).await);
        assert_eq!(answer.status, status, "{answer:?}");
        is_hardened(&answer);
    }
}

#[tokio::test]
async fn pages_hold_no_script_or_style_of_their_own() {
    let house = House::open().await;
    let cookie = house.log_in().await;

    for path in ["/login", "/enter?ticket=x", "/devices", "/nothing", "/chat"] {
        let asked = house
            .ask("GET", path)
            .with("Cookie", &cookie)
            .with("Accept", "text/html");
        let page = asked.send().await.body;
        assert!(page.starts_with("<!DOCTYPE html>"), "{path}: {page}");
        assert_eq!(
            page.matches("<script").count(),
            page.matches("<script src=\"/assets/").count(),
            "{path}"
        );
        for forbidden in [
            "<style",
            " style=",
            " onclick",
            " onload",
            " onerror",
            "javascript:",
            "http://",
            "https://",
        ] {
            let found = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(forbidden), "{path} {forbidden}");
        }
    }
}

#[tokio::test]
async fn what_a_request_says_is_shown_as_text() {
    let house = House::open().await;

    let page = house
        .ask(
            "GET",
            "/enter?ticket=%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        )
        .send()
        .await
        .body;

    assert!(
        page.contains("value=\"&quot;&gt;&lt;img src=x onerror=alert(1)&gt;\""),
        "{page}"
    );
}

#[tokio::test]
async fn only_embedded_files_are_served() {
    let house = House::open().await;
    let cookie = house.log_in().await;

    for path in [
        "/../../etc/passwd",
        "/assets/../../etc/passwd",
        "/assets/..%2f..%2fetc/passwd",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%252f..%252fetc/passwd",
        "/assets/..%5c..%5cetc/passwd",
        "/assets/..;/",
        "/assets/....//etc/passwd",
        "/assets//etc/passwd",
        "/assets/%c0%ae%c0%ae/etc/passwd",
        "/assets/nexus.js.map",
        "/assets/.git/config",
        "/.git/config",
        "/assets/",
        "/assets",
        "/assets/%00",
        "/state.db",
        "/credential",
    ] {
        let answer = house.ask("GET", path).page_of(&cookie).send().await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("root:"), "{path}");
    }
    let script = house.ask("GET", web::asset_path("nexus.js")).send().await;
    assert_eq!(
        (script.status, script.header("cache-control")),
        (200, Some("public, max-age=31536000, immutable"))
    );
    assert!(
        script
            .header("content-type")
            .unwrap()
            .starts_with("text/javascript"),
        "{script:?}"
    );
}

#[tokio::test]
async fn strangers_learn_nothing() {
    let house = House::open().await;

    let health = house.ask("GET", "/healthz").send().await;
    assert_eq!((health.status, health.body.as_str()), (200, "ok"));
    for (method, path) in [
        ("GET", "/healthz"),
        ("GET", "/login"),
        ("GET", "/chat"),
        ("GET", "/api/status"),
        ("GET", "/nothing"),
        ("POST", "/login"),
        ("GET", "/enter"),
        ("GET", "/assets/none"),
        ("GET", "/api//x"),
    ] {
        for accept in ["*/*", "text/html"] {
            let answer = house.ask(method, path).with("Accept", accept).send().await;
            let text = format!("{answer:?}").to_lowercase();
            for word in [
                "0.1.0",
                "1.18",
                "canary",
                "/home/",
                "axum",
                "hyper",
                house.folder.path().to_str().unwrap(),
            ] {
                assert!(!text.contains(word), "{method} {path}: {word} in {text}");
            }
            assert_eq!(answer.header("server"), None);
        }
    }
}

#[tokio::test]
async fn a_button_of_the_dashboard_asks_its_module() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let form = house
        .form("/api/modules/chat/greet", "arg=World")
        .with("Cookie", &cookie);
    let navigating = form
        .clone()
        .with("Sec-Fetch-Mode", "navigate")
        .with("Referer", &format!("{}/dashboard?x=1", house.origin()));

    let by_person = navigating.send().await;
    let by_script = form.with("Accept", "application/json").send().await;
    let wrong = house
        .form("/api/modules/chat/greet", "")
        .with("Cookie", &cookie)
        .send()
        .await;

    assert_eq!(
        (by_person.status, by_person.header("location")),
        (303, Some("/dashboard?x=1"))
    );
    assert_eq!(
        (by_script.status, by_script.body.as_str()),
        (200, "{\"reply\":\"hello\"}")
    );
    assert_eq!(wrong.status, 422);
    assert_eq!(house.calls().len(), 2);
    for path in ["/api/modules/chat/leave", "/api/modules/none/greet"] {
        assert_eq!(
            house.form(path, "").with("Cookie", &cookie).status().await,
            404,
            "{path}"
        );
    }
    let status = house.ask("GET", "/api/status").page_of(&cookie).send().await;
    assert!(status.body.contains("\"version\":\"0.1.0\""), "{}", status.body);
}
