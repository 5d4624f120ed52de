use kit::BoxFuture;

use super::*;

/// A keyring that holds one secret, or fails.
#[derive(Default)]
pub(crate) struct OneSecret {
    held: Mutex<Option<Secret>>,
    pub(crate) is_locked: std::sync::atomic::AtomicBool,
    /// Done once, right after a secret was kept.
    after_set: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl OneSecret {
    fn answer<T: Send + 'static>(&self, found: T) -> BoxFuture<'_, Result<T, SecretsError>> {
        let is_locked = self.is_locked.load(std::sync::atomic::Ordering::Relaxed);
        Box::pin(std::future::ready(if is_locked {
            Err(SecretsError::Locked)
        } else {
            Ok(found)
        }))
    }

    fn change(&self, held: Option<Secret>) -> BoxFuture<'_, Result<(), SecretsError>> {
        if !self.is_locked.load(std::sync::atomic::Ordering::Relaxed) {
            *self.held.lock().unwrap() = held;
        }
        self.answer(())
    }
}

impl Secrets for OneSecret {
    fn get<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, SecretsError>> {
        self.answer(self.held.lock().unwrap().clone())
    }

    fn set<'a>(&'a self, _name: &'a str, secret: Secret) -> BoxFuture<'a, Result<(), SecretsError>> {
        let kept = self.change(Some(secret));
        if let Some(next) = self.after_set.lock().unwrap().take() {
            next();
        }
        kept
    }

    fn delete<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<(), SecretsError>> {
        self.change(None)
    }

    fn names(&self) -> BoxFuture<'_, Result<Vec<String>, SecretsError>> {
        self.answer(Vec::new())
    }
}

struct Desk {
    folder: tempfile::TempDir,
    keyring: Arc<OneSecret>,
    factor: SecondFactor,
}

fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let keyring = Arc::new(OneSecret::default());
    let secrets = Arc::clone(&keyring);
    Desk {
        factor: SecondFactor::new(folder.path(), secrets),
        folder,
        keyring,
    }
}

/// The code an app shows at `now`, read from what it was offered.
fn code(offer: &Offer, now: SystemTime) -> String {
    let app = totp_rs::Totp::from_url(offer.link.expose()).unwrap();
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    app.generate(seconds).to_string()
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

async fn switch_on(desk: &Desk, now: SystemTime) -> (Offer, Vec<Secret>) {
    let offer = desk.factor.offer("box", Instant::now()).await.unwrap();
    let codes = desk
        .factor
        .confirm(&code(&offer, now), now, Instant::now())
        .await
        .unwrap();
    (offer, codes)
}

async fn is_good(desk: &Desk, typed: &str, now: SystemTime) -> bool {
    let seed = desk.factor.seed().await.unwrap().unwrap();
    desk.factor.accept(&seed, typed, now).await.unwrap()
}

#[tokio::test]
async fn a_mistyped_first_code_costs_no_new_scan() {
    let desk = desk();
    let (now, instant) = (SystemTime::UNIX_EPOCH + minutes(30_000_000), Instant::now());
    let offer = desk.factor.offer("box", instant).await.unwrap();
    let wrong = desk.factor.confirm("000000", now, instant).await;
    assert!(matches!(wrong, Err(SecondFactorError::WrongCode)), "{wrong:?}");

    let again = desk.factor.offer("box", instant + OFFER_LIFE / 2).await.unwrap();

    assert_eq!(again.text.expose(), offer.text.expose());
    let later = desk.factor.offer("box", instant + OFFER_LIFE).await.unwrap();
    assert_ne!(later.text.expose(), offer.text.expose());
}

#[tokio::test]
async fn it_is_on_when_an_app_has_proved_that_it_knows_the_seed() {
    let desk = desk();
    let now = SystemTime::UNIX_EPOCH + minutes(30_000_000);
    assert!(matches!(
        desk.factor.confirm("123456", now, Instant::now()).await,
        Err(SecondFactorError::NotOffered)
    ));

    let offer = desk.factor.offer("box", Instant::now()).await.unwrap();
    let wrong = desk.factor.confirm("12345", now, Instant::now()).await;

    assert!(matches!(wrong, Err(SecondFactorError::WrongCode)));
    assert_eq!(desk.factor.standing(), Standing::Off);
    let spaced = code(&offer, now).split_at(3).0.to_owned() + " " + code(&offer, now).split_at(3).1;
    let codes = desk.factor.confirm(&spaced, now, Instant::now()).await.unwrap();
    assert_eq!(codes.len(), 10);
    assert_eq!(desk.factor.standing(), Standing::On { recovery_left: 10 });
    assert!(desk.factor.offered(Instant::now()).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_shown_waits_ten_minutes_for_its_code() {
    let desk = desk();
    let now = SystemTime::UNIX_EPOCH + minutes(30_000_000);
    let offer = desk.factor.offer("box", Instant::now()).await.unwrap();

    tokio::time::advance(OFFER_LIFE).await;

    let late = desk.factor.confirm(&code(&offer, now), now, Instant::now()).await;
    assert!(matches!(late, Err(SecondFactorError::NotOffered)));
}

#[tokio::test]
async fn every_code_is_good_once() {
    let desk = desk();
    let now = SystemTime::UNIX_EPOCH + minutes(30_000_000);
    let (offer, codes) = switch_on(&desk, now).await;

    // The one that switched it on is used, too.
    assert!(!is_good(&desk, &code(&offer, now), now).await);
    let later = now + minutes(1);
    assert!(is_good(&desk, &code(&offer, later), later).await);
    assert!(!is_good(&desk, &code(&offer, later), later).await);
    // Nor is one from before it good afterwards, although its time has not quite run out.
    let before = later - Duration::from_secs(30);
    assert!(!is_good(&desk, &code(&offer, before), later).await);
    assert!(is_good(&desk, codes[3].expose(), later).await);
    assert!(!is_good(&desk, codes[3].expose(), later).await);
    assert_eq!(desk.factor.standing(), Standing::On { recovery_left: 9 });
    for other in ["", "000000 ", "0000 0000 0000 0000", "nonsense"] {
        assert!(!is_good(&desk, other, later).await, "{other}");
    }
    let again = SecondFactor::new(desk.folder.path(), Arc::clone(&desk.keyring) as Arc<dyn Secrets>);
    let seed = again.seed().await.unwrap().unwrap();
    assert!(
        !again.accept(&seed, codes[3].expose(), later).await.unwrap(),
        "remembered across a restart"
    );
}

#[tokio::test]
async fn a_code_of_the_next_step_is_used_up_too() {
    let desk = desk();
    let now = SystemTime::UNIX_EPOCH + minutes(30_000_000);
    let (offer, _) = switch_on(&desk, now).await;
    let (early, next) = (now + Duration::from_secs(5), now + Duration::from_secs(30));

    assert!(
        is_good(&desk, &code(&offer, next), early).await,
        "an app that is fast"
    );
    assert!(
        !is_good(&desk, &code(&offer, next), next).await,
        "its time has come now"
    );
}

#[tokio::test]
async fn an_app_that_is_known_stays_so_when_another_cannot_be_kept() {
    let desk = desk();
    let now = SystemTime::UNIX_EPOCH + minutes(30_000_000);
    let (known, _) = switch_on(&desk, now).await;
    let other = desk.factor.offer("box", Instant::now()).await.unwrap();
    let path = desk.folder.path().join(FILE);
    let standing = std::fs::read(&path).unwrap();

    // From the moment the other one is in the keyring a folder stands where the file was.
    let held = path.clone();
    *desk.keyring.after_set.lock().unwrap() = Some(Box::new(move || {
        std::fs::remove_file(&held).unwrap();
        std::fs::create_dir_all(held.join("taken")).unwrap();
    }));
    let refused = desk.factor.confirm(&code(&other, now), now, Instant::now()).await;
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::write(&path, standing).unwrap();

    assert!(matches!(refused, Err(SecondFactorError::File { .. })));
    let later = now + minutes(1);
    assert!(is_good(&desk, &code(&known, later), later).await);
    assert!(!is_good(&desk, &code(&other, later), later).await);
}

#[tokio::test]
async fn new_recovery_codes_replace_the_old_ones() {
    let desk = desk();
    let now = SystemTime::UNIX_EPOCH + minutes(30_000_000);
    assert!(matches!(desk.factor.renew().await, Err(SecondFactorError::Off)));
    let (offer, old) = switch_on(&desk, now).await;

    let new = desk.factor.renew().await.unwrap();

    assert!(!is_good(&desk, old[0].expose(), now).await);
    assert!(is_good(&desk, new[0].expose(), now).await);
    assert!(
        !is_good(&desk, &code(&offer, now), now).await,
        "what was used stays used"
    );
}

#[tokio::test]
async fn nothing_that_fails_opens_anything() {
    let desk = desk();
    let now = SystemTime::UNIX_EPOCH + minutes(30_000_000);
    let offer = desk.factor.offer("box", Instant::now()).await.unwrap();
    desk.keyring
        .is_locked
        .store(true, std::sync::atomic::Ordering::Relaxed);
    // Said before somebody scans what could not be kept.
    let unoffered = desk.factor.offer("box", Instant::now()).await;
    assert!(matches!(
        unoffered,
        Err(SecondFactorError::Secrets(SecretsError::Locked))
    ));
    let refused = desk.factor.confirm(&code(&offer, now), now, Instant::now()).await;
    assert!(matches!(
        refused,
        Err(SecondFactorError::Secrets(SecretsError::Locked))
    ));
    assert_eq!(desk.factor.standing(), Standing::Off);
    desk.keyring
        .is_locked
        .store(false, std::sync::atomic::Ordering::Relaxed);
    switch_on(&desk, now).await;

    desk.keyring
        .is_locked
        .store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(desk.factor.seed().await.is_err());
    desk.keyring
        .is_locked
        .store(false, std::sync::atomic::Ordering::Relaxed);
    *desk.keyring.held.lock().unwrap() = None;
    assert!(matches!(
        desk.factor.seed().await,
        Err(SecondFactorError::SeedLost)
    ));
    for broken in ["", "nonsense", "{}", "{\"last_step\":1}"] {
        std::fs::write(desk.folder.path().join(FILE), broken).unwrap();
        assert_eq!(desk.factor.standing(), Standing::Broken, "{broken}");
        assert!(desk.factor.seed().await.is_err(), "{broken}");
    }
    desk.factor.switch_off().await.unwrap();
    assert_eq!(desk.factor.standing(), Standing::Off);
    assert!(desk.factor.seed().await.unwrap().is_none());
}
