//! What can be backed up: so far files at rest (design section 3).

pub mod at_rest;
