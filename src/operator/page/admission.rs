//! Who may look: on the loopback only who calls it by one of its names, which a foreign web site cannot (DNS rebinding);
//! with a token only who knows it. Compares in constant time, and keeps no token, only its hash. Start with
//! [`Admission::of`].

use std::path::Path;

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::config::Listen;
use crate::durable::{RealDisk, read_bounded};

/// Less can be guessed.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// A token is a line.
const TOKEN_BYTES_MAX: u64 = 4 << 10;

/// The cookie that a browser has for the token.
pub const COOKIE: &str = "sluse_page";

/// A working day; after it a browser asks for the token again.
pub const COOKIE_SECONDS: u32 = 12 * 3600;

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// It called another machine, or thinks so.
    WrongHost,
    NoToken,
}

/// Who may look.
pub struct Admission {
    /// Whether callers must use a name of the loopback.
    only_local_names: bool,
    token: Option<Token>,
}

struct Token {
    hash: [u8; 32],
    /// What a browser is given for it: cannot be used as a token.
    cookie: String,
}

/// Why there is no token to compare with.
#[derive(Debug, thiserror::Error)]
pub enum BadToken {
    #[error("the token's file {path} cannot be read: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("the token in {path} has fewer than {TOKEN_CHARACTERS_MIN} characters; make one by `openssl rand -hex 32`")]
    TooShort { path: String },
}

impl Admission {
    /// By the settings. The token's file is read once.
    pub fn of(listen: &Listen, token: Option<&Path>) -> Result<Admission, BadToken> {
        let only_local_names = matches!(listen, Listen::Tcp(_)) && listen.is_local();
        Ok(Admission { only_local_names, token: token.map(Token::read).transpose()? })
    }

    /// Whether callers need a token at all.
    pub fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    /// Whether a caller with these headers may look.
    pub fn judge(&self, headers: &HeaderMap) -> Result<(), NotAdmitted> {
        self.judge_host(headers)?;
        match &self.token {
            Some(token) if !token.is_in(headers) => Err(NotAdmitted::NoToken),
            Some(_) | None => Ok(()),
        }
    }

    /// The same without the token, for what says nothing but that it lives.
    pub fn judge_host(&self, headers: &HeaderMap) -> Result<(), NotAdmitted> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        match self.only_local_names && !host.is_some_and(is_local_name) {
            true => Err(NotAdmitted::WrongHost),
            false => Ok(()),
        }
    }

    /// The cookie's value for a token that was given, if it is the right one.
    pub fn cookie_for(&self, given: &str) -> Option<&str> {
        let token = self.token.as_ref()?;
        is_same(&hash(given), &token.hash).then_some(token.cookie.as_str())
    }
}

impl Token {
    fn read(path: &Path) -> Result<Token, BadToken> {
        let shown = path.display().to_string();
        let unreadable = |reason: String| BadToken::Unreadable { path: shown.clone(), reason };
        let bytes = read_bounded(&RealDisk, path, TOKEN_BYTES_MAX).map_err(|e| unreadable(e.to_string()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.chars().count() < TOKEN_CHARACTERS_MIN {
            return Err(BadToken::TooShort { path: shown });
        }
        let cookie = hash(&format!("cookie of the status page: {token}"));
        let cookie = cookie.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Token { hash: hash(token), cookie })
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let bearer = text(header::AUTHORIZATION).filter_map(|value| value.split_once(' '));
        let mut bearers = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let mut cookies =
            text(header::COOKIE).flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
        bearers.any(|(_, token)| is_same(&hash(token.trim()), &self.hash))
            || cookies.any(|(name, value)| name.trim() == COOKIE && is_same(&hash(value.trim()), &hash(&self.cookie)))
    }
}

/// A name of the loopback, with or without a port.
fn is_local_name(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Takes as long for any two: what was right of a guess cannot be told from the time.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef-of-a-test";

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn admission(listen: &str, token: Option<&str>) -> Result<Admission, BadToken> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        token.inspect(|token| std::fs::write(&path, format!("{token}\nnot this\n")).unwrap());
        Admission::of(&listen.parse().unwrap(), token.is_some().then_some(path.as_path()))
    }

    #[test]
    fn on_the_loopback_only_its_own_names_are_answered() {
        let admission = admission("127.0.0.1:8530", None).unwrap();
        for host in ["localhost", "LOCALHOST:8530", "127.0.0.1:8530", "127.8.0.1", "[::1]:80", "[::ffff:127.0.0.1]"] {
            assert_eq!(admission.judge(&headers(&[(header::HOST, host)])), Ok(()), "{host}");
        }
        for host in
            ["", "evil.example", "evil.example:8530", "localhost.evil.example", "192.0.2.7", "127.0.0.1.evil", "::2"]
        {
            assert_eq!(admission.judge(&headers(&[(header::HOST, host)])), Err(NotAdmitted::WrongHost), "{host}");
        }
        assert_eq!(admission.judge(&headers(&[])), Err(NotAdmitted::WrongHost));
    }

    #[test]
    fn elsewhere_any_name_is_answered() {
        for listen in ["unix:/run/sluse/page.sock", "192.0.2.7:8530"] {
            let admission = admission(listen, None).unwrap();
            assert_eq!(admission.judge(&headers(&[(header::HOST, "sluse.example")])), Ok(()), "{listen}");
        }
    }

    #[test]
    fn only_who_knows_the_token_is_let_in_and_its_cookie_is_no_token() {
        let admission = admission("192.0.2.7:8530", Some(TOKEN)).unwrap();
        let judge = |name, value: &str| admission.judge(&headers(&[(name, value)]));
        let cookie = admission.cookie_for(TOKEN).unwrap().to_owned();

        assert_eq!(judge(header::AUTHORIZATION, &format!("Bearer {TOKEN}")), Ok(()));
        assert_eq!(judge(header::AUTHORIZATION, &format!("bearer  {TOKEN}")), Ok(()));
        assert_eq!(judge(header::COOKIE, &format!("a=b; {COOKIE}={cookie}")), Ok(()));
        for (name, value) in [
            (header::AUTHORIZATION, format!("Bearer {TOKEN}x")),
            (header::AUTHORIZATION, format!("Basic {TOKEN}")),
            (header::AUTHORIZATION, format!("Bearer {cookie}")),
            (header::AUTHORIZATION, "Bearer".to_owned()),
            (header::COOKIE, format!("{COOKIE}={TOKEN}")),
            (header::COOKIE, format!("x{COOKIE}={cookie}")),
            (header::ACCEPT, "*/*".to_owned()),
        ] {
            assert_eq!(judge(name, &value), Err(NotAdmitted::NoToken), "{value}");
        }
        assert_eq!(admission.cookie_for("guessed"), None);
        assert_eq!(admission.cookie_for(&cookie), None);
        assert_eq!(admission.judge_host(&headers(&[])), Ok(()));
    }

    #[test]
    fn a_token_that_can_be_guessed_or_read_is_none() {
        assert!(matches!(admission("192.0.2.7:8530", Some("short")), Err(BadToken::TooShort { .. })));
        let missing = Admission::of(&"192.0.2.7:8530".parse().unwrap(), Some(Path::new("/nonexistent/token")));
        assert!(matches!(missing, Err(BadToken::Unreadable { .. })));
    }
}
