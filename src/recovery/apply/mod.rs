//! One record, or one macro, applied to pages: what a page becomes, never whether it should.
