//! New databases, and their schema changed.

mod ddl;
mod new_database;
mod random;
mod replay;
mod rig;
