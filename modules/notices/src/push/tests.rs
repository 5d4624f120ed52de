use std::{
    collections::HashSet,
    sync::{Mutex, OnceLock},
};

use fakes::{PushService, Pushed};
use kit::{Answer, BoxFuture, ModuleId, Secret, SecretsError};
use tokio::{sync::watch, time::timeout};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::*;

mod moved;

const POINT: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
const SITE: &str = "https://nexus.example.com";
const PATIENCE: Duration = Duration::from_secs(20);

/// What vouches for the services of this process's tests.
static ROOTS: OnceLock<Mutex<RootCertStore>> = OnceLock::new();

fn roots() -> &'static Mutex<RootCertStore> {
    ROOTS.get_or_init(|| Mutex::new(RootCertStore::empty()))
}

fn connect(hosts: Hosts) -> Result<Fetcher, FetchError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots().lock().unwrap().clone())
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .build();
    Ok(Fetcher::over(connector, hosts))
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn get<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, SecretsError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn set<'a>(&'a self, _name: &'a str, _secret: Secret) -> BoxFuture<'a, Result<(), SecretsError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn delete<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<(), SecretsError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, SecretsError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// Who is logged in, in a test.
struct Book {
    there: Mutex<HashSet<String>>,
    count: watch::Sender<usize>,
    site: Mutex<Option<String>>,
    /// Sessions a link was made for.
    linked: Mutex<Vec<String>>,
}

impl Book {
    fn end(&self, session: &str) {
        self.there.lock().unwrap().remove(session);
        self.count.send_modify(|count| *count -= 1);
    }
}

impl Sessions for Book {
    fn is_there(&self, session: &str) -> bool {
        self.there.lock().unwrap().contains(session)
    }

    fn changed(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    fn site(&self) -> Option<String> {
        self.site.lock().unwrap().clone()
    }

    fn link(&self, session: &str) -> Option<Link> {
        let site = self.site()?;
        self.linked.lock().unwrap().push(session.to_owned());
        Some(Link {
            url: Secret::new(format!("{site}/pair?code=of-{session}")),
            site,
            life: Duration::from_secs(600),
        })
    }
}

struct World {
    service: PushService,
    push: Arc<Push>,
    book: Arc<Book>,
    asked: Arc<Mutex<Vec<(ModuleId, Verb)>>>,
    running: tokio::task::JoinHandle<()>,
}

impl World {
    async fn new() -> Self {
        let service = PushService::start().await.unwrap();
        let pem = service.authority().pem();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        roots().lock().unwrap().add(certificate).unwrap();
        let book = Arc::new(Book {
            there: Mutex::new(["ada", "bob"].map(str::to_owned).into()),
            count: watch::Sender::new(2),
            site: Mutex::new(Some(SITE.to_owned())),
            linked: Mutex::default(),
        });
        let asked: Arc<Mutex<Vec<(ModuleId, Verb)>>> = Arc::default();
        let log = Arc::clone(&asked);
        let away = Away {
            sessions: Arc::clone(&book) as Arc<dyn Sessions>,
            call: Arc::new(move |module, verb| {
                log.lock().unwrap().push((module, verb));
                Box::pin(std::future::ready(Ok(Reply::Done)))
            }),
            seen_outside: Arc::new(|folder| folder == "/open"),
        };
        let mut push = Push::new(Store::in_memory().unwrap(), Arc::new(NoSecrets), away).unwrap();
        push.hosts.known = vec![service.address().to_string()];
        push.connect = connect;
        push.settling = Duration::ZERO;
        let push = Arc::new(push);
        let running = tokio::spawn({
            let push = Arc::clone(&push);
            async move { push.run().await }
        });
        Self {
            service,
            push,
            book,
            asked,
            running,
        }
    }

    /// The browser of `session` subscribes; its messages are answered with `status`.
    async fn subscribe(&self, session: &str, status: &str) {
        let endpoint = format!("https://{}/{status}/{session}", self.service.address());
        let subscription = subscription(&endpoint);
        self.push.subscribe(subscription, session, SITE).await.unwrap();
    }

    async fn next(&self) -> Pushed {
        timeout(PATIENCE, self.service.next()).await.unwrap().unwrap()
    }

    /// What comes next is the message about this, so nothing came before.
    async fn next_is_about(&self, tag: &str) -> Pushed {
        let pushed = self.next().await;
        let recipient = seal::Recipient::parse(POINT, AUTH).unwrap();
        assert_eq!(pushed.headers["topic"], service::topic(tag, &recipient));
        pushed
    }

    /// The names of the buttons of a notice about `request`, as a device would get them.
    async fn buttons(&self, request: &str) -> Vec<String> {
        let notice = waiting(request, "/open");
        let number = self.push.news().tell(request);
        let outgoing = Outgoing::Notice {
            notice,
            has_details: true,
            number,
        };
        let letter = self.push.letter(outgoing).await.unwrap();
        let buttons = letter.message.buttons.into_iter();
        buttons.map(|button| button.press).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn subscription(endpoint: &str) -> Subscription {
    let given = serde_json::json!({"endpoint": endpoint, "expirationTime": null, "keys": {"p256dh": POINT, "auth": AUTH}});
    serde_json::from_value(given).unwrap()
}

fn waiting(request: &str, folder: &str) -> Notice {
    let answer = |label, verb| Answer {
        label,
        is_grant: verb == "allow",
        action: Action::Call(ModuleId("chat"), Verb::with(verb, vec![request.to_owned()])),
    };
    Notice {
        kind: NoticeKind::Waiting,
        key: request.to_owned(),
        title: "Shop waits for you".to_owned(),
        body: "It asks: `ls`".to_owned(),
        page: "/chat/ses_1".to_owned(),
        answers: vec![answer("Allow once", "allow"), answer("Reject", "reject")],
        away: Some(kit::Away {
            brief: "A session waits for you",
            folder: Some(folder.to_owned()),
            audience: Audience::Here,
        }),
    }
}

#[tokio::test]
async fn a_device_is_told_sealed_signed_and_with_its_urgency() {
    let world = World::new().await;
    world.subscribe("ada", "201").await;

    world.push.offer(&waiting("per_1", "/open"), true);

    let pushed = world.next_is_about("per_1").await;
    assert_eq!(pushed.path, "/201/ada");
    assert_eq!(pushed.headers["content-encoding"], "aes128gcm");
    assert_eq!(pushed.headers["urgency"], "high");
    assert_eq!(pushed.headers["ttl"], "3600");
    assert!(pushed.headers["authorization"].starts_with("vapid t="));
    let body = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, &pushed.body).unwrap();
    assert!(!body.windows(4).any(|piece| piece == b"Shop"));
}

#[tokio::test]
async fn what_concerns_a_folder_that_is_not_seen_outside_is_told_to_nobody() {
    let world = World::new().await;
    world.subscribe("ada", "201").await;

    world.push.offer(&waiting("per_1", "/closed"), false);
    world.push.offer(
        &Notice {
            away: None,
            ..waiting("per_2", "/open")
        },
        false,
    );
    world.push.offer(&waiting("per_3", "/open"), false);

    world.next_is_about("per_3").await;
}

#[tokio::test]
async fn a_device_whose_session_has_ended_is_told_nothing_and_forgotten() {
    let world = World::new().await;
    world.subscribe("ada", "201").await;
    world.subscribe("bob", "201").await;
    assert!(world.push.tells("ada").await.unwrap());

    world.book.end("ada");
    world.push.offer(&waiting("per_1", "/open"), false);

    assert_eq!(world.next().await.path, "/201/bob");
    world.push.offer(&waiting("per_2", "/open"), false);
    assert_eq!(world.next().await.path, "/201/bob");
    assert!(!world.push.tells("ada").await.unwrap());
}

#[tokio::test]
async fn a_subscription_that_has_ended_is_forgotten_and_one_that_is_held_up_is_tried_again() {
    let world = World::new().await;
    world.subscribe("ada", "410").await;
    world.subscribe("bob", "503-0").await;

    world.push.offer(&waiting("per_1", "/open"), false);

    let mut paths = Vec::new();
    for _ in 0..4 {
        paths.push(world.next().await.path);
    }
    paths.sort();
    assert_eq!(paths, ["/410/ada", "/503-0/bob", "/503-0/bob", "/503-0/bob"]);
    assert!(!world.push.tells("ada").await.unwrap());
    assert!(world.push.tells("bob").await.unwrap());
}

#[tokio::test]
async fn a_browser_that_subscribes_in_another_session_is_told_once() {
    let world = World::new().await;
    world.subscribe("ada", "201").await;
    let endpoint = format!("https://{}/201/ada", world.service.address());

    world
        .push
        .subscribe(subscription(&endpoint), "bob", SITE)
        .await
        .unwrap();

    assert!(!world.push.tells("ada").await.unwrap());
    assert!(world.push.tells("bob").await.unwrap());
}

#[tokio::test]
async fn nobody_can_have_us_ask_a_stranger() {
    let world = World::new().await;

    for endpoint in [
        "https://192.168.1.1/201/x",
        "http://127.0.0.1/201/x",
        "file:///etc/passwd",
        "",
    ] {
        let refused = world.push.subscribe(subscription(endpoint), "ada", SITE).await;
        assert!(
            matches!(refused, Err(NotKept::Stranger(_))),
            "{endpoint}: {refused:?}"
        );
    }
    let long = format!("https://{}/201/{}", world.service.address(), "x".repeat(2000));
    let refused = world.push.subscribe(subscription(&long), "ada", SITE).await;
    assert!(matches!(refused, Err(NotKept::Nonsense)), "{refused:?}");
}

#[tokio::test]
async fn a_button_is_pressed_once_and_not_when_it_is_answered_elsewhere() {
    let world = World::new().await;
    let press = async |name: String, has_details| world.push.press(&name, "ada", has_details).await;

    let first = world.buttons("per_1").await;
    assert!(matches!(
        press(first[0].clone(), true).await,
        Some(Ok(Reply::Done))
    ));
    assert!(press(first[0].clone(), true).await.is_none());
    assert!(press(first[1].clone(), true).await.is_none());
    let second = world.buttons("per_2").await;
    world.push.settle("per_2");
    assert!(press(second[0].clone(), true).await.is_none());
    assert!(press("guess".to_owned(), true).await.is_none());
    // Its owner does not want such answers any more.
    let third = world.buttons("per_3").await;
    assert!(press(third[0].clone(), false).await.is_none());

    let asked = world.asked.lock().unwrap();
    let [(module, verb)] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (
            module.0,
            verb.name.as_str(),
            &verb.args[..],
            verb.session.as_deref()
        ),
        ("chat", "allow", &["per_1".to_owned()][..], Some("ada"))
    );
}

#[tokio::test]
async fn whoever_subscribed_at_an_address_that_is_none_any_more_is_not_told() {
    let world = World::new().await;
    let endpoint = format!("https://{}/201/ada", world.service.address());
    let former = "https://former.example.com";
    world
        .push
        .subscribe(subscription(&endpoint), "ada", former)
        .await
        .unwrap();
    world.subscribe("bob", "201").await;

    for request in ["per_1", "per_2"] {
        world.push.offer(&waiting(request, "/open"), false);
        assert_eq!(world.next().await.path, "/201/bob");
    }
}

#[tokio::test]
async fn what_was_settled_on_its_way_is_not_told() {
    let world = World::new().await;
    let number = world.push.news().tell("per_1");

    world.push.settle("per_1");

    let outgoing = Outgoing::Notice {
        notice: waiting("per_1", "/open"),
        has_details: true,
        number,
    };
    assert!(world.push.letter(outgoing).await.is_none());
}
