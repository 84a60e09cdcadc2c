//! What is known about a file, in the order in which it is shown: for people as `name: value`, for scripts as JSON.

use crate::output::Output;
use anyhow::Result;
use serde_json::{Map, Value};
use std::fmt::Display;

/// Names and values, and what the user should know besides.
#[derive(Debug, Default)]
pub(super) struct Facts {
    entries: Vec<(&'static str, Value)>,
    /// One line each.
    pub(super) warnings: Vec<String>,
    /// Whether something is damaged.
    pub(super) is_damaged: bool,
}

impl Facts {
    /// Begins with the kind of file.
    pub(super) fn of(kind: &'static str) -> Self {
        let mut facts = Facts::default();
        facts.add("File Type", kind);
        facts
    }

    /// Adds a value that JSON knows: a number, a text, a list.
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.entries.push((name, value.into()));
    }

    /// Adds a value by its text.
    pub(super) fn text(&mut self, name: &'static str, value: impl Display) {
        self.add(name, value.to_string());
    }

    /// Adds a value by its text if it is set, to keep what says nothing out of sight.
    pub(super) fn text_if(&mut self, is_set: bool, name: &'static str, value: impl Display) {
        if is_set {
            self.text(name, value);
        }
    }

    /// Prints them.
    pub(super) fn print(&self, output: &Output) -> Result<()> {
        if output.json {
            let mut object: Map<String, Value> = self
                .entries
                .iter()
                .map(|(name, value)| (name.to_lowercase().replace(' ', "-"), value.clone()))
                .collect();
            object.insert("warnings".into(), self.warnings.clone().into());
            return output.json(&object);
        }
        let width = self.entries.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &self.entries {
            match value {
                Value::String(text) => output.line(format_args!("{name:>width$}: {text}"))?,
                Value::Array(items) => {
                    for item in items {
                        let text = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                        output.line(format_args!("{name:>width$}: {text}"))?;
                    }
                }
                other => output.line(format_args!("{name:>width$}: {other}"))?,
            }
        }
        Ok(())
    }
}
