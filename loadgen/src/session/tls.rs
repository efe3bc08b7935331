//! TLS of one connection, without I/O: sealed bytes are given to it and taken from it.
//!
//! Each handshake is a whole one: sessions stand for different people, and share no tickets.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::mem;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::own;
use crate::session::outbox::Outbox;

/// Sealed bytes that wait for the socket, before more are made.
const SEALED_BYTES_MAX: usize = 65_536;

/// What is sealed at once, in bytes: as much as a record has (RFC 8446 section 5.1).
const RECORD_BYTES: usize = 16_384;

/// Whose certificates are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trust<'a> {
    /// Those that this machine trusts.
    System,
    /// Those signed by what is in a file.
    File(&'a Path),
    /// Anybody's.
    Anybody,
}

/// How TLS is spoken in a run.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Client {
    /// TLS towards a host.
    ///
    /// # Errors
    /// One sentence: a file that has no certificates, a name that can be none.
    pub(crate) fn new(host: &str, trust: Trust<'_>) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder
            .with_safe_default_protocol_versions()
            .context("setting up TLS")?;
        let mut config = match trust {
            Trust::Anybody => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            Trust::File(path) => builder.with_root_certificates(roots_of(path)?),
            Trust::System => builder.with_root_certificates(roots_of_system()?),
        }
        .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned());
        let name = name.with_context(|| format!("--target: {host} can't be a name in TLS"))?;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    /// TLS of a connection that is about to be made.
    pub(crate) fn connection(&self) -> Result<Tls, Error> {
        let connection = ClientConnection::new(Arc::clone(&self.config), self.name.clone())?;
        Ok(Tls {
            connection,
            sealed: Vec::new(),
            at: 0,
            taken: 0,
            steps: VecDeque::new(),
            opened: Vec::new(),
            is_last: false,
        })
    }
}

fn roots_of(path: &Path) -> anyhow::Result<RootCertStore> {
    let about = || {
        format!(
            "--ca {}: want a file of certificates in PEM",
            path.display()
        )
    };
    own::ask().with_context(about)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).with_context(about)? {
        roots
            .add(certificate.with_context(about)?)
            .with_context(about)?;
    }
    ensure!(!roots.is_empty(), "{}, and it has none", about());
    Ok(roots)
}

fn roots_of_system() -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ensure!(
        !roots.is_empty(),
        "this machine has no certificates to trust: name some with --ca, or take anybody's with --insecure"
    );
    Ok(roots)
}

/// TLS of one connection.
pub(crate) struct Tls {
    connection: ClientConnection,
    /// What is to be sent, and how much of it was.
    sealed: Vec<u8>,
    at: usize,
    /// Sealed bytes that the kernel has taken since the beginning.
    taken: u64,
    /// When so many sealed bytes are taken, the outbox is settled up to a place.
    steps: VecDeque<(u64, u64)>,
    /// Room for what came.
    opened: Vec<u8>,
    /// Nothing is to be said any more but that.
    is_last: bool,
}

impl Tls {
    /// Takes bytes as they came and gives what is in them; give it back with [`reuse`](Self::reuse).
    pub(crate) fn open(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let mut opened = mem::take(&mut self.opened);
        opened.clear();
        while !bytes.is_empty() {
            let count = self.connection.read_tls(&mut bytes).map_err(general)?;
            let state = self.connection.process_new_packets()?;
            let before = opened.len();
            opened.resize(before + state.plaintext_bytes_to_read(), 0);
            let mut reader = self.connection.reader();
            reader.read_exact(&mut opened[before..]).map_err(general)?;
            if count == 0 {
                break;
            }
        }
        Ok(opened)
    }

    /// Takes room back.
    pub(crate) fn reuse(&mut self, opened: Vec<u8>) {
        self.opened = opened;
    }

    /// Nothing is said any more after what is in the outbox.
    pub(crate) fn finish(&mut self) {
        self.is_last = true;
    }

    /// Seals what is to be sent, as far as it is not too much at once.
    pub(crate) fn seal(&mut self, outbox: &mut Outbox) {
        self.pull();
        if self.connection.is_handshaking() {
            return;
        }
        while self.unsent().len() < SEALED_BYTES_MAX && !outbox.unsent().is_empty() {
            let record = outbox.unsent();
            let record = &record[..record.len().min(RECORD_BYTES)];
            let mut writer = self.connection.writer();
            let count = writer.write(record).expect("memory takes what it can");
            let place = outbox.pass(count);
            self.pull();
            let end = self.taken + self.unsent().len() as u64;
            self.steps.push_back((end, place));
        }
        if self.is_last && outbox.unsent().is_empty() {
            self.is_last = false;
            self.connection.send_close_notify();
            self.pull();
        }
    }

    fn pull(&mut self) {
        while self.connection.wants_write() {
            let taken = self.connection.write_tls(&mut self.sealed);
            taken.expect("memory takes all");
        }
    }

    /// Sealed bytes that the kernel has not taken.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.sealed[self.at..]
    }

    /// It took so many of them: gives the place up to which the outbox is settled.
    pub(crate) fn took(&mut self, bytes: usize) -> u64 {
        self.at += bytes;
        self.taken += bytes as u64;
        if self.at == self.sealed.len() {
            self.sealed.clear();
            self.at = 0;
        }
        let mut settled = 0;
        while let Some(&(end, place)) = self.steps.front()
            && end <= self.taken
        {
            settled = place;
            self.steps.pop_front();
        }
        settled
    }
}

/// Errors of buffers, which don't fail.
fn general(error: io::Error) -> Error {
    Error::General(error.to_string())
}

/// Takes anybody's certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
