//! The published C interface (`include/jetfs_esent.h`): the calls of an external backup by their published names and
//! signatures, and those around them that a program needs to make an instance and fill it.
//!
//! ```text
//! exports     the names and signatures; each call through `answer`, which lets no panic out
//!   v
//! backup, instance, session, cursor     what a call does, in safe code
//!   v
//! registry    which handle is whose; one instance or many (external-backup.md section 1.2)
//! ```
//!
//! `unsafe` is in three places: `pointers` reads and writes where the caller says, `owned` keeps a session together with what
//! borrows it, and `exports` gives functions names without mangling.

mod answer;
mod backup;
mod cursor;
mod exports;
mod instance;
mod owned;
mod pointers;
mod registry;
mod session;
mod settings;
mod text;
