//! A certificate authority of its own, made at start, that vouches for whatever name a client asks for.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// The name given to clients that ask for none, as those that dial an address do.
const DEFAULT_NAME: &str = "127.0.0.1";
/// Names kept at most; then they are made anew.
const NAMES_MAX: usize = 1_000;

/// Signs certificates on demand. A client that trusts [`pem`](Self::pem) trusts every name it serves.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority with keys of its own.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub fn new() -> anyhow::Result<Arc<Self>> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "Test authority, trust it in tests alone");
        let key = KeyPair::generate().context("could not make the authority's key")?;
        let issuer = CertifiedIssuer::self_signed(params, key)
            .context("could not make the authority's certificate")?;
        Ok(Arc::new(Self {
            issuer,
            made: Mutex::default(),
        }))
    }

    /// The authority's certificate, for a browser's profile or a client's list of roots.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's certificate in binary form.
    pub fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    /// Takes TLS connections under any name; they speak HTTP/1.1 inside.
    ///
    /// # Errors
    /// Never for the protocol versions built in.
    pub fn acceptor(self: &Arc<Self>) -> anyhow::Result<TlsAcceptor> {
        let names: Arc<dyn ResolvesServerCert> = Arc::new(Names(Arc::clone(self)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("no version of TLS is built in")?
            .with_no_client_auth()
            .with_cert_resolver(names);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn certificate(&self, name: &str) -> anyhow::Result<Arc<CertifiedKey>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = made.get(name) {
            return Ok(Arc::clone(found));
        }
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec![name.to_owned()])?.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain = vec![certificate.der().clone(), self.issuer.der().clone()];
        let certified = Arc::new(CertifiedKey::new(chain, ring::sign::any_supported_type(&key)?));
        if made.len() >= NAMES_MAX {
            made.clear();
        }
        made.insert(name.to_owned(), Arc::clone(&certified));
        Ok(certified)
    }
}

#[derive(Debug)]
struct Names(Arc<Authority>);

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Without a certificate the handshake fails, which the client reports.
        self.0
            .certificate(hello.server_name().unwrap_or(DEFAULT_NAME))
            .ok()
    }
}
