//! Sessions under a clock that is moved, before a store that is held up: what no sleep would show.

use std::sync::Arc;
use std::time::Duration;

use claviger::clock::Clock;
use claviger::config::LiveSettings;
use claviger::console::{self, ConsoleState};
use claviger::control::{Control, Serving};
use claviger::edge::Turnstile;
use claviger::edge::tls::ListenerTls;
use claviger::model::{Expiry, KeyDigest, KeyId, Mutation, PlainKey};
use claviger::telemetry::Listener;
use jiff::Timestamp;

use super::browser::Browser;
use crate::exchange::world::World;
use crate::support::http::Answer;

/// The console before a world of which all parts are at hand.
struct Front {
    world: World,
    browser: Browser,
}

/// A root admin's key.
struct AdminKey {
    id: KeyId,
    text: String,
}

impl Front {
    async fn open() -> Self {
        let world = World::new().await;
        let (settings, clock): (_, Arc<dyn Clock>) = (LiveSettings::from(&world.settings), world.clock.clone());
        let serving = Serving { exchange: world.exchange.clone(), settings: settings.clone(), name: "here".parse().unwrap() };
        let control = Arc::new(Control::serving(world.sluice.clone(), clock.clone(), serving));
        let tls = ListenerTls::plain(Listener::Admin, &world.metrics, &clock).unwrap();
        let pages = console::pages(ConsoleState::new(control, Arc::new(Turnstile::new(settings)), tls));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, pages).await.unwrap() });
        Self { world, browser: Browser { address, cookie: None } }
    }

    async fn admin(&self, name: &str, expires_at: Option<Timestamp>) -> AdminKey {
        let mut new = self.world.new_key(name, &["space-admin@root"], &[]);
        let plain = PlainKey::generate(new.id, &[u8::try_from(self.world.draw()).unwrap(); 32]);
        (new.digest, new.expires_at) = (KeyDigest::of(&plain), expires_at);
        let id = new.id;
        self.world.make(new).await;
        AdminKey { id, text: plain.reveal().to_owned() }
    }

    /// What somebody at a browser does, who waits for it.
    async fn at<T: Send + 'static>(&self, browser: &Browser, does: impl FnOnce(&mut Browser) -> T + Send + 'static) -> (T, Browser) {
        begun(browser, does).await.unwrap()
    }

    async fn signed_in(&self, key: &AdminKey) -> Browser {
        let text = key.text.clone();
        let (answer, browser) = self.at(&self.browser, move |browser| browser.sign_in(&text)).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        browser
    }

    async fn looks(&self, browser: &Browser) -> Answer {
        self.at(browser, |browser| browser.get("/keys")).await.0
    }
}

fn begun<T: Send + 'static>(
    browser: &Browser,
    does: impl FnOnce(&mut Browser) -> T + Send + 'static,
) -> tokio::task::JoinHandle<(T, Browser)> {
    let mut browser = browser.clone();
    tokio::task::spawn_blocking(move || {
        let done = does(&mut browser);
        (done, browser)
    })
}

fn is_sent_away(answer: &Answer) -> bool {
    answer.status == 303 && answer.header("location").is_some_and(|place| place.starts_with("/sign-in"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_life_of_its_key_and_does_not_come_back_with_a_longer_one() {
    let front = Front::open().await;
    let key = front.admin("passing", Some(front.world.clock_in(Duration::from_mins(10)))).await;
    let browser = front.signed_in(&key).await;
    front.world.clock.advance(Duration::from_secs(599));
    assert_eq!(front.looks(&browser).await.status, 200, "a second before");

    front.world.clock.advance(Duration::from_secs(1));
    let answer = front.looks(&browser).await;
    assert!(is_sent_away(&answer), "{} {}", answer.status, answer.text());
    assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")), "the browser is to forget it");

    let expiry = Some(Expiry::Never);
    front.world.change(Mutation::UpdateKey { id: key.id, name: None, description: None, groups: None, expiry }).await;
    assert!(is_sent_away(&front.looks(&browser).await), "whoever has kept the cookie");
    let again = front.signed_in(&key).await;
    assert_eq!(front.looks(&again).await.status, 200, "the key itself works again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_uses_ends_after_half_an_hour_and_one_that_is_used_after_twelve() {
    let front = Front::open().await;
    let key = front.admin("lasting", None).await;
    let unused = front.signed_in(&key).await;
    front.world.clock.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(front.looks(&unused).await.status, 200);
    front.world.clock.advance(Duration::from_mins(30));
    assert!(is_sent_away(&front.looks(&unused).await));

    let used = front.signed_in(&key).await;
    for _ in 0..(12 * 3 - 1) {
        front.world.clock.advance(Duration::from_mins(20));
        assert_eq!(front.looks(&used).await.status, 200);
    }
    front.world.clock.advance(Duration::from_mins(20));
    assert!(is_sent_away(&front.looks(&used).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_outlives_a_change_that_comes_after_the_last_look_at_its_key() {
    let front = Front::open().await;
    let key = front.admin("changed", None).await;
    let (text, hold) = (key.text.clone(), front.world.sluice.hold_next_key());
    let signing_in = begun(&front.browser, move |browser| browser.sign_in(&text));
    hold.reached().await;
    // The secret goes on working: nothing but the change itself ends the session.
    let old_ends_at = front.world.clock_in(Duration::from_hours(1));
    front.world.change(Mutation::RotateKey { id: key.id, digest: front.world.draw_digest(), old_ends_at }).await;
    hold.release();

    let (answer, browser) = signing_in.await.unwrap();
    assert_eq!(answer.status, 303, "{}", answer.text());
    let answer = front.looks(&browser).await;
    assert!(is_sent_away(&answer), "{} {}", answer.status, answer.text());

    let later = front.signed_in(&key).await;
    assert_eq!(front.looks(&later).await.status, 200, "whoever signs in afterwards does so by what is there now");
}
