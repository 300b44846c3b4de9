//! Whether what the settings name is on this machine: identities, layouts, folders, and their modes.
//! Looks only; makes and changes nothing, and reads no secret's content.
//!
//! What is wrong is a mistake. What is only not there *yet*, or is only visible to the service, is a note.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use toml::Spanned;

use super::Depth;
use super::key::{About, Section};
use super::value::SecretFile;

/// Where systemd puts the credentials of the shipped unit; only the service sees what is in there.
const SERVICE_CREDENTIALS: &str = "/run/credentials/sluse.service";

const ANYONE_ELSE: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o002;
const OTHERS: u32 = 0o007;

/// How far one looks, and in which environment.
#[derive(Clone, Copy)]
pub(super) struct Looked<'a> {
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    pub depth: Depth,
}

impl Looked<'_> {
    /// Where a secret's file is. A credential's place is known to the service alone: elsewhere it is the
    /// place where the shipped unit will have it.
    pub fn secret(self, section: &mut Section<'_, '_, '_>, key: &About, file: Spanned<SecretFile>) -> PathBuf {
        let span = file.span();
        let directory = (self.environment)("CREDENTIALS_DIRECTORY").filter(|directory| !directory.is_empty());
        let name = match file.into_inner() {
            SecretFile::Path(path) => {
                if self.depth == Depth::Files
                    && let Err(predicate) = is_private_file(&path)
                {
                    section.complain(key, span, &predicate);
                }
                return path;
            }
            SecretFile::Credential(name) => name,
        };
        let served = directory.is_some();
        let path = PathBuf::from(directory.unwrap_or_else(|| SERVICE_CREDENTIALS.to_owned())).join(&name);
        if self.depth == Depth::Files {
            match File::open(&path) {
                Ok(_) => {}
                Err(error) if served => {
                    let predicate = format!(
                        "names the credential {name}, but {} cannot be read: {}; expected LoadCredential={name}:… in \
                         the systemd unit",
                        path.display(),
                        reason(&error)
                    );
                    section.complain(key, span, &predicate);
                }
                Err(_) => {
                    let predicate = format!(
                        "names the credential {name}, which only the service can see ($CREDENTIALS_DIRECTORY is not \
                         set); it was not looked at"
                    );
                    section.note(key, span, &predicate);
                }
            }
        }
        path
    }

    /// A folder for sluse alone.
    pub fn private_folder(self, section: &mut Section<'_, '_, '_>, key: &About, folder: &Spanned<PathBuf>) {
        if let Some(metadata) = self.folder(section, key, folder)
            && metadata.permissions().mode() & ANYONE_ELSE != 0
        {
            let predicate = format!(
                "is {}, which is open to others ({}), expected mode 0700",
                folder.get_ref().display(),
                mode(&metadata)
            );
            section.complain(key, folder.span(), &predicate);
        }
    }

    /// The folder of the control socket, which the group may enter.
    pub fn run_folder(self, section: &mut Section<'_, '_, '_>, key: &About, folder: &Spanned<PathBuf>) {
        if let Some(metadata) = self.folder(section, key, folder)
            && metadata.permissions().mode() & OTHERS_WRITE != 0
        {
            let predicate = format!(
                "is {}, in which anyone can write ({}), expected mode 0750",
                folder.get_ref().display(),
                mode(&metadata)
            );
            section.complain(key, folder.span(), &predicate);
        }
    }

    /// A folder that is shared with the benefit system.
    pub fn shared_folder(self, section: &mut Section<'_, '_, '_>, key: &About, folder: &Spanned<PathBuf>) {
        let Some(metadata) = self.folder(section, key, folder) else { return };
        let path = folder.get_ref().display();
        let bits = metadata.permissions().mode();
        if bits & OTHERS_WRITE != 0 {
            let predicate = format!(
                "is {path}, in which anyone can write ({}), expected access for sluse and one group alone",
                mode(&metadata)
            );
            section.complain(key, folder.span(), &predicate);
        } else if bits & OTHERS != 0 {
            let predicate = format!("is {path}, which anyone can look into ({})", mode(&metadata));
            section.note(key, folder.span(), &predicate);
        }
    }

    /// The layouts' folder must be there: no daemon makes it.
    pub fn layouts(self, section: &mut Section<'_, '_, '_>, key: &About, folder: &Spanned<PathBuf>) {
        if self.depth == Depth::Values {
            return;
        }
        if let Err(error) = fs::read_dir(folder.get_ref()) {
            let predicate = format!(
                "names {}, which cannot be read: {}; expected a folder",
                folder.get_ref().display(),
                reason(&error)
            );
            section.complain(key, folder.span(), &predicate);
        }
    }

    /// A claim is a rename from the outbox into the spool, and a rename does not cross mounts, not even two
    /// mounts of one file system. So on another mount than the state folder, the spool is in the outbox.
    pub fn one_mount(
        self,
        section: &mut Section<'_, '_, '_>,
        key: &About,
        outbox: &Spanned<PathBuf>,
        state: Option<&Path>,
    ) {
        if self.depth == Depth::Values {
            return;
        }
        let mounts = mount(outbox.get_ref()).zip(state.and_then(mount));
        if let (Some((outboxes, states)), Some(state)) = (mounts, state)
            && outboxes != states
        {
            let predicate = format!(
                "is on another mount than `state` ({}): claims go through {}",
                state.display(),
                outbox.get_ref().join(".spool").display()
            );
            section.note(key, outbox.span(), &predicate);
        }
    }

    /// What is known about a folder that may still have to be made.
    fn folder(self, section: &mut Section<'_, '_, '_>, key: &About, folder: &Spanned<PathBuf>) -> Option<Metadata> {
        if self.depth == Depth::Values {
            return None;
        }
        let path = folder.get_ref();
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Some(metadata),
            Ok(_) => {
                let predicate = format!("names {}, which is not a folder, expected a folder", path.display());
                section.complain(key, folder.span(), &predicate);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                section.note(key, folder.span(), &format!("names {}, which is not there yet", path.display()));
            }
            Err(error) => {
                let predicate = format!("names {}, which could not be looked at: {}", path.display(), reason(&error));
                section.note(key, folder.span(), &predicate);
            }
        }
        None
    }
}

/// Errors: the predicate that tells what is wrong with it.
fn is_private_file(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let metadata = fs::metadata(path)
        .map_err(|error| format!("names {shown}, which cannot be looked at: {}; expected a file", reason(&error)))?;
    if !metadata.is_file() {
        return Err(format!("names {shown}, which is not a regular file, expected a file"));
    }
    if metadata.permissions().mode() & ANYONE_ELSE != 0 {
        return Err(format!("names {shown}, which is open to others ({}), expected mode 0600", mode(&metadata)));
    }
    File::open(path).map(drop).map_err(|error| {
        let uid = rustix::process::geteuid().as_raw();
        format!("names {shown}, which user {uid} cannot read: {}; expected a file of the daemon's user", reason(&error))
    })
}

/// What tells one mount from another; None: not there, or not to be seen.
fn mount(path: &Path) -> Option<(u64, Option<u64>)> {
    let device = fs::metadata(path).ok()?.dev();
    let status = statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok();
    let id = status.filter(|status| status.stx_mask & StatxFlags::MNT_ID.bits() != 0).map(|status| status.stx_mnt_id);
    Some((device, id))
}

fn mode(metadata: &Metadata) -> String {
    format!("mode {:04o}", metadata.permissions().mode() & 0o7777)
}

/// The system's words without its number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
