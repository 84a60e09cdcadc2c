//! File names and paths in JSON, which knows only Unicode while a name is any bytes.
//!
//! A name that is UTF-8 is a string. Any other is an object, so that no program takes a changed name for the real
//! one: `{"hex": "6e74ff", "text": "nt\ufffd"}`, where `hex` is the name's bytes and `text` is for people only.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// A file name or path that survives JSON byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JsonName(pub OsString);

impl From<&OsStr> for JsonName {
    fn from(name: &OsStr) -> Self {
        JsonName(name.to_owned())
    }
}

impl From<&Path> for JsonName {
    fn from(path: &Path) -> Self {
        JsonName(path.as_os_str().to_owned())
    }
}

impl AsRef<Path> for JsonName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes { hex: String, text: String },
}

impl Serialize for JsonName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => Written::Bytes {
                hex: self
                    .0
                    .as_bytes()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect(),
                text: self.0.to_string_lossy().into_owned(),
            }
            .serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for JsonName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer)? {
            Written::Text(text) => Ok(JsonName(text.into())),
            Written::Bytes { hex, .. } => from_hex(&hex)
                .map(|bytes| JsonName(OsString::from_vec(bytes)))
                .ok_or_else(|| serde::de::Error::custom("hex is not an even number of hexadecimal digits")),
        }
    }
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |character: u8| char::from(character).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(name: &[u8], json: &str) {
        let name = JsonName(OsString::from_vec(name.to_vec()));
        assert_eq!(serde_json::to_string(&name).unwrap(), json);
        assert_eq!(serde_json::from_str::<JsonName>(json).unwrap(), name);
    }

    #[test]
    fn a_name_survives_whatever_its_bytes_are() {
        there_and_back(b"ntds.dit", r#""ntds.dit""#);
        there_and_back("Größe.edb".as_bytes(), r#""Größe.edb""#);
        there_and_back(b"nt\xff", "{\"hex\":\"6e74ff\",\"text\":\"nt\u{fffd}\"}");
    }

    #[test]
    fn hexadecimal_digits_that_are_none_are_refused() {
        for hex in ["6", "6g", "é"] {
            let json = format!(r#"{{"hex":"{hex}","text":""}}"#);
            assert!(serde_json::from_str::<JsonName>(&json).is_err(), "{hex}");
        }
    }
}
