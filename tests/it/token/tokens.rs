//! Signing keys on disk, the tokens they sign, and what verifiers make of them: ours and one that is not ours.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use claviger::config::{ClaimName, TokenAlgorithm, TokenHeader, TokenSettings, TokenType};
use claviger::model::{KeyId, KeyName, Revision, RolesBySpace, TokenSize};
use claviger::telemetry::SigningKeyState::{Current, Next, Retiring};
use claviger::token::{
    Activate, KeyDirectory, KeyRing, KeyStanding, Minted, Minter, Subject, TokenError, VerifyError, Withdraw, decode, verify, verify_as,
};
use jiff::Timestamp;
use serde_json::json;

use crate::support::pyjwt;

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "orders-api";
const TTL: Duration = Duration::from_mins(1);
const ALGORITHMS: [TokenAlgorithm; 3] = [TokenAlgorithm::Es256, TokenAlgorithm::EdDsa, TokenAlgorithm::Rs256];

/// A directory of keys, and the day on which the story plays.
struct Keys {
    home: tempfile::TempDir,
    now: Timestamp,
}

impl Keys {
    fn none_yet() -> Self {
        Self { home: tempfile::tempdir().unwrap(), now: "2026-01-02T03:04:05.678Z".parse().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("keys")
    }

    fn directory(&self) -> KeyDirectory {
        KeyDirectory::at(self.path())
    }

    fn open(&self, algorithm: TokenAlgorithm) -> Result<KeyRing, TokenError> {
        KeyRing::open(&self.settings(algorithm), self.now)
    }

    fn settings(&self, algorithm: TokenAlgorithm) -> TokenSettings {
        TokenSettings { keys: self.path(), algorithm, ..settings(6144) }
    }

    fn ring(&self) -> KeyRing {
        self.open(TokenAlgorithm::Es256).unwrap()
    }

    fn pem_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "pem")).collect()
    }

    fn later(&mut self, span: Duration) {
        self.now = self.now.checked_add(jiff::SignedDuration::try_from(span).unwrap()).unwrap();
    }
}

fn settings(max_bytes: usize) -> TokenSettings {
    TokenSettings {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        ttl: TTL,
        algorithm: TokenAlgorithm::Es256,
        keys: PathBuf::new(),
        active: None,
        typ: TokenType::AccessToken,
        backdate: Duration::ZERO,
        header: http::header::AUTHORIZATION,
        headers: Vec::new(),
        max_bytes,
        include_actions: false,
        confirm_client_certificate: false,
    }
}

struct Story {
    name: KeyName,
    groups: Vec<String>,
    effective: RolesBySpace,
    bound: RolesBySpace,
    not_after: Option<Timestamp>,
}

impl Story {
    fn of_ci() -> Self {
        let roles = |given: &[(&str, &str)]| {
            given.iter().map(|(space, role)| (space.parse().unwrap(), BTreeSet::from([role.parse().unwrap()]))).collect()
        };
        Self {
            name: "ci-cd-production".parse().unwrap(),
            groups: vec!["platform".to_owned()],
            effective: roles(&[("production", "deployer"), ("root", "space-reader")]),
            bound: roles(&[("root", "space-reader")]),
            not_after: None,
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            key: KeyId::new(1_700_000_000_000, 7),
            name: &self.name,
            groups: &self.groups,
            effective: &self.effective,
            bound: &self.bound,
            scope: None,
            confirmation: None,
            revision: Revision(4711),
            not_after: self.not_after,
        }
    }

    fn mint(&self, ring: &KeyRing, max_bytes: usize, now: Timestamp) -> Result<Minted, TokenError> {
        Minter::new(&settings(max_bytes)).mint(ring, &self.subject(), now)
    }
}

fn jwt(minted: &Minted) -> &str {
    minted.header.to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

fn told(result: Result<impl Sized, TokenError>) -> String {
    result.err().expect("this must be refused").to_string()
}

#[test]
fn a_token_says_what_the_key_may_do() {
    for algorithm in ALGORITHMS {
        let keys = Keys::none_yet();
        let ring = keys.open(algorithm).unwrap();
        let minted = Story::of_ci().mint(&ring, 6144, keys.now).unwrap();
        assert!(minted.header.is_sensitive());
        assert_eq!(&*minted.kid, ring.current_kid());

        let read = verify(jwt(&minted), &ring.jwks().to_string(), ISSUER, AUDIENCE, keys.now).unwrap();
        assert_eq!(read.header, json!({"alg": ring.algorithm().as_str(), "typ": "at+jwt", "kid": ring.current_kid()}));
        let mut claims = read.claims;
        let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert!(jti.as_str().unwrap().parse::<KeyId>().is_ok(), "{jti} is not a ULID in lower case");
        let id = KeyId::new(1_700_000_000_000, 7);
        let expected = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": format!("api::{id}"), "client_id": id,
            "iat": keys.now.as_second(), "nbf": keys.now.as_second(), "exp": keys.now.as_second() + 60,
            "name": "ci-cd-production", "groups": ["platform"],
            "roles": {"production": ["deployer"], "root": ["space-reader"]}, "roles_scope": "effective", "rev": 4711,
        });
        assert_eq!(claims, expected);
        assert_eq!((minted.issued_at.as_second(), minted.expires_at.as_second()), (keys.now.as_second(), keys.now.as_second() + 60));
    }
}

#[test]
fn two_tokens_never_have_one_name() {
    let keys = Keys::none_yet();
    let ring = keys.ring();
    let jti = |minted: Minted| decode(jwt(&minted)).unwrap().claims["jti"].clone();
    let story = Story::of_ci();
    assert_ne!(jti(story.mint(&ring, 6144, keys.now).unwrap()), jti(story.mint(&ring, 6144, keys.now).unwrap()));
}

#[test]
fn a_token_does_not_outlive_its_key() {
    let keys = Keys::none_yet();
    let mut story = Story::of_ci();
    story.not_after = Some("2026-01-02T03:04:15.999Z".parse().unwrap());
    let minted = story.mint(&keys.ring(), 6144, keys.now).unwrap();
    assert_eq!(minted.expires_at, "2026-01-02T03:04:15Z".parse().unwrap());
    assert_eq!(decode(jwt(&minted)).unwrap().claims["exp"], minted.expires_at.as_second());
}

#[test]
fn a_token_that_would_grow_too_large_lists_the_bound_roles() {
    let keys = Keys::none_yet();
    let ring = keys.ring();
    let mut story = Story::of_ci();
    for number in 0..500 {
        let role = BTreeSet::from(["deployer".parse().unwrap()]);
        story.effective.insert(format!("space-{number}").parse().unwrap(), role);
    }
    let minted = story.mint(&ring, 6144, keys.now).unwrap();
    let claims = decode(jwt(&minted)).unwrap().claims;
    assert_eq!((&claims["roles_scope"], &claims["roles"]), (&json!("bound"), &json!({"root": ["space-reader"]})));
    assert!(jwt(&minted).len() <= 6144);

    story.bound = story.effective.clone();
    let Err(TokenError::TooLarge(TokenSize { size, limit: 6144 })) = story.mint(&ring, 6144, keys.now) else {
        panic!("it must be too large")
    };
    assert_eq!(jwt(&story.mint(&ring, size, keys.now).unwrap()).len(), size, "the size that is told is the size that it has");
}

#[test]
fn the_size_guard_is_exact_for_every_algorithm() {
    for algorithm in ALGORITHMS {
        let keys = Keys::none_yet();
        let ring = keys.open(algorithm).unwrap();
        let story = Story::of_ci();
        let size = jwt(&story.mint(&ring, 6144, keys.now).unwrap()).len();
        let scope = |limit| decode(jwt(&story.mint(&ring, limit, keys.now).unwrap())).unwrap().claims["roles_scope"].clone();
        assert_eq!((scope(size), scope(size - 1)), (json!("effective"), json!("bound")));
    }
}

#[test]
fn the_first_key_is_made_with_its_directory_and_for_its_owner_alone() {
    let keys = Keys::none_yet();
    let kid = keys.ring().current_kid().to_owned();
    assert_eq!(fs::metadata(keys.path()).unwrap().mode() & 0o777, 0o700);
    for entry in fs::read_dir(keys.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
    assert_eq!(keys.pem_files(), [keys.path().join(format!("{kid}.pem"))]);
    assert_eq!(keys.ring().current_kid(), kid, "it is there to stay");
}

#[test]
fn many_that_make_the_first_key_at_once_agree_on_one() {
    let keys = Keys::none_yet();
    let kids: BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| keys.ring().current_kid().to_owned())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(kids.len(), 1);
    assert_eq!(keys.pem_files().len(), 1);
}

#[test]
fn one_key_from_elsewhere_needs_no_ring() {
    for made_by in
        ["ec.generate_private_key(ec.SECP256R1())", "ed25519.Ed25519PrivateKey.generate()", "rsa.generate_private_key(65537, 3072)"]
    {
        let keys = Keys::none_yet();
        fs::create_dir(keys.path()).unwrap();
        let script = format!(
            "from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa\n\
             from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat\n\
             print({made_by}.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())"
        );
        let made = Command::new(pyjwt::python()).args(["-c", &script]).output().unwrap();
        assert!(made.status.success());
        write_key(&keys.path().join("tls.pem"), &made.stdout, 0o440);

        let algorithm = ALGORITHMS.into_iter().find(|algorithm| keys.open(*algorithm).is_ok()).expect("one of the algorithms fits");
        let ring = keys.open(algorithm).unwrap();
        assert_eq!(ring.states(), [(Current, 1), (Next, 0), (Retiring, 0)]);
        let minted = Story::of_ci().mint(&ring, 6144, keys.now).unwrap();
        verify(jwt(&minted), &ring.jwks().to_string(), ISSUER, AUDIENCE, keys.now).unwrap();
        assert_eq!(fs::read_dir(keys.path()).unwrap().count(), 1, "nothing is written where nothing is needed");
    }
}

fn write_key(path: &Path, pem: &[u8], mode: u32) {
    fs::write(path, pem).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let keys = Keys::none_yet();
    drop(keys.ring());
    let file = keys.pem_files().remove(0);
    for mode in [0o644, 0o604, 0o602] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let said = told(keys.open(TokenAlgorithm::Es256));
        assert!(said.contains(&format!("mode {mode:04o}")) && said.contains("chmod 0600") && said.contains("defaultMode"), "{said}");
    }
    // What the kubelet makes of the files of a volume with fsGroup, at every mount.
    for mode in [0o600, 0o400, 0o440, 0o640, 0o660] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        assert!(keys.open(TokenAlgorithm::Es256).is_ok(), "{mode:o}");
    }
}

#[test]
fn headers_beside_a_token_say_what_it_says_and_count_as_a_part_of_it() {
    let (keys, story) = (Keys::none_yet(), Story::of_ci());
    let ring = keys.ring();
    let named =
        [("x-sub", ClaimName::Subject), ("x-groups", ClaimName::Groups), ("x-roles", ClaimName::Roles), ("x-scope", ClaimName::RolesScope)];
    let headers: Vec<_> = named.map(|(name, claim)| TokenHeader { name: http::HeaderName::from_static(name), claim }).into();
    let mint = |max_bytes| {
        let settings = TokenSettings { headers: headers.clone(), ..settings(max_bytes) };
        Minter::new(&settings).mint(&ring, &story.subject(), keys.now)
    };
    let said = |minted: &Minted| minted.headers.iter().map(|(_, value)| value.to_str().unwrap().to_owned()).collect::<Vec<_>>();

    let minted = mint(6144).unwrap();
    let subject = format!("api::{}", KeyId::new(1_700_000_000_000, 7));
    assert_eq!(said(&minted), [subject.as_str(), "platform", "production:deployer,root:space-reader", "effective"]);

    let token = minted.header.len() - "Bearer ".len();
    let whole = token + minted.headers.size();
    assert_eq!(said(&mint(whole).unwrap()), said(&minted));
    assert_eq!(said(&mint(whole - 1).unwrap()), [subject.as_str(), "platform", "root:space-reader", "bound"]);
    assert!(story.mint(&ring, token, keys.now).is_ok(), "without headers the token has room");
    let Err(TokenError::TooLarge(TokenSize { size, limit: 512 })) = mint(512) else { panic!("it has no room") };
    assert!(story.mint(&ring, size, keys.now).is_ok() && size > 512);
}

#[test]
fn a_directory_that_anybody_may_write_to_is_refused() {
    let keys = Keys::none_yet();
    drop(keys.ring());
    fs::set_permissions(keys.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(told(keys.open(TokenAlgorithm::Es256)).contains("mode 0777"));
    // As a secret is mounted in Kubernetes.
    fs::set_permissions(keys.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(keys.open(TokenAlgorithm::Es256).is_ok());
}

#[test]
fn a_secret_that_kubernetes_swaps_by_a_link_is_read_once() {
    let keys = Keys::none_yet();
    drop(keys.ring());
    let file = keys.pem_files().remove(0);
    let name = file.file_name().unwrap().to_owned();
    let data = keys.path().join("..2026_01_02");
    fs::create_dir(&data).unwrap();
    fs::rename(&file, data.join(&name)).unwrap();
    std::os::unix::fs::symlink("..2026_01_02", keys.path().join("..data")).unwrap();
    std::os::unix::fs::symlink(Path::new("..data").join(&name), &file).unwrap();
    assert_eq!(keys.ring().states(), [(Current, 1), (Next, 0), (Retiring, 0)]);
}

#[test]
fn what_cannot_be_a_ring_is_refused_with_the_place() {
    let garbled = Keys::none_yet();
    drop(garbled.ring());
    write_key(&garbled.pem_files()[0], b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600);
    assert!(told(garbled.open(TokenAlgorithm::Es256)).contains(".pem: it is neither"));

    let unread = Keys::none_yet();
    drop(unread.ring());
    fs::write(unread.path().join("ring.toml"), "actve = 'x'").unwrap();
    assert!(told(unread.open(TokenAlgorithm::Es256)).contains("ring.toml is not a ring: unknown field `actve`"));

    let gone = Keys::none_yet();
    drop(gone.ring());
    fs::remove_file(&gone.pem_files()[0]).unwrap();
    assert!(told(gone.open(TokenAlgorithm::Es256)).contains("holds no key, but its ring.toml names"));
    assert_eq!(gone.pem_files().len(), 0, "no key is made up in its place");

    let twice = Keys::none_yet();
    drop(twice.ring());
    write_key(&twice.path().join("copy.pem"), &fs::read(&twice.pem_files()[0]).unwrap(), 0o600);
    assert!(told(twice.open(TokenAlgorithm::Es256)).contains("hold the same key"));

    let file = Keys::none_yet();
    fs::write(file.path(), "").unwrap();
    assert!(told(file.open(TokenAlgorithm::Es256)).contains("keys"));
}

#[test]
fn several_keys_without_a_ring_wait_for_a_word() {
    let keys = Keys::none_yet();
    let first = keys.ring().current_kid().to_owned();
    keys.directory().publish(TokenAlgorithm::Es256, keys.now).unwrap();
    fs::remove_file(keys.path().join("ring.toml")).unwrap();
    assert!(told(keys.open(TokenAlgorithm::Es256)).contains("claviger token keys activate"));
    assert!(told(keys.directory().publish(TokenAlgorithm::Es256, keys.now)).contains("claviger token keys activate"));

    keys.directory().activate(&first, Activate::AtOnce, TTL, keys.now).unwrap();
    assert_eq!((keys.ring().current_kid(), keys.ring().states()), (first.as_str(), [(Current, 1), (Next, 1), (Retiring, 0)]));
}

#[test]
fn over_a_roll_every_living_token_verifies() {
    let mut keys = Keys::none_yet();
    let before = keys.ring();
    let old = Story::of_ci().mint(&before, 6144, keys.now).unwrap();

    let next = keys.directory().publish(TokenAlgorithm::Es256, keys.now).unwrap();
    let published = keys.ring();
    assert_eq!(published.current_kid(), before.current_kid(), "it is known before it signs");
    assert!(published.publishes(&next));
    assert_eq!(published.states(), [(Current, 1), (Next, 1), (Retiring, 0)]);
    assert!(told(keys.directory().publish(TokenAlgorithm::Es256, keys.now)).contains("there is a next key already"));

    keys.directory().activate(&next, Activate::AtOnce, TTL, keys.now).unwrap();
    let rolled = keys.ring();
    let new = Story::of_ci().mint(&rolled, 6144, keys.now).unwrap();
    assert_eq!((rolled.current_kid(), &*new.kid), (next.as_str(), next.as_str()));
    assert_eq!(rolled.states(), [(Current, 1), (Next, 0), (Retiring, 1)]);
    for token in [&old, &new] {
        verify(jwt(token), &rolled.jwks().to_string(), ISSUER, AUDIENCE, keys.now).unwrap();
    }
    assert!(told(keys.directory().retire(&old.kid, Withdraw::WhenQuiet, keys.now)).contains("may live until"));
    assert!(told(keys.directory().retire(&next, Withdraw::AtOnce, keys.now)).contains("activate another one first"));

    let quiet = rolled.stale_at().unwrap();
    assert!(quiet > old.expires_at);
    keys.later(TTL + Duration::from_hours(1));
    let later = keys.ring();
    assert!(!later.publishes(&old.kid) && later.stale_at().is_none());
    let jwks = later.jwks().to_string();
    assert_eq!(verify(jwt(&old), &jwks, ISSUER, AUDIENCE, old.issued_at), Err(VerifyError::UnknownKey(old.kid.to_string())));
    assert!(told(keys.directory().activate(&old.kid, Activate::WhenKnown, TTL, keys.now)).contains("publish a new one"));

    keys.directory().retire(&old.kid, Withdraw::WhenQuiet, keys.now).unwrap();
    let left: Vec<_> = keys.directory().list(keys.now).unwrap().into_iter().map(|key| (key.kid, key.standing)).collect();
    assert!(matches!(left.as_slice(), [(kid, KeyStanding::Current { .. })] if *kid == next), "{left:?}");
}

#[test]
fn a_key_is_published_for_as_long_as_the_lifetime_of_its_tokens_now_says() {
    let mut keys = Keys::none_yet();
    let old = keys.ring().current_kid().to_owned();
    let next = keys.directory().publish(TokenAlgorithm::Es256, keys.now).unwrap();
    keys.directory().activate(&next, Activate::AtOnce, Duration::from_secs(1), keys.now).unwrap();
    keys.later(Duration::from_mins(10));
    let open = |ttl| KeyRing::open(&TokenSettings { ttl, ..keys.settings(TokenAlgorithm::Es256) }, keys.now).unwrap();
    assert!(!open(TTL).publishes(&old));
    assert!(open(Duration::from_mins(15)).publishes(&old));
}

#[test]
fn a_key_is_activated_when_every_verifier_can_know_it() {
    let mut keys = Keys::none_yet();
    let old = keys.ring().current_kid().to_owned();
    let next = keys.directory().publish(TokenAlgorithm::Es256, keys.now).unwrap();
    let standing = |keys: &Keys| keys.directory().list(keys.now).unwrap().into_iter().find(|key| key.kid == next).unwrap().standing;
    let KeyStanding::Next { published_at, may_sign_from } = standing(&keys) else { panic!("it is only published") };
    assert!(published_at <= keys.now && keys.now < may_sign_from, "{published_at} {may_sign_from}");

    let said = told(keys.directory().activate(&next, Activate::WhenKnown, TTL, keys.now));
    assert!(said.contains(&format!("before {may_sign_from:.0}")), "{said}");
    assert_eq!(keys.ring().current_kid(), old);

    keys.now = may_sign_from;
    keys.directory().activate(&next, Activate::WhenKnown, TTL, keys.now).unwrap();
    assert!(matches!(standing(&keys), KeyStanding::Current { .. }));
    assert_eq!(keys.ring().current_kid(), next);
}

#[test]
fn a_key_that_was_put_there_by_hand_counts_from_when_its_file_was() {
    let mut keys = Keys::none_yet();
    let elsewhere = Keys::none_yet();
    let (old, next) = (keys.ring().current_kid().to_owned(), elsewhere.ring().current_kid().to_owned());
    // The file's time is the machine's.
    keys.now = claviger::clock::Clock::now(&claviger::clock::SystemClock::start()).wall;
    fs::copy(&elsewhere.pem_files()[0], keys.path().join("by-hand.pem")).unwrap();
    assert!(told(keys.directory().activate(&next, Activate::WhenKnown, TTL, keys.now)).contains("was published at"));
    keys.later(Duration::from_mins(11));
    keys.directory().activate(&next, Activate::WhenKnown, TTL, keys.now).unwrap();
    assert_ne!(keys.ring().current_kid(), old);
}

#[test]
fn the_configuration_names_the_key_that_signs_where_the_directory_is_read_only() {
    let keys = Keys::none_yet();
    let first = keys.ring().current_kid().to_owned();
    let second = keys.directory().publish(TokenAlgorithm::Es256, keys.now).unwrap();
    let named = |kid: &str| TokenSettings { active: Some(kid.to_owned()), ..keys.settings(TokenAlgorithm::Es256) };
    let said = told(KeyRing::open(&named(&second), keys.now));
    assert!(said.contains("token.active names") && said.contains(&first), "two that differ are not guessed between: {said}");

    fs::remove_file(keys.path().join("ring.toml")).unwrap();
    for kid in [&first, &second] {
        let ring = KeyRing::open(&named(kid), keys.now).unwrap();
        assert_eq!((ring.current_kid(), ring.publishes(&first), ring.publishes(&second)), (kid.as_str(), true, true));
    }
    let directory = KeyDirectory::of(&named(&first));
    let refused = [
        told(directory.activate(&second, Activate::AtOnce, TTL, keys.now)),
        told(directory.publish(TokenAlgorithm::Es256, keys.now)),
        told(directory.retire(&second, Withdraw::AtOnce, keys.now)),
    ];
    assert!(refused.iter().all(|said| said.contains("token.active")), "{refused:?}");
    assert!(!keys.path().join("ring.toml").exists(), "else another token.active would be a fault");
    let said = told(KeyRing::open(&named("uvDSEwUkZoFtLBPmbkHp6KcbJEBgCVtBkEW8ZyE2KoE"), keys.now));
    assert!(said.contains("that is to sign is not in"), "{said}");
}

#[test]
fn a_token_is_of_the_type_and_as_old_as_its_verifiers_need_it() {
    let keys = Keys::none_yet();
    let settings = TokenSettings { typ: TokenType::Jwt, backdate: Duration::from_secs(5), ..keys.settings(TokenAlgorithm::Es256) };
    let ring = KeyRing::open(&settings, keys.now).unwrap();
    let story = Story::of_ci();
    let minted = Minter::new(&settings).mint(&ring, &story.subject(), keys.now).unwrap();
    let (token, jwks) = (jwt(&minted), ring.jwks().to_string());

    let behind = keys.now - Duration::from_secs(5);
    let read = verify_as(TokenType::Jwt, token, &jwks, ISSUER, AUDIENCE, behind).unwrap();
    assert_eq!(read.header["typ"], "JWT");
    let second = keys.now.as_second();
    assert_eq!([&read.claims["iat"], &read.claims["nbf"], &read.claims["exp"]], [second - 5, second - 5, second + 60]);
    assert!(matches!(verify(token, &jwks, ISSUER, AUDIENCE, behind), Err(VerifyError::Header(_))), "it is no access token by RFC 9068");
}

#[test]
fn a_pipe_is_neither_a_key_nor_a_ring_and_nobody_waits_for_its_other_end() {
    let keys = Keys::none_yet();
    drop(keys.ring());
    for name in ["next.pem", "ring.toml"] {
        let path = keys.path().join(name);
        let _there = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(told(keys.open(TokenAlgorithm::Es256)).contains("it is not a file"), "{name}");
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_withdrawn_key_is_gone_at_once() {
    let keys = Keys::none_yet();
    let old = keys.ring().current_kid().to_owned();
    let next = keys.directory().publish(TokenAlgorithm::Es256, keys.now).unwrap();
    keys.directory().activate(&next, Activate::AtOnce, TTL, keys.now).unwrap();
    keys.directory().retire(&old, Withdraw::AtOnce, keys.now).unwrap();
    assert!(!keys.ring().publishes(&old));
    assert_eq!(keys.pem_files(), [keys.path().join(format!("{next}.pem"))]);
}

#[test]
fn nobody_ever_reads_half_a_roll() {
    let keys = Keys::none_yet();
    drop(keys.ring());
    let rolling = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while rolling.load(std::sync::atomic::Ordering::Relaxed) {
                        let ring = keys.ring();
                        assert!(ring.publishes(ring.current_kid()));
                    }
                })
            })
            .collect();
        for _ in 0..30 {
            let old = keys.ring().current_kid().to_owned();
            let next = keys.directory().publish(TokenAlgorithm::Es256, keys.now).unwrap();
            keys.directory().activate(&next, Activate::AtOnce, TTL, keys.now).unwrap();
            keys.directory().retire(&old, Withdraw::AtOnce, keys.now).unwrap();
        }
        rolling.store(false, std::sync::atomic::Ordering::Relaxed);
        for reader in readers {
            reader.join().expect("a reader finds the old ring or the new one");
        }
    });
}

#[test]
fn a_link_to_nothing_is_not_taken_for_an_empty_directory() {
    let keys = Keys::none_yet();
    fs::create_dir(keys.path()).unwrap();
    std::os::unix::fs::symlink("..data/tls.pem", keys.path().join("tls.pem")).unwrap();
    assert!(told(keys.open(TokenAlgorithm::Es256)).contains("tls.pem cannot be read"));
    assert_eq!(fs::read_dir(keys.path()).unwrap().count(), 1, "no key is made in its place");
}

#[test]
fn a_roll_can_be_taken_back() {
    let keys = Keys::none_yet();
    let old = keys.ring().current_kid().to_owned();
    let next = keys.directory().publish(TokenAlgorithm::Es256, keys.now).unwrap();
    keys.directory().activate(&next, Activate::AtOnce, TTL, keys.now).unwrap();
    keys.directory().activate(&old, Activate::AtOnce, TTL, keys.now).unwrap();
    assert_eq!((keys.ring().current_kid(), keys.ring().publishes(&next)), (old.as_str(), true));
    assert_eq!(keys.ring().states(), [(Current, 1), (Next, 0), (Retiring, 1)]);
}

#[test]
fn the_key_that_signs_must_be_for_the_algorithm_that_is_set() {
    let keys = Keys::none_yet();
    drop(keys.ring());
    let said = told(keys.open(TokenAlgorithm::EdDsa));
    assert!(said.contains("is for ES256, but token.algorithm is EdDSA"), "{said}");

    let next = keys.directory().publish(TokenAlgorithm::EdDsa, keys.now).unwrap();
    assert!(keys.open(TokenAlgorithm::Es256).is_ok(), "others may differ");
    keys.directory().activate(&next, Activate::AtOnce, TTL, keys.now).unwrap();
    let ring = keys.open(TokenAlgorithm::EdDsa).unwrap();
    assert_eq!((ring.algorithm(), ring.states()), (TokenAlgorithm::EdDsa, [(Current, 1), (Next, 0), (Retiring, 1)]));
}

#[test]
fn verifying_refuses_what_does_not_fit() {
    let keys = Keys::none_yet();
    let ring = keys.ring();
    let minted = Story::of_ci().mint(&ring, 6144, keys.now).unwrap();
    let (token, jwks) = (jwt(&minted), ring.jwks().to_string());
    let claim = |result| match result {
        Err(VerifyError::Claim { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(claim(verify(token, &jwks, "https://elsewhere", AUDIENCE, keys.now)), "iss");
    assert_eq!(claim(verify(token, &jwks, ISSUER, "billing-api", keys.now)), "aud");
    assert_eq!(claim(verify(token, &jwks, ISSUER, AUDIENCE, minted.expires_at)), "exp");
    assert_eq!(claim(verify(token, &jwks, ISSUER, AUDIENCE, minted.issued_at - Duration::from_secs(1))), "nbf");

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let swap = |text: &str| text.chars().map(|character| if character == 'A' { 'B' } else { 'A' }).collect::<String>();
    let forged = format!("{signed}.{}", swap(signature));
    assert_eq!(verify(&forged, &jwks, ISSUER, AUDIENCE, keys.now), Err(VerifyError::Signature));

    let with_header = |header: &serde_json::Value| format!("{}.{payload}.{signature}", base64url(header.to_string().as_bytes()));
    let kid = ring.current_kid();
    for (alg, typ, kid) in [("none", "at+jwt", kid), ("HS256", "at+jwt", kid), ("EdDSA", "at+jwt", kid), ("ES256", "JWT", kid)] {
        let token = with_header(&json!({"alg": alg, "typ": typ, "kid": kid}));
        assert!(matches!(verify(&token, &jwks, ISSUER, AUDIENCE, keys.now), Err(VerifyError::Header(_))), "{alg} {typ}");
    }
    for kid in ["", "../../etc/passwd", "other"] {
        let token = with_header(&json!({"alg": "ES256", "typ": "at+jwt", "kid": kid}));
        assert_eq!(verify(&token, &jwks, ISSUER, AUDIENCE, keys.now), Err(VerifyError::UnknownKey(kid.to_owned())));
    }
    for text in ["", ".", "..", "a.b", "a.b.c.d", &format!("{header}.!.{signature}")] {
        assert!(matches!(verify(text, &jwks, ISSUER, AUDIENCE, keys.now), Err(VerifyError::Malformed(_))), "{text}");
    }
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn a_token_without_numbers_for_times_is_refused() {
    // Signed well, so that it is the claim that is refused and not the signature.
    let keys = Keys::none_yet();
    let ring = keys.ring();
    let pem = fs::read_to_string(&keys.pem_files()[0]).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = jsonwebtoken::EncodingKey::from_ec_der(&base64::Engine::decode(&base64::prelude::BASE64_STANDARD, body).unwrap());
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(ring.current_kid().to_owned());
    for (name, value) in [("exp", json!("never")), ("exp", json!(null)), ("nbf", json!("always"))] {
        let mut claims = json!({"iss": ISSUER, "aud": [AUDIENCE], "exp": keys.now.as_second() + 60});
        claims[name] = value;
        let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let refused = verify(&token, &ring.jwks().to_string(), ISSUER, AUDIENCE, keys.now);
        assert!(matches!(&refused, Err(VerifyError::Claim { name: claim, .. }) if *claim == name), "{refused:?}");
    }
}

#[test]
fn an_independent_library_verifies_by_the_jwks_alone() {
    for algorithm in ALGORITHMS {
        let keys = Keys::none_yet();
        // The library reads the machine's clock.
        let now = claviger::clock::Clock::now(&claviger::clock::SystemClock::start()).wall;
        let open = || KeyRing::open(&keys.settings(algorithm), now).unwrap();
        let old = Story::of_ci().mint(&open(), 6144, now).unwrap();
        let next = keys.directory().publish(algorithm, now).unwrap();
        keys.directory().activate(&next, Activate::AtOnce, TTL, now).unwrap();
        let ring = open();
        let new = Story::of_ci().mint(&ring, 6144, now).unwrap();

        let question = json!({
            "jwks": ring.jwks(), "issuer": ISSUER, "audience": AUDIENCE, "algorithm": ring.algorithm().as_str(), "tokens": [jwt(&old), jwt(&new)],
        });
        let claims = pyjwt::verify(&question).unwrap_or_else(|why| panic!("PyJWT refuses what was signed with {algorithm:?}: {why}"));
        let ours: Vec<_> = [&old, &new].map(|token| decode(jwt(token)).unwrap().claims).into();
        assert_eq!(claims, ours);
    }
}
