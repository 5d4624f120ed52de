use crate::house::House;

#[tokio::test]
async fn only_our_own_pages_change_anything() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let act = |fields: &[(&str, &str)]| {
        let asked = house.ask("POST", "/chat/act").with("Cookie", &cookie);
        fields
            .iter()
            .fold(asked, |asked, (name, value)| asked.with(name, value))
    };
    let origin = house.origin();

    assert_eq!(act(&[("Sec-Fetch-Site", "same-origin")]).status().await, 200);
    assert_eq!(act(&[("Origin", &origin)]).status().await, 200);
    for site in ["same-site", "cross-site", "none"] {
        assert_eq!(act(&[("Sec-Fetch-Site", site)]).status().await, 403, "{site}");
    }
    for other in [
        "https://evil.example",
        "null",
        "http://localhost:9",
        "tauri://localhost",
    ] {
        assert_eq!(act(&[("Origin", other)]).status().await, 403, "{other}");
    }
    assert_eq!(act(&[]).status().await, 403);
    let proxied = house
        .ask("POST", "/api/opencode/session")
        .with("Cookie", &cookie)
        .json("{}");
    assert_eq!(proxied.with("Origin", "https://evil.example").status().await, 403);
    let verb = house
        .ask("POST", "/api/modules/chat/greet")
        .with("Cookie", &cookie)
        .json("{\"args\":[\"x\"]}");
    assert_eq!(verb.status().await, 403);
    assert_eq!(house.recorded().len(), 0);
    assert_eq!(house.calls(), []);
}

#[tokio::test]
async fn the_login_itself_is_posted_from_our_own_page() {
    let house = House::open().await;
    let form = "password=a+walrus+plays+the+banjo";
    let post = |path: &str, body: &str| {
        house
            .ask("POST", path)
            .with("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    };

    assert_eq!(post("/login", form).status().await, 403);
    assert_eq!(
        post("/login", form)
            .with("Origin", "https://evil.example")
            .status()
            .await,
        403
    );
    let ticket = house.door.ticket(gateway::Purpose::Link, "/chat");
    let ticket = format!("ticket={}", ticket.secret.expose());
    assert_eq!(post("/enter", &ticket).with("Origin", "null").status().await, 403);
    assert_eq!(
        post("/enter", &ticket)
            .with("Origin", &house.origin())
            .status()
            .await,
        303
    );
    assert_eq!(
        post("/login", form)
            .with("Origin", &house.origin())
            .status()
            .await,
        303
    );
}

#[tokio::test]
async fn another_name_for_this_machine_is_refused_before_anything_else() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let ask = |path: &str, host: &str| house.ask("GET", path).page_of(&cookie).with("Host", host);

    for host in [
        "evil.example",
        &format!("evil.example:{}", house.port),
        "127.0.0.1",
        "localhost",
        // Resolved to [::1] first, where somebody else may listen.
        &format!("localhost:{}", house.port),
        &format!("[::1]:{}", house.port),
        "127.0.0.1:1",
        "[::1]:1",
    ] {
        for path in ["/chat", "/healthz", "/login", "/api/opencode/session", "/api//x"] {
            let answer = ask(path, host).send().await;
            assert_eq!((answer.status, answer.body.as_str()), (421, ""), "{host} {path}");
        }
    }
    assert_eq!(
        ask("/chat", &format!("127.0.0.1:{}", house.port)).status().await,
        200
    );
    assert_eq!(house.recorded().len(), 0);
}

#[tokio::test]
async fn no_other_origin_is_ever_let_in() {
    let house = House::open().await;
    let cookie = house.log_in().await;

    for origin in [
        "http://localhost:9",
        "null",
        "https://x.opencode.ai",
        "tauri://localhost",
    ] {
        for (method, path) in [
            ("OPTIONS", "/api/opencode/session"),
            ("GET", "/api/opencode/session"),
            ("GET", "/chat"),
            ("GET", "/healthz"),
        ] {
            let asked = house
                .ask(method, path)
                .with("Cookie", &cookie)
                .with("Origin", origin);
            let answer = asked.with("Access-Control-Request-Method", "POST").send().await;
            assert!(
                answer
                    .headers
                    .iter()
                    .all(|(name, _)| !name.starts_with("access-control")),
                "{answer:?}"
            );
            let expected = if method == "OPTIONS" {
                405
            } else if path == "/healthz" {
                200
            } else {
                403
            };
            assert_eq!(answer.status, expected, "{origin} {method} {path}");
        }
    }
    assert_eq!(house.recorded().len(), 0);
}

#[tokio::test]
async fn json_is_what_says_it_is_json() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let post = |kind: Option<&str>| {
        let asked = house
            .ask("POST", "/api/opencode/session")
            .page_of(&cookie)
            .body("{\"title\":\"x\"}");
        kind.into_iter()
            .fold(asked, |asked, kind| asked.with("Content-Type", kind))
    };

    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonp"),
    ] {
        assert_eq!(post(kind).status().await, 415, "{kind:?}");
    }
    assert_eq!(house.recorded().len(), 0);
    for kind in ["application/json", "application/json; charset=utf-8"] {
        assert_eq!(post(Some(kind)).status().await, 200, "{kind}");
    }
    let bodiless = house
        .ask("POST", "/api/opencode/session/ses_1/abort")
        .page_of(&cookie);
    assert_eq!(bodiless.status().await, 200);
    assert_eq!(house.recorded().len(), 3);
    let verb = house
        .ask("POST", "/api/modules/chat/greet")
        .page_of(&cookie)
        .with("Content-Type", "text/plain");
    assert_eq!(verb.body("{\"args\":[\"x\"]}").status().await, 415);
    assert_eq!(house.calls(), []);
}

#[tokio::test]
async fn reading_changes_nothing_and_other_sites_read_nothing() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let get = |path: &str| house.ask("GET", path).with("Cookie", &cookie);

    for path in [
        "/chat/act",
        "/logout",
        "/password",
        "/devices/revoke",
        "/api/modules/chat/greet",
        "/api/opencode/session/ses_1/abort",
        "/api/opencode/session/ses_1/prompt_async",
    ] {
        assert_eq!(get(path).status().await, 405, "{path}");
    }
    for path in ["/api/status", "/api/opencode/session"] {
        for (name, value) in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Sec-Fetch-Dest", "image"),
            ("Sec-Fetch-Dest", "script"),
        ] {
            assert_eq!(get(path).with(name, value).status().await, 403, "{path} {value}");
        }
        assert_eq!(
            get(path)
                .with("Sec-Fetch-Site", "same-origin")
                .with("Sec-Fetch-Dest", "empty")
                .status()
                .await,
            200
        );
    }
    let link = get("/chat")
        .with("Sec-Fetch-Site", "cross-site")
        .with("Sec-Fetch-Mode", "navigate");
    assert_eq!(
        link.clone().with("Sec-Fetch-Dest", "document").status().await,
        200
    );
    assert_eq!(link.with("Sec-Fetch-Dest", "iframe").status().await, 403);
    assert_eq!(
        get("/chat")
            .with("Sec-Fetch-Site", "cross-site")
            .with("Sec-Fetch-Mode", "no-cors")
            .status()
            .await,
        403
    );
    assert_eq!(house.recorded().len(), 1);
}
