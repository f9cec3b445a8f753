//! A certificate and its key, as two files hold them: read, held against each other, and found fault with.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::OFlags;
use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::flaw::Flaw;
use crate::config::TlsPair;
use crate::diagnostics::{Diagnostic, Place};

/// Longer files are no certificates.
const LONGEST_FILE: u64 = 1 << 20;

/// A certificate and its key, fit to be shown.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) certificate: Certificate,
    /// When the first of its chain ends: without that one the others prove nothing.
    pub(super) not_after: Timestamp,
    /// Why it may be refused all the same.
    pub(super) flaws: Vec<Flaw>,
}

/// Who looks at a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// By its names they know whom they have reached.
    ToClients,
    ToTheUpstream,
}

impl Pair {
    /// Reads a pair as it is to be shown at this time. `key`: the configuration's key of it.
    pub(super) fn read(
        files: &TlsPair,
        key: &str,
        provider: &CryptoProvider,
        now: Timestamp,
        shown: Shown,
    ) -> Result<Self, Box<Diagnostic>> {
        let of_cert = |reason: String| about(&files.cert, &format!("{key}.cert"), reason);
        let of_key = |reason: String| about(&files.key, &format!("{key}.key"), reason);

        let chain = read_certificates(&files.cert).map_err(of_cert)?;
        let read: Option<Vec<Certificate>> = chain.iter().map(|certificate| Certificate::read(certificate)).collect();
        let read = read.ok_or_else(|| of_cert("a certificate in it cannot be understood".to_owned()))?;
        let not_after = read.iter().map(|certificate| certificate.not_after).min().unwrap_or(Timestamp::MIN);
        let Some(certificate) = read.into_iter().next() else {
            return Err(of_cert("there is no certificate in it".to_owned()));
        };

        let text = read_file(&files.key).map_err(of_key)?;
        let private = PrivateKeyDer::from_pem_slice(&text).map_err(|_| of_key(no_key(&text)))?;
        let signing = provider.key_provider.load_private_key(private);
        let signing = signing.map_err(|error| of_key(format!("its key cannot be used: {error}")))?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                let cert = files.cert.display();
                let fault = of_key(format!("this is not the key of the certificate in {cert}"));
                return Err(Box::new(fault.suggest("put the two that belong together there")));
            }
            Err(error) => return Err(of_cert(format!("the certificate cannot be used: {error}"))),
        }
        let flaws = flaws(&certificate, not_after, now, shown).into_iter();
        let flaws = flaws.map(|(out_of_time, reason)| Flaw { out_of_time, diagnostic: *of_cert(reason) }).collect();
        Ok(Self { certified: Arc::new(certified), certificate, not_after, flaws })
    }
}

/// Why clients may refuse it, and whether that is a matter of time.
fn flaws(certificate: &Certificate, not_after: Timestamp, now: Timestamp, shown: Shown) -> Vec<(bool, String)> {
    let mut flaws = Vec::new();
    if now >= certificate.not_after {
        flaws.push((true, format!("the certificate has expired: it ended at {}", certificate.not_after)));
    } else if now >= not_after {
        flaws.push((true, format!("a certificate of the chain has expired: it ended at {not_after}")));
    }
    if now < certificate.not_before {
        flaws.push((true, format!("the certificate is not valid yet: it begins at {}", certificate.not_before)));
    }
    if shown == Shown::ToClients && !certificate.has_names {
        flaws.push((
            false,
            "the certificate is for no name: it has no subject alternative name, and clients look at nothing else".to_owned(),
        ));
    }
    flaws.extend(certificate.weakness.iter().map(|weakness| (false, weakness.clone())));
    flaws
}

/// What is wrong with a file of the configuration's key.
pub(super) fn about(file: &Path, key: &str, reason: String) -> Box<Diagnostic> {
    Box::new(Diagnostic { key: Some(key.to_owned()), ..Diagnostic::error(Place::whole(file), reason) })
}

/// All certificates of a PEM file, of which there is at least one; or why not.
pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read_file(file)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err("there is no certificate in it: PEM is wanted, `-----BEGIN CERTIFICATE-----`".to_owned())
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("it is not sound PEM: {error}")),
    }
}

fn read_file(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let read = || {
        let mut text = Zeroizing::new(Vec::new());
        open(file)?.take(LONGEST_FILE + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LONGEST_FILE { Err(io::Error::other("it is longer than 1 MiB")) } else { Ok(text) }
    };
    read().map_err(|error: io::Error| format!("cannot be read: {error}"))
}

/// Opens a regular file. Of a pipe, nobody waits for the other end.
fn open(file: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")) }
}

/// Why there is no key to be found.
fn no_key(text: &[u8]) -> String {
    let holds = |needle: &str| text.windows(needle.len()).any(|window| window == needle.as_bytes());
    if holds("-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds("Proc-Type: 4,ENCRYPTED") {
        "its key is encrypted, and there is nobody to ask for the word: store it as it is, in a file that nobody else can read".to_owned()
    } else {
        "there is no key in it: PEM is wanted, `-----BEGIN PRIVATE KEY-----`".to_owned()
    }
}
