//! A record as one line: for people, or as JSON.

use anyhow::Result;
use jetfs::format::log_record::{DBTIME_NIL, FieldValue, LogRecordType, Subject};
use jetfs::format::{BackupInfo, LogPosition};
use jetfs::store::log_reader::Logged;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// Bytes of a key, data or image that a person is shown; JSON has all.
const SHOWN_MOST: usize = 16;

/// Appends the record and a newline.
pub(super) fn write(text: &mut String, logged: &Logged<'_>, as_json: bool) -> Result<()> {
    if as_json {
        text.push_str(&serde_json::to_string(&json_of(logged))?);
    } else {
        write_text(text, logged)?;
    }
    text.push('\n');
    Ok(())
}

/// `generation,segment,byte` in hex, as the genuine tools write it.
pub(super) fn position(position: LogPosition) -> String {
    let LogPosition {
        generation,
        sector,
        byte,
    } = position;
    format!("{generation:08X},{sector:04X},{byte:04X}")
}

fn write_text(text: &mut String, logged: &Logged<'_>) -> std::fmt::Result {
    let record = &logged.record;
    write!(text, "{} {:9}", position(logged.position), record.record_type())?;
    let subject = record.subject();
    if let Some(session) = subject.session {
        write!(text, " session={session:#x}")?;
    }
    if let Some(database) = subject.database {
        write!(text, " database={database}")?;
    }
    if let Some(page) = subject.page {
        write!(text, " page={page}")?;
    }
    if let Some(dbtime) = subject.dbtime {
        write!(text, " dbtime={dbtime:#x}")?;
    }
    if let Some(before) = subject.dbtime_before {
        write!(text, " before={before:#x}")?;
    }
    let mut result = Ok(());
    record.visit(&mut |name, value| {
        if result.is_ok() && !Subject::FIELDS.contains(&name) {
            result = write!(text, " {name}=").and_then(|()| write_value(text, name, &value));
        }
    });
    result
}

fn write_value(text: &mut String, name: &str, value: &FieldValue<'_>) -> std::fmt::Result {
    match value {
        FieldValue::Number(DBTIME_NIL) => text.write_str("nil"),
        FieldValue::Number(number) if is_hex(name) => write!(text, "{number:#x}"),
        FieldValue::Number(number) => write!(text, "{number}"),
        FieldValue::Signed(number) => write!(text, "{number}"),
        FieldValue::Flags(bits, names) if names.is_empty() => write!(text, "{bits:#x}"),
        FieldValue::Flags(_, names) => text.write_str(names),
        FieldValue::Text(words) => write!(text, "{words:?}"),
        FieldValue::Bytes(bytes) => write_bytes(text, bytes),
        FieldValue::Pages(pages) => write!(text, "{pages:?}"),
        FieldValue::LogPosition(found) => text.write_str(&position(*found)),
        FieldValue::LogTime(time) => write!(text, "\"{time}\""),
        FieldValue::Signature(signature) => write!(text, "\"{signature}\""),
        FieldValue::BackupInfo(info) => write!(
            text,
            "\"{} {} {:#x}-{:#x}\"",
            position(info.mark),
            info.time,
            info.generation_low,
            info.generation_high
        ),
    }
}

/// Whether a number is one that people know in hex.
fn is_hex(name: &str) -> bool {
    name == "trx"
        || name.starts_with("dbtime")
        || ["flags", "bits", "checksum"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// `00000a01…(1400)`: the first bytes, and how many there are if that is more.
fn write_bytes(text: &mut String, bytes: &[u8]) -> std::fmt::Result {
    for byte in bytes.iter().take(SHOWN_MOST) {
        write!(text, "{byte:02x}")?;
    }
    match bytes.len() {
        0 => text.write_char('-'),
        len if len > SHOWN_MOST => write!(text, "…({len})"),
        _ => Ok(()),
    }
}

fn json_of(logged: &Logged<'_>) -> Value {
    let record = &logged.record;
    let LogRecordType(number) = record.record_type();
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.replace('_', "-"), value);
    put("position", json!(position(logged.position)));
    put("generation", json!(logged.position.generation));
    put("segment", json!(logged.position.sector));
    put("byte", json!(logged.position.byte));
    put("type", json!(number));
    put("name", json!(record.record_type().to_string()));
    put("length", json!(logged.bytes.len()));
    if let Some(database) = record.subject().database {
        put("database", json!(database));
    }
    record.visit(&mut |name, value| drop(put(name, json_value(&value))));
    Value::Object(object)
}

fn json_value(value: &FieldValue<'_>) -> Value {
    match value {
        FieldValue::Number(DBTIME_NIL) => Value::Null,
        FieldValue::Number(number) => json!(number),
        FieldValue::Signed(number) => json!(number),
        FieldValue::Flags(bits, _) => json!(bits),
        FieldValue::Text(text) => json!(text),
        FieldValue::Bytes(bytes) => json!(hex(bytes)),
        FieldValue::Pages(pages) => json!(pages.iter().collect::<Vec<_>>()),
        FieldValue::LogPosition(found) => json!(position(*found)),
        FieldValue::LogTime(time) => json!(time.is_set().then(|| time.to_string())),
        FieldValue::Signature(signature) => json!(signature.to_string()),
        FieldValue::BackupInfo(BackupInfo {
            mark,
            time,
            generation_low,
            generation_high,
        }) => json!({
            "mark": position(*mark),
            "time": time.is_set().then(|| time.to_string()),
            "generation-low": generation_low,
            "generation-high": generation_high,
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
