//! SFTP version 3 over a [`Jail`]: each request becomes one call. Like OpenSSH it offers
//! posix-rename, fsync and limits; links and new folders are nobody's right here.

use std::collections::HashMap;

use russh_sftp::extensions::LimitsExtension;
use russh_sftp::protocol::{
    Attrs, Data, ExtendedReply, File as Entry, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode,
    Version,
};
use russh_sftp::server::Handler;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::jail::{HANDLES_MAX, Jail, READ_BYTES_MAX, absolute};

/// The longest packet that a client may send, in bytes: OpenSSH's bound.
pub(super) const PACKET_BYTES_MAX: u32 = 256 * 1024;

const POSIX_RENAME: &str = "posix-rename@openssh.com";
const FSYNC: &str = "fsync@openssh.com";
const LIMITS: &str = "limits@openssh.com";

pub(super) struct Sftp {
    jail: Jail,
    /// While it lives, the server's end waits for this session.
    _alive: TaskTrackerToken,
}

impl Sftp {
    pub fn new(jail: Jail, alive: TaskTrackerToken) -> Sftp {
        Sftp { jail, _alive: alive }
    }
}

impl Handler for Sftp {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(&mut self, _version: u32, _theirs: HashMap<String, String>) -> Result<Version, StatusCode> {
        let extensions = [(POSIX_RENAME, "1"), (FSYNC, "1"), (LIMITS, "1")];
        let extensions = extensions.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
        Ok(Version { extensions, ..Version::new() })
    }

    async fn open(&mut self, id: u32, path: String, flags: OpenFlags, _: FileAttributes) -> Result<Handle, StatusCode> {
        self.jail.open(&path, flags).map(|handle| Handle { id, handle })
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        self.jail.close(&handle).map(|()| done(id))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, length: u32) -> Result<Data, StatusCode> {
        self.jail.read(&handle, offset, length).map(|data| Data { id, data })
    }

    async fn write(&mut self, id: u32, handle: String, offset: u64, bytes: Vec<u8>) -> Result<Status, StatusCode> {
        self.jail.write(&handle, offset, &bytes).map(|()| done(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        self.jail.attributes(&path).map(|attrs| Attrs { id, attrs })
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        self.jail.attributes(&path).map(|attrs| Attrs { id, attrs })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        self.jail.attributes_of(&handle).map(|attrs| Attrs { id, attrs })
    }

    async fn setstat(&mut self, id: u32, path: String, wanted: FileAttributes) -> Result<Status, StatusCode> {
        self.jail.set(&path, &wanted).map(|()| done(id))
    }

    async fn fsetstat(&mut self, id: u32, handle: String, wanted: FileAttributes) -> Result<Status, StatusCode> {
        self.jail.set_on(&handle, &wanted).map(|()| done(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        self.jail.list(&path).map(|handle| Handle { id, handle })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        self.jail.page(&handle).map(|files| Name { id, files })
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        self.jail.remove(&path).map(|()| done(id))
    }

    async fn mkdir(&mut self, _id: u32, _path: String, _: FileAttributes) -> Result<Status, StatusCode> {
        Err(StatusCode::PermissionDenied)
    }

    async fn rmdir(&mut self, _id: u32, _path: String) -> Result<Status, StatusCode> {
        Err(StatusCode::PermissionDenied)
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        Ok(Name { id, files: vec![Entry::dummy(absolute(&path))] })
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        self.jail.rename(&from, &to).map(|()| done(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Result<Packet, StatusCode> {
        match (request.as_str(), strings(&data).as_deref()) {
            (POSIX_RENAME, Some([from, to])) => self.jail.posix_rename(from, to).map(|()| done(id).into()),
            (FSYNC, Some([handle])) => self.jail.sync(handle).map(|()| done(id).into()),
            (LIMITS, Some([])) => Ok(ExtendedReply { id, data: limits()? }.into()),
            (POSIX_RENAME | FSYNC | LIMITS, _) => Err(StatusCode::BadMessage),
            _ => Err(StatusCode::OpUnsupported),
        }
    }
}

fn done(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: StatusCode::Ok.to_string(),
        language_tag: "en-US".to_owned(),
    }
}

fn limits() -> Result<Vec<u8>, StatusCode> {
    let limits = LimitsExtension {
        max_packet_len: PACKET_BYTES_MAX.into(),
        max_read_len: READ_BYTES_MAX.into(),
        max_write_len: READ_BYTES_MAX.into(),
        max_open_handles: HANDLES_MAX as u64,
    };
    russh_sftp::ser::to_bytes(&limits).map(|bytes| bytes.to_vec()).map_err(|_| StatusCode::Failure)
}

/// The strings of an extended request: each a length of four bytes, then its bytes. None: it is not that.
fn strings(mut data: &[u8]) -> Option<Vec<String>> {
    let mut strings = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<4>() {
        let (string, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        strings.push(String::from_utf8(string.to_vec()).ok()?);
        data = rest;
    }
    data.is_empty().then_some(strings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_whose_strings_do_not_fill_it_is_no_request() {
        assert_eq!(strings(b"\0\0\0\x01a\0\0\0\x02bc"), Some(vec!["a".to_owned(), "bc".to_owned()]));
        assert_eq!(strings(b""), Some(vec![]));
        for wrong in [&b"\0\0\0\x02a"[..], b"\0\0\0", b"\0\0\0\x01\xFF", b"\xFF\xFF\xFF\xFFa"] {
            assert_eq!(strings(wrong), None);
        }
    }
}
