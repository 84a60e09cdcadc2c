//! What names a node, wherever it stands: its key, and in a tree whose keys are not unique its data
//! (database-file.md section 4).

use crate::format::PageFlags;
use crate::format::log_record::OperationFlags;
use hashbrown::Equivalent;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A tree of a database, as log records and pages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TreeId {
    /// `pgnoFDP`: the root of the tree, of a space tree that of the tree whose space it says.
    pub(crate) fdp: u32,
    /// Where every descent begins: `fdp`, but for a space tree its own root.
    pub(crate) root: u32,
    /// `objidFDP`.
    pub(crate) objid: u32,
    /// Whether the key alone is the bookmark. It always is in space trees.
    pub(crate) is_unique: bool,
    /// The flags of its pages that say what kind of tree it is: INDEX, NON_UNIQUE_KEYS, LONG_VALUE, SPACE_TREE.
    pub(crate) kind: PageFlags,
}

/// A node's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Bookmark {
    /// The whole key.
    pub(crate) key: Vec<u8>,
    /// The data in a tree whose keys are not unique; empty in others.
    pub(crate) data: Vec<u8>,
}

/// A node's name, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BookmarkRef<'a> {
    /// The whole key.
    pub(crate) key: &'a [u8],
    /// The data in a tree whose keys are not unique; empty in others.
    pub(crate) data: &'a [u8],
}

/// A node's name that several have, in one piece.
#[derive(Debug, Clone)]
pub(crate) struct SharedBookmark {
    /// The key, and behind it the data.
    bytes: Arc<[u8]>,
    key_len: usize,
}

impl TreeId {
    /// The space tree of this tree whose root is page `root`.
    pub(crate) fn space_tree(self, root: u32) -> TreeId {
        TreeId {
            root,
            is_unique: true,
            kind: self.kind | PageFlags::SPACE_TREE,
            ..self
        }
    }

    /// The tree whose space this space tree says; another tree itself.
    pub(crate) fn owner(self) -> TreeId {
        let kind = self.kind.difference(PageFlags::SPACE_TREE);
        TreeId {
            root: self.fdp,
            is_unique: !kind.contains(PageFlags::NON_UNIQUE_KEYS),
            kind,
            ..self
        }
    }

    /// Whether it says the space of another tree.
    pub(crate) fn is_space_tree(&self) -> bool {
        self.kind.contains(PageFlags::SPACE_TREE)
    }

    /// The flags that all records about this tree have: SPACE, and UNIQUE, which of a space tree is that of the tree
    /// whose space it says.
    pub(crate) fn operation_flags(&self) -> OperationFlags {
        let mut flags = OperationFlags::empty();
        flags.set(
            OperationFlags::UNIQUE,
            !self.kind.contains(PageFlags::NON_UNIQUE_KEYS),
        );
        flags.set(OperationFlags::SPACE, self.is_space_tree());
        flags
    }

    /// The name of a node of this tree.
    pub(crate) fn bookmark<'a>(&self, key: &'a [u8], data: &'a [u8]) -> BookmarkRef<'a> {
        BookmarkRef {
            key,
            data: if self.is_unique { &[] } else { data },
        }
    }
}

impl Bookmark {
    /// The same, borrowed.
    pub(crate) fn name(&self) -> BookmarkRef<'_> {
        BookmarkRef {
            key: &self.key,
            data: &self.data,
        }
    }
}

impl BookmarkRef<'_> {
    /// A copy of its own.
    pub(crate) fn to_owned(self) -> Bookmark {
        Bookmark {
            key: self.key.into(),
            data: self.data.into(),
        }
    }
}

impl SharedBookmark {
    /// The same, borrowed.
    pub(crate) fn name(&self) -> BookmarkRef<'_> {
        let (key, data) = self.bytes.split_at_checked(self.key_len).unwrap_or_default();
        BookmarkRef { key, data }
    }
}

impl From<BookmarkRef<'_>> for SharedBookmark {
    fn from(name: BookmarkRef<'_>) -> Self {
        let bytes = match name.data {
            [] => name.key.into(),
            data => [name.key, data].concat().into(),
        };
        let key_len = name.key.len();
        SharedBookmark { bytes, key_len }
    }
}

impl PartialEq for SharedBookmark {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for SharedBookmark {}

impl Hash for SharedBookmark {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Hash for BookmarkRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
        self.data.hash(state);
    }
}

impl Equivalent<SharedBookmark> for BookmarkRef<'_> {
    fn equivalent(&self, other: &SharedBookmark) -> bool {
        *self == other.name()
    }
}
