//! The files that are being claimed and copied, side by side so that they share what a sync of the disk costs. What they
//! come to is decided upon in the order in which they stood in line, route by route, so that which of two queries is the
//! second one does not hang on whose copy was quicker. Start with [`Takes`].

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::domain::identity::Route;

/// Files at work at once: enough that they share each flush of a slow disk. Each opens three at a time, of the thousand
/// that a process may open.
const TAKES_MAX: usize = 64;

/// A file above this is taken beside no other of its kind, since a whole query is read into memory.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// Whether it may take much memory. `size`: None where it is not known.
pub(super) fn is_large(size: Option<u64>) -> bool {
    size.is_none_or(|size| size > SMALL_BYTES_MAX)
}

/// What is being taken, in its order; `T` is what a take comes to.
pub(super) struct Takes<T> {
    line: VecDeque<Take<T>>,
    /// Where the files were.
    paths: HashSet<PathBuf>,
}

struct Take<T> {
    /// Where the file was before.
    from: PathBuf,
    route: Route,
    is_large: bool,
    /// None: still at work.
    came_to: Option<T>,
}

impl<T> Default for Takes<T> {
    fn default() -> Self {
        Takes { line: VecDeque::new(), paths: HashSet::new() }
    }
}

impl<T> Takes<T> {
    pub fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.line.len() >= TAKES_MAX
    }

    pub fn has_large(&self) -> bool {
        self.line.iter().any(|take| take.is_large)
    }

    pub fn contains(&self, from: &Path) -> bool {
        self.paths.contains(from)
    }

    pub fn begin(&mut self, from: PathBuf, route: Route, is_large: bool) {
        self.paths.insert(from.clone());
        self.line.push_back(Take { from, route, is_large, came_to: None });
    }

    /// Keeps what the take of this file came to.
    pub fn note(&mut self, from: &Path, came_to: T) {
        if let Some(take) = self.line.iter_mut().find(|take| take.from == from) {
            take.came_to = Some(came_to);
        }
    }

    /// Nothing came of it, and nothing will.
    pub fn forget(&mut self, from: &Path) {
        self.paths.remove(from);
        self.line.retain(|take| take.from != from);
    }

    /// The next one to decide upon: at its end, and behind none of its route that is still at work.
    pub fn next_settled(&mut self) -> Option<(PathBuf, T)> {
        let is_behind = |place: usize| {
            let route = &self.line[place].route;
            self.line.iter().take(place).any(|before| before.came_to.is_none() && before.route == *route)
        };
        let mut settled = (0..self.line.len()).filter(|place| self.line[*place].came_to.is_some());
        let place = settled.find(|place| !is_behind(*place))?;
        let take = self.line.remove(place)?;
        self.paths.remove(&take.from);
        Some((take.from, take.came_to?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_work(files: &[(&str, &str)]) -> Takes<&'static str> {
        let mut takes = Takes::default();
        for (municipality, name) in files {
            let route = Route { exchange: "sf2530".parse().unwrap(), municipality: municipality.parse().unwrap() };
            takes.begin(PathBuf::from(name), route, false);
        }
        takes
    }

    fn settled(takes: &mut Takes<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| takes.next_settled()).map(|(_, came_to)| came_to).collect()
    }

    #[test]
    fn the_files_of_a_route_are_decided_upon_in_their_order_however_quick_their_copies_are() {
        let mut takes = at_work(&[("0751", "a"), ("0751", "b"), ("0101", "c"), ("0751", "d")]);

        takes.note(Path::new("d"), "d");
        takes.note(Path::new("b"), "b");
        assert_eq!(settled(&mut takes), Vec::<&str>::new());

        takes.note(Path::new("c"), "c");
        assert_eq!(settled(&mut takes), ["c"], "another municipality's waits for nobody");

        takes.note(Path::new("a"), "a");
        assert_eq!(settled(&mut takes), ["a", "b", "d"]);
        assert!(takes.is_empty());
    }

    #[test]
    fn a_take_that_broke_off_holds_up_none_behind_it() {
        let mut takes = at_work(&[("0751", "a"), ("0751", "b")]);
        takes.note(Path::new("b"), "b");

        takes.forget(Path::new("a"));

        assert_eq!(settled(&mut takes), ["b"]);
    }
}
