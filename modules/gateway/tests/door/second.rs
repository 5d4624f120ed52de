//! Logging in from outside with a second factor.

use std::time::{Duration, SystemTime};

use gateway::{Purpose, Standing};
use kit::Secret;

use crate::house::{Answer, House, Outdoors, PASSWORD};

const HOST: &str = "grove-amber-heron-a12d.trycloudflare.com";
const WRONG: &str = "not the password at all";

/// An authenticator app.
struct App(totp_rs::Totp);

impl App {
    fn scans(link: &Secret) -> Self {
        Self(totp_rs::Totp::from_url(link.expose()).unwrap())
    }

    /// What it shows `later` from now.
    fn code(&self, later: Duration) -> String {
        let now = SystemTime::now() + later;
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        self.0.generate(seconds).to_string()
    }
}

/// A house with an app, and the recovery codes.
async fn with_app(house: &House) -> (App, Vec<Secret>) {
    let app = App::scans(&house.door.offer_second_factor().await.unwrap().link);
    let code = Secret::new(app.code(Duration::ZERO));
    let recovery = house.door.confirm_second_factor(&code).await.unwrap();
    (app, recovery)
}

async fn log_in(outside: &Outdoors, address: &str, password: &str, code: &str) -> Answer {
    let field = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    outside
        .ask("POST", "/login")
        .with("Sec-Fetch-Site", "same-origin")
        .with("Content-Type", "application/x-www-form-urlencoded")
        .with("Cf-Connecting-Ip", address)
        .body(&format!(
            "password={}&code={}&next=/chat",
            field(password),
            field(code)
        ))
        .send()
        .await
}

#[tokio::test]
async fn a_code_is_asked_for_outside_and_only_there() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    assert!(
        !outside
            .ask("GET", "/login")
            .send()
            .await
            .body
            .contains("name=\"code\"")
    );
    let (app, recovery) = with_app(&house).await;

    assert!(
        outside
            .ask("GET", "/login")
            .send()
            .await
            .body
            .contains("name=\"code\"")
    );
    assert!(
        !house
            .ask("GET", "/login")
            .send()
            .await
            .body
            .contains("name=\"code\"")
    );
    let later = Duration::from_secs(60);
    house.turn_clock(later);
    let code = app.code(later);
    let wrong_password = log_in(&outside, "198.51.100.1", WRONG, &code).await;
    let without = log_in(&outside, "198.51.100.1", PASSWORD, "").await;
    assert_eq!((without.status, &without.body), (401, &wrong_password.body));
    // The code was not used up by whoever had no password.
    let entered = log_in(&outside, "198.51.100.2", PASSWORD, &code).await;
    assert_eq!(entered.status, 303);
    assert_eq!(
        outside
            .ask("GET", "/chat")
            .page_of(&entered.cookie())
            .status()
            .await,
        200
    );
    assert_eq!(
        log_in(&outside, "198.51.100.3", PASSWORD, &code).await.status,
        401
    );
    assert_eq!(
        log_in(&outside, "198.51.100.3", PASSWORD, recovery[0].expose())
            .await
            .status,
        303
    );
    assert_eq!(
        log_in(&outside, "198.51.100.3", PASSWORD, recovery[0].expose())
            .await
            .status,
        401
    );
    house.log_in().await;
    assert_eq!(house.door.second_factor(), Standing::On { recovery_left: 9 });
}

#[tokio::test]
async fn a_machine_whose_clock_was_once_ahead_takes_the_codes_of_now() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let day = Duration::from_secs(24 * 3600);
    house.turn_clock(day);
    house.log_in().await;
    house.turn_clock_back(day);

    let (app, _) = with_app(&house).await;

    let later = Duration::from_secs(60);
    house.turn_clock(later);
    assert_eq!(
        log_in(&outside, "198.51.100.1", PASSWORD, &app.code(later))
            .await
            .status,
        303
    );
}

#[tokio::test]
async fn wrong_codes_lock_like_wrong_passwords_and_the_owner_hears_of_them() {
    let mut house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let (_, recovery) = with_app(&house).await;
    log_in(&outside, "198.51.100.9", WRONG, "000000").await;
    while house.notices.try_recv().is_ok() {}

    for _ in 0..5 {
        assert_eq!(
            log_in(&outside, "198.51.100.1", PASSWORD, "000000").await.status,
            401
        );
    }

    let locked = log_in(&outside, "198.51.100.1", PASSWORD, recovery[0].expose()).await;
    assert_eq!(locked.status, 429);
    let kit::Told::Notice(notice) = house.notices.try_recv().unwrap() else {
        panic!("a notice is told");
    };
    assert_eq!(notice.key, "wrong-code");
    assert!(notice.body.contains("198.51.100.1"), "{}", notice.body);
    assert_eq!(house.door.second_factor(), Standing::On { recovery_left: 10 });
}

#[tokio::test]
async fn while_codes_cannot_be_checked_nobody_logs_in_from_outside() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let (_, recovery) = with_app(&house).await;
    let paired = log_in(&outside, "198.51.100.1", PASSWORD, recovery[0].expose())
        .await
        .cookie();
    house.keyring.lock(true);

    // More often than wrong ones are let through, whichever password it is.
    for round in 0..7 {
        let password = if round % 2 == 0 { PASSWORD } else { WRONG };
        let answer = log_in(&outside, "198.51.100.1", password, recovery[1].expose()).await;
        assert_eq!(answer.status, 503, "{round}");
    }

    assert_eq!(
        outside.ask("GET", "/chat").page_of(&paired).status().await,
        200,
        "who is in stays in"
    );
    house.log_in().await;
    house.keyring.lock(false);
    assert_eq!(
        log_in(&outside, "198.51.100.1", PASSWORD, recovery[1].expose())
            .await
            .status,
        303
    );
    std::fs::write(house.folder.path().join("second-factor"), "nonsense").unwrap();
    let broken = log_in(&outside, "198.51.100.1", PASSWORD, "").await;
    assert_eq!(broken.status, 503);
    house.door.switch_second_factor_off().await.unwrap();
    assert_eq!(log_in(&outside, "198.51.100.1", PASSWORD, "").await.status, 303);
}

#[tokio::test]
async fn it_is_set_up_on_a_page_at_the_machine_by_somebody_who_has_just_logged_in() {
    let house = House::open().await;
    let cookie = house.enter(Purpose::Link).await;
    let post = async |path: &str, body: &str| {
        house
            .ask("POST", path)
            .page_of(&cookie)
            .with("Sec-Fetch-Site", "same-origin")
            .with("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
    };
    let too_early = post("/devices/second-factor/confirm", "code=123456").await;
    assert_eq!(too_early.status, 409);

    let shown = post("/devices/second-factor", "").await;

    let text = shown
        .body
        .split("<code>")
        .nth(1)
        .unwrap()
        .split("</code>")
        .next()
        .unwrap();
    let seed = totp_rs::Secret::try_from_base32(text.replace(' ', "")).unwrap();
    let app = App(totp_rs::Builder::new().with_secret(seed).build().unwrap());
    let wrong = post("/devices/second-factor/confirm", "code=12").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains(text), "the same secret is shown again");
    let code = app.code(Duration::ZERO);
    let on = post("/devices/second-factor/confirm", &format!("code={code}")).await;
    assert_eq!(on.status, 200);
    assert_eq!(on.body.matches("<li><code>").count(), 10);
    let devices = house.ask("GET", "/devices").page_of(&cookie).send().await.body;
    assert!(devices.contains("10 recovery codes are left"));
    assert!(!devices.contains(text));
    let renewed = post("/devices/second-factor/codes", "").await;
    assert_eq!(renewed.body.matches("<li><code>").count(), 10);

    house.turn_clock(Duration::from_secs(660));
    for path in ["", "/confirm", "/codes", "/off"] {
        let stale = post(&format!("/devices/second-factor{path}"), "code=1").await;
        assert_eq!(stale.status, 403, "{path}");
    }
    assert_eq!(house.door.second_factor(), Standing::On { recovery_left: 10 });
    let outside = house.open_outside(HOST).await;
    let session = log_in(
        &outside,
        "198.51.100.1",
        PASSWORD,
        renewed
            .body
            .split("<li><code>")
            .nth(1)
            .unwrap()
            .split("</code>")
            .next()
            .unwrap(),
    )
    .await
    .cookie();
    for path in ["", "/confirm", "/codes", "/off"] {
        let asked = outside
            .ask("POST", &format!("/devices/second-factor{path}"))
            .page_of(&session)
            .with("Sec-Fetch-Site", "same-origin");
        assert_eq!(asked.status().await, 403, "{path}");
    }
}
