//! Alarms and heartbeat over HTTPS, against a real TLS server: whose certificate is believed, and what is said of one that
//! is not.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rig::{Chapter, Daemon, FarPlan, Ground, Receiver, Row, of_kind, record, until};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// When a certificate is valid, as OpenSSL wants it.
const NOW: [&str; 2] = ["20200101000000Z", "20990101000000Z"];
const LONG_AGO: [&str; 2] = ["20200101000000Z", "20200201000000Z"];
const SOME_DAY: [&str; 2] = ["20980101000000Z", "20990101000000Z"];

/// An authority that issues certificates, made by OpenSSL.
struct Authority(TempDir);

impl Authority {
    fn new(name: &str) -> Authority {
        let authority = Authority(TempDir::with_prefix("sluse-authority-").unwrap());
        let config = "[ca]\ndefault_ca = of\n[of]\ndatabase = index\nunique_subject = no\nnew_certs_dir = .\npolicy = any\n\
                      rand_serial = yes\ndefault_md = sha256\n[any]\ncommonName = supplied\n[req]\n\
                      distinguished_name = any\n";
        fs::write(authority.path("config"), config).unwrap();
        fs::write(authority.path("index"), "").unwrap();
        let subject = format!("/CN={name}");
        let ca = ["-x509", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", &subject];
        authority.openssl("req", &[&["-newkey", "rsa:2048", "-nodes"], &ca[..]].concat());
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, verb: &str, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        let done =
            command.current_dir(self.0.path()).args([verb, "-config", "config"]).args(arguments).output().unwrap();
        assert!(done.status.success(), "{verb}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// An HTTPS server with a certificate for this name and time.
    fn server(&self, name: &str, [from, to]: [&str; 2]) -> Receiver {
        fs::write(self.path("extensions"), format!("subjectAltName = DNS:{name}\n")).unwrap();
        let subject = format!("/CN={name}");
        let request = ["-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "request", "-subj", &subject];
        self.openssl("req", &request);
        let issue = ["-batch", "-notext", "-cert", "ca.pem", "-keyfile", "ca.key", "-extfile", "extensions"];
        self.openssl(
            "ca",
            &[&issue[..], &["-in", "request", "-out", "pem", "-startdate", from, "-enddate", to]].concat(),
        );
        let config = Arc::new(tls(&self.path("pem"), &self.path("key")));
        let greet = move |stream| Some(StreamOwned::new(ServerConnection::new(config.clone()).ok()?, stream));
        Receiver::behind("https", &[], greet)
    }
}

fn tls(certificate: &Path, key: &Path) -> ServerConfig {
    let certificates = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    config.with_single_cert(certificates, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
}

/// Has the daemon read the settings that the ground has now, and look at once for what is the matter.
fn reload(ground: &Ground, daemon: &Daemon) {
    ground.write_settings();
    let times = || daemon.log().matches("settings read again and in force").count();
    let before = times();
    daemon.reload();
    until("the settings to be in force", || (times() > before).then_some(()));
}

#[test]
fn a_certificate_is_believed_if_this_machine_trusts_its_issuer_and_each_other_one_is_refused_with_its_reason() {
    // Given a machine that trusts one authority; a heart and a webhook with its certificates
    let (trusted, stranger) = (Authority::new("A municipality"), Authority::new("A stranger"));
    let [heart, webhook] = [(); 2].map(|()| trusted.server("localhost", NOW));
    let mut ground = Ground::lay(&["0751"], FarPlan { hub: false, ..FarPlan::default() });
    let alarm = |heart: &Receiver| {
        let (webhook, heart) = (webhook.address(), heart.address());
        format!("[alarm]\nwebhook = \"{webhook}\"\nheartbeat = \"{heart}\"\nheartbeat_every = \"1s\"\n")
    };
    ground.replace_settings(&alarm(&heart));
    let trust = trusted.path("ca.pem").display().to_string();
    let mut daemon = ground.start_with(&[("SSL_CERT_FILE", trust)]);

    // Then the heart beats
    until("two beats", || (heart.requests() >= 2).then_some(()));
    assert_eq!(heart.first_line(0), "GET /hunter2 HTTP/1.1");

    // When the heart shows a certificate that cannot be believed, then nothing is told to it, and the reason is said
    let refused = [
        (stranger.server("localhost", NOW), "its certificate was issued by nobody whom this machine trusts"),
        (trusted.server("localhost", LONG_AGO), "its certificate has expired"),
        (trusted.server("localhost", SOME_DAY), "its certificate is not valid yet"),
        (trusted.server("alarm.example", NOW), "its certificate is for another name than that in the address"),
    ];
    for (server, why) in &refused {
        ground.replace_settings(&alarm(server));
        reload(&ground, &daemon);
        daemon.until_said(why);
        assert_eq!(server.requests(), 0, "{why}");
    }

    // And the webhook, which can be believed, is told of that
    reload(&ground, &daemon);
    let notice = until("the alarm", || of_kind(&webhook.notices(), "receiver").first().map(|notice| (*notice).clone()));
    assert!(notice["text"].as_str().unwrap().contains(refused[3].1), "{notice}");
    assert!(!daemon.log().contains("hunter2"), "the address may be a secret");
    let outcome = "nothing is told to it, and the log and the other receiver say why";
    record(&Row { tried: 4, ..Row::once(Chapter::Processes, "a heartbeat's certificate cannot be trusted", outcome) });
}
