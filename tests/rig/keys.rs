//! Keys as people make them, with `ssh-keygen`.

use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    Ed25519,
    Ecdsa256,
    Ecdsa384,
    Ecdsa521,
    Rsa3072,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    OpenSsh,
    /// Not for Ed25519: OpenSSH before 9.6 cannot write it.
    Pkcs8,
    Pem,
}

/// A private key's file; the public key lies beside it, with `.pub`.
#[derive(Clone, Debug)]
pub struct KeyFile {
    pub path: PathBuf,
    pub key_type: KeyType,
}

impl KeyFile {
    /// Makes `folder/name` and `folder/name.pub`; an empty passphrase leaves it unencrypted.
    pub fn generate(folder: &Path, name: &str, key_type: KeyType, format: KeyFormat, passphrase: &str) -> Self {
        let path = folder.join(name);
        let (kind, bits) = match key_type {
            KeyType::Ed25519 => ("ed25519", "256"),
            KeyType::Ecdsa256 => ("ecdsa", "256"),
            KeyType::Ecdsa384 => ("ecdsa", "384"),
            KeyType::Ecdsa521 => ("ecdsa", "521"),
            KeyType::Rsa3072 => ("rsa", "3072"),
        };
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", "rig", "-f"]).arg(&path);
        match format {
            KeyFormat::OpenSsh => {}
            KeyFormat::Pkcs8 => drop(command.args(["-m", "PKCS8"])),
            KeyFormat::Pem => drop(command.args(["-m", "PEM"])),
        }
        let made = command.status().unwrap_or_else(|why| {
            panic!("cannot run ssh-keygen ({why}): install Debian's package openssh-client");
        });
        assert!(made.success(), "ssh-keygen made no {key_type:?} key as {format:?}");
        Self { path, key_type }
    }

    /// The line for an authorized_keys file.
    pub fn public_line(&self) -> String {
        let path = self.path.with_extension("pub");
        std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("no public key {}: {why}", path.display()))
    }

    /// `SHA256:…`, as `ssh-keygen -lf` prints it.
    pub fn fingerprint(&self) -> String {
        let printed = Command::new("ssh-keygen").arg("-lf").arg(self.path.with_extension("pub")).output();
        let line = String::from_utf8(printed.expect("ssh-keygen made the key, so it runs").stdout).unwrap();
        line.split_whitespace().nth(1).unwrap_or_else(|| panic!("ssh-keygen -lf printed {line:?}")).to_owned()
    }
}
