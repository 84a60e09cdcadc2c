//! Where a page is split.

use super::prefix::Item;

/// The line that begins the right page, so that both pages have room for their items and are as equally full as can be;
/// `None` if two pages are not enough. `prefix`: what the page has as prefix, which both may keep.
pub(super) fn balanced(items: &[Item<'_>], prefix: &[u8], capacity: usize) -> Option<usize> {
    let all = items
        .iter()
        .fold(Size::default(), |sum, item| sum.with(item, prefix));
    let mut left = Size::default();
    let mut best: Option<(usize, usize)> = None;
    for (line, item) in items.iter().enumerate() {
        if line > 0 {
            let (stay, move_) = (left.least(prefix), all.without(left).least(prefix));
            let difference = stay.abs_diff(move_);
            let fits = stay <= capacity && move_ <= capacity;
            if fits && best.is_none_or(|(least, _)| difference < least) {
                best = Some((difference, line));
            }
        }
        left = left.with(item, prefix);
    }
    best.map(|(_, line)| line)
}

/// The line that begins the right page if `line` needs more room than two pages have: it becomes the first or the last
/// of its page.
pub(super) fn beside(line: usize, count: usize) -> usize {
    line.clamp(1, count.saturating_sub(1).max(1))
}

/// What items take without a prefix, and with the one that they have.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    whole: usize,
    compressed: usize,
}

impl Size {
    fn with(self, item: &Item<'_>, prefix: &[u8]) -> Self {
        Size {
            whole: self.whole + item.cost(&[]),
            compressed: self.compressed + item.cost(prefix),
        }
    }

    fn without(self, other: Size) -> Self {
        Size {
            whole: self.whole - other.whole,
            compressed: self.compressed - other.compressed,
        }
    }

    fn least(self, prefix: &[u8]) -> usize {
        self.whole.min(self.compressed + prefix.len())
    }
}
