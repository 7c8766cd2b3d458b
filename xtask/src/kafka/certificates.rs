//! Keys and certificates of a cluster, as PEM files in its folder: made anew for each, and gone with it.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use super::{IoContext, Result};

/// The files. All keys are of curve P-256, in PKCS #8.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    /// The certificate of the authority that vouches for the brokers and the client.
    pub(crate) ca: PathBuf,
    /// What brokers show, for `localhost` and 127.0.0.1, behind its key: one file, as Kafka wants it.
    pub(crate) broker: PathBuf,
    /// The same, of a certificate that ran out long ago.
    pub(crate) expired: PathBuf,
    /// What a client may show, for the name `client`.
    pub(crate) client: PathBuf,
    /// Its key.
    pub(crate) client_key: PathBuf,
    /// The certificate of an authority that vouches for nobody here but the stranger.
    pub(crate) other_ca: PathBuf,
    /// A client certificate that brokers refuse.
    pub(crate) stranger: PathBuf,
    /// Its key.
    pub(crate) stranger_key: PathBuf,
}

type Authority = Issuer<'static, KeyPair>;

impl Certificates {
    /// The paths of the files of the cluster in `directory`.
    pub(crate) fn below(directory: &Path) -> Self {
        let file = |name: &str| directory.join("tls").join(name);
        Self {
            ca: file("ca.pem"),
            broker: file("broker.pem"),
            expired: file("expired.pem"),
            client: file("client.pem"),
            client_key: file("client-key.pem"),
            other_ca: file("other-ca.pem"),
            stranger: file("stranger.pem"),
            stranger_key: file("stranger-key.pem"),
        }
    }

    /// Makes keys and certificates, and writes the files.
    pub(crate) fn create(&self) -> Result<()> {
        let folder = self.ca.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder).context(|| format!("create {}", folder.display()))?;
        let ca = authority("test authority", &self.ca)?;
        let other = authority("another authority", &self.other_ca)?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let (certificate, key) = issue(&ca, params("broker", &names)?, usage.clone())?;
        write(&self.broker, &[key, certificate].concat())?;
        let mut past = params("broker", &names)?;
        (past.not_before, past.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        let (certificate, key) = issue(&ca, past, usage)?;
        write(&self.expired, &[key, certificate].concat())?;
        for (name, issuer, files) in [
            ("client", &ca, [&self.client, &self.client_key]),
            ("stranger", &other, [&self.stranger, &self.stranger_key]),
        ] {
            let (certificate, key) = issue(issuer, params(name, &[])?, ExtendedKeyUsagePurpose::ClientAuth)?;
            write(files[0], &certificate)?;
            write(files[1], &key)?;
        }
        Ok(())
    }
}

/// Makes an authority and writes its certificate.
fn authority(name: &str, file: &Path) -> Result<Authority> {
    let mut params = params(name, &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate()?;
    write(file, &params.self_signed(&key)?.pem())?;
    Ok(Issuer::new(params, key))
}

/// A certificate and its key, as PEM.
fn issue(
    authority: &Authority,
    mut params: CertificateParams,
    usage: ExtendedKeyUsagePurpose,
) -> Result<(String, String)> {
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn params(name: &str, hosts: &[String]) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(hosts)?;
    // Distinct names: a chain is found by them.
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_written_and_holds_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let files = Certificates::below(folder.path());
        files.create().unwrap();
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
        for broker in [&files.broker, &files.expired].map(read) {
            assert!(broker.contains("BEGIN PRIVATE KEY") && broker.contains("BEGIN CERTIFICATE"));
        }
        for file in [&files.ca, &files.other_ca, &files.client, &files.stranger] {
            assert!(read(file).starts_with("-----BEGIN CERTIFICATE-----"), "{}", file.display());
        }
        for file in [&files.client_key, &files.stranger_key] {
            assert!(read(file).starts_with("-----BEGIN PRIVATE KEY-----"), "{}", file.display());
        }
        assert_ne!(read(&files.ca), read(&files.other_ca));
    }
}
