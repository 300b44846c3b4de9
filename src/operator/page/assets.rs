//! What the browser fetches beside the pages: one style sheet, one small script, one icon; all of them ours, compiled in.

use std::sync::LazyLock;

use crate::domain::identity::ContentHash;

pub const STYLE: &str = include_str!("page.css");
pub const SCRIPT: &str = include_str!("live.js");
pub const ICON: &str = include_str!("icon.svg");

/// Changes when one of them does, so that a browser may keep them for good.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let all = [STYLE, SCRIPT, ICON].concat();
        ContentHash::of(all.as_bytes()).short()
    });
    &VERSION
}
