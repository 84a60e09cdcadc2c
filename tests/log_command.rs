//! `jetfs log` as its users see it.
#![cfg(test)]
