//! Where a page is split.

use super::prefix::Item;

/// The line that begins the right page, so that both pages have room for their items and are as equally full as can be;
/// `None` if two pages are not enough. `prefix`: what the page has as prefix, which both may keep.
pub(super) fn balanced(items: &[Item<'_>], prefix: &[u8], capacity: usize) -> Option<usize> {
    let least = points(items, prefix, capacity).min_by_key(|(_, difference)| *difference);
    least.map(|(line, _)| line)
}

/// The same, but the left page is as full as can be.
pub(super) fn fullest(items: &[Item<'_>], prefix: &[u8], capacity: usize) -> Option<usize> {
    points(items, prefix, capacity).last().map(|(line, _)| line)
}

/// The line that begins the right page if `line` needs more room than two pages have: it becomes the first or the last
/// of its page.
pub(super) fn beside(line: usize, count: usize) -> usize {
    line.clamp(1, count.saturating_sub(1).max(1))
}

/// The lines that can begin the right page, and by how much both pages differ then.
fn points<'i>(
    items: &'i [Item<'_>],
    prefix: &'i [u8],
    capacity: usize,
) -> impl Iterator<Item = (usize, usize)> + 'i {
    let all = items
        .iter()
        .fold(Size::default(), |sum, item| sum.with(item, prefix));
    let before = items.iter().scan(Size::default(), move |sum, item| {
        let before = *sum;
        *sum = sum.with(item, prefix);
        Some(before)
    });
    before.enumerate().skip(1).filter_map(move |(line, left)| {
        let (stay, move_) = (left.least(prefix), all.without(left).least(prefix));
        let fits = stay <= capacity && move_ <= capacity;
        fits.then_some((line, stay.abs_diff(move_)))
    })
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
