//! Fetches a key set over HTTP: one GET, limited in time, bytes and redirects.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::cache::FetchFault;
use super::endpoint::Endpoint;
use super::{JWKS_BYTES_MAX, KeySet};

/// All of a fetch, from the name's address to the last byte: a client that waits for a key gives up
/// after five seconds.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Redirects that are followed.
const REDIRECTS_MAX: u32 = 3;

/// Fetches from one endpoint.
pub(super) struct Client {
    agent: Agent,
    endpoint: Endpoint,
}

impl Client {
    /// Trusts servers whose certificates these have signed.
    pub(super) fn new(endpoint: Endpoint, roots: &[CertificateDer<'static>]) -> Self {
        let roots = roots
            .iter()
            .map(|root| Certificate::from_der(root).to_owned());
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .root_certs(RootCerts::from(roots))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .https_only(endpoint.is_encrypted())
            .timeout_global(Some(FETCH_TIMEOUT))
            .max_redirects(REDIRECTS_MAX)
            // Nothing is kept open for an hour, and no idle connection can be half dead.
            .max_idle_connections(0)
            .user_agent(concat!("fanring/", env!("CARGO_PKG_VERSION")))
            .accept("application/jwk-set+json, application/json")
            .build()
            .new_agent();
        Self { agent, endpoint }
    }

    /// One fetch.
    pub(super) fn fetch(&self) -> Result<KeySet, FetchFault> {
        let transport = |error: ureq::Error| FetchFault::Transport(error.to_string());
        let mut response = self
            .agent
            .get(self.endpoint.url())
            .call()
            .map_err(transport)?;
        let body = response.body_mut().with_config();
        let body = body.limit(JWKS_BYTES_MAX as u64).read_to_vec();
        Ok(KeySet::parse(&body.map_err(transport)?)?)
    }
}
