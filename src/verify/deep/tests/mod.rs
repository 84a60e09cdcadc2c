//! The deep check on genuine databases, and on such with one rule broken.

mod genuine;
