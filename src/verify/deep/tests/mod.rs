//! The deep check on genuine databases, and on such with one rule broken.

mod broken_catalog;
mod broken_indexes;
mod broken_long_values;
mod broken_records;
mod broken_space;
mod broken_trees;
mod genuine;
mod hostile;
mod mutant;
