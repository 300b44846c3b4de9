//! A bounded XML document as a tree: elements, their namespace, their text. It knows what XML is and
//! nothing of the contract. Start with [`root_of`].

use std::borrow::Cow;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::{DOCUMENT_BYTES_MAX, EnvelopeTrouble, NAMESPACE};

/// The contract goes six deep with dynamic routing; foreign elements may go a little further.
const DEPTH_MAX: usize = 16;

/// One element with all that is below it. Attributes are passed over: the contract has none.
#[derive(Debug)]
pub(super) struct Element {
    /// Without its prefix.
    pub name: String,
    pub space: Space,
    /// Its own text, entities resolved, in one piece.
    pub text: String,
    pub children: Vec<Element>,
}

/// Which namespace an element is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    None,
    Contract,
    /// Another one, or a prefix that nobody declared.
    Other,
}

/// Reads a whole document. Errors: whatever is not one well-formed element within the bounds.
pub(super) fn root_of(bytes: &[u8]) -> Result<Element, EnvelopeTrouble> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(EnvelopeTrouble::TooLong { size: bytes.len() });
    }
    let text = decoded(bytes)?;
    let mut reader = NsReader::from_str(&text);
    let mut growing = Growing::default();
    loop {
        let (space, event) = match reader.read_resolved_event() {
            Ok((space, event)) => (Space::from(space), event),
            Err(_) => return Err(EnvelopeTrouble::NotWellFormed { at: reader.error_position() }),
        };
        let at = reader.buffer_position();
        match event {
            Event::Start(start) => growing.open(&start, space, at)?,
            Event::Empty(start) => {
                growing.open(&start, space, at)?;
                growing.close(at)?;
            }
            Event::End(_) => growing.close(at)?,
            Event::Text(text) => growing.add(&text.xml10_content(), at)?,
            Event::CData(text) => growing.add(&text.xml10_content(), at)?,
            Event::GeneralRef(reference) => growing.add(&resolved(&reference, at)?, at)?,
            Event::DocType(_) => return Err(EnvelopeTrouble::DocumentType { at }),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => return growing.whole(at),
        }
    }
}

/// The elements that are open, outermost first, and the root once it is closed.
#[derive(Default)]
struct Growing {
    open: Vec<Element>,
    root: Option<Element>,
}

impl Growing {
    fn open(&mut self, start: &BytesStart<'_>, space: Space, at: u64) -> Result<(), EnvelopeTrouble> {
        if self.root.is_some() {
            return Err(EnvelopeTrouble::NotWellFormed { at });
        }
        if self.open.len() == DEPTH_MAX {
            return Err(EnvelopeTrouble::TooDeep { at });
        }
        let name = start.local_name().as_ref().to_owned();
        self.open.push(Element { name, space, text: String::new(), children: Vec::new() });
        Ok(())
    }

    fn close(&mut self, at: u64) -> Result<(), EnvelopeTrouble> {
        let closed = self.open.pop().ok_or(EnvelopeTrouble::NotWellFormed { at })?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => self.root = Some(closed),
        }
        Ok(())
    }

    fn add(&mut self, text: &str, at: u64) -> Result<(), EnvelopeTrouble> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(EnvelopeTrouble::NotWellFormed { at }),
        }
        Ok(())
    }

    fn whole(self, at: u64) -> Result<Element, EnvelopeTrouble> {
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            _ => Err(EnvelopeTrouble::NotWellFormed { at }),
        }
    }
}

impl From<ResolveResult<'_>> for Space {
    fn from(resolved: ResolveResult<'_>) -> Space {
        match resolved {
            ResolveResult::Unbound => Space::None,
            ResolveResult::Bound(namespace) if namespace.0 == NAMESPACE => Space::Contract,
            ResolveResult::Bound(_) | ResolveResult::Unknown(_) => Space::Other,
        }
    }
}

/// A character reference, or one of the five entities that XML predefines.
fn resolved(reference: &BytesRef<'_>, at: u64) -> Result<String, EnvelopeTrouble> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Ok(character.to_string()),
        Ok(None) => resolve_xml_entity(reference).map(str::to_owned).ok_or(EnvelopeTrouble::UnknownEntity { at }),
        Err(_) => Err(EnvelopeTrouble::NotWellFormed { at }),
    }
}

/// The document's characters: UTF-8, with or without a byte order mark, or ISO-8859-1 where the XML
/// declaration says so.
fn decoded(bytes: &[u8]) -> Result<Cow<'_, str>, EnvelopeTrouble> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match declared_encoding(bytes).as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| EnvelopeTrouble::Encoding)
        }
        Some("iso-8859-1" | "iso_8859-1" | "latin1") => Ok(encoding_rs::mem::decode_latin1(bytes)),
        Some(_) => Err(EnvelopeTrouble::Encoding),
    }
}

/// What `encoding="…"` of the XML declaration says, in lower case.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let declaration = bytes.strip_prefix(b"<?xml")?;
    let end = declaration.windows(2).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(value[1..].split(quote).next()?.to_ascii_lowercase())
}
