//! How a column is set (the bits of `JetSetColumn`).

use crate::engine::record::{Place, SetColumn, Unique};

/// Options of [`Update::set_with`](super::Update::set_with).
///
/// ```
/// use jetfs::engine::SetOptions;
///
/// let options = SetOptions::default().unique().separate();
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetOptions {
    pub(super) unique: Unique,
    place: Place,
    revert_to_default: bool,
}

impl SetOptions {
    /// `JET_bitSetUniqueMultiValues`: no two values of the column may be equal.
    #[must_use]
    pub fn unique(self) -> Self {
        SetOptions {
            unique: Unique::Bytes,
            ..self
        }
    }

    /// `JET_bitSetUniqueNormalizedMultiValues`: no two values of the column may be equal as keys of up to 255 bytes.
    #[must_use]
    pub fn unique_normalized(self) -> Self {
        SetOptions {
            unique: Unique::Keys,
            ..self
        }
    }

    /// `JET_bitSetSeparateLV`: a long value goes into the long value tree, however short it is.
    #[must_use]
    pub fn separate(self) -> Self {
        SetOptions {
            place: Place::Separate,
            ..self
        }
    }

    /// `JET_bitSetIntrinsicLV`: a long value stays in its record, if it fits.
    #[must_use]
    pub fn intrinsic(self) -> Self {
        SetOptions {
            place: Place::Intrinsic,
            ..self
        }
    }

    /// `JET_bitSetRevertToDefaultValue`: NULL means the default of a tagged column again, instead of no value.
    #[must_use]
    pub fn revert_to_default(self) -> Self {
        SetOptions {
            revert_to_default: true,
            ..self
        }
    }

    pub(super) fn of_value(self, sequence: usize) -> SetColumn {
        SetColumn {
            sequence,
            unique: self.unique,
            place: self.place,
            revert_to_default: self.revert_to_default,
            ..SetColumn::default()
        }
    }
}
