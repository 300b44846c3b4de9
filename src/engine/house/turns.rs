//! The line before the intake: each municipality's files in their order, the municipalities by turns, so that a
//! flood in one outbox folder delays nobody else's query. Start with [`Turns`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::domain::identity::Route;
use crate::outbox::Ripe;
use crate::outbox::claim::Spooled;

/// A file that is to be taken.
pub(super) enum ToTake {
    Ripe(Ripe),
    Spooled(Spooled),
}

impl ToTake {
    /// Where the file is.
    pub fn path(&self) -> PathBuf {
        match self {
            ToTake::Ripe(ripe) => ripe.path.clone(),
            ToTake::Spooled(spooled) => spooled.path(),
        }
    }

    /// Bytes. None: not known.
    pub fn size(&self) -> Option<u64> {
        match self {
            ToTake::Ripe(ripe) => Some(ripe.stamp.size),
            ToTake::Spooled(spooled) => spooled.claimed_as.map(|stamp| stamp.size),
        }
    }

    pub fn route(&self) -> &Route {
        match self {
            ToTake::Ripe(ripe) => &ripe.route,
            ToTake::Spooled(spooled) => &spooled.route,
        }
    }
}

/// What is to be taken. No step looks at more than one file of it.
#[derive(Default)]
pub(super) struct Turns {
    lines: HashMap<Route, VecDeque<ToTake>>,
    /// The routes that have a line, the next one first.
    order: VecDeque<Route>,
    /// Where the files are.
    paths: HashSet<PathBuf>,
}

impl Turns {
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    pub fn contains(&self, path: &Path) -> bool {
        self.paths.contains(path)
    }

    /// Behind the others of its route. A file that stands in line already keeps its place.
    pub fn push_back(&mut self, next: ToTake) {
        if let Some(line) = self.line_for(&next) {
            line.push_back(next);
        }
    }

    /// Before the others of its route.
    pub fn push_front(&mut self, next: ToTake) {
        if let Some(line) = self.line_for(&next) {
            line.push_front(next);
        }
    }

    /// The next file of the route whose turn it is, of those that may be taken.
    pub fn pop(&mut self, may_be_taken: impl Fn(&ToTake) -> bool) -> Option<ToTake> {
        let first_of = |route: &Route| self.lines.get(route)?.iter().position(&may_be_taken);
        let (turn, place) = self.order.iter().enumerate().find_map(|(turn, route)| Some((turn, first_of(route)?)))?;
        let route = self.order.remove(turn)?;
        let line = self.lines.get_mut(&route)?;
        let next = line.remove(place);
        if line.is_empty() {
            self.lines.remove(&route);
        } else {
            self.order.push_back(route);
        }
        if let Some(next) = &next {
            self.paths.remove(&next.path());
        }
        next
    }

    /// None: the file stands in line already.
    fn line_for(&mut self, next: &ToTake) -> Option<&mut VecDeque<ToTake>> {
        if !self.paths.insert(next.path()) {
            return None;
        }
        let route = next.route();
        if !self.lines.contains_key(route) {
            self.order.push_back(route.clone());
        }
        Some(self.lines.entry(route.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(municipality: &str, name: &str) -> ToTake {
        let route = Route { exchange: "sf2530".parse().unwrap(), municipality: municipality.parse().unwrap() };
        ToTake::Spooled(Spooled {
            id: "3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".parse().unwrap(),
            route,
            spool: "/spool".into(),
            spool_name: name.to_owned(),
            original_name: name.to_owned(),
            claimed_as: None,
        })
    }

    fn names(turns: &mut Turns) -> Vec<String> {
        std::iter::from_fn(|| turns.pop(|_| true)).map(|next| next.path().display().to_string()).collect()
    }

    #[test]
    fn a_flood_of_one_municipality_delays_no_other_by_more_than_one_file() {
        let mut turns = Turns::default();
        (0..1_000).for_each(|number| turns.push_back(file("0751", &format!("flood-{number:04}"))));
        turns.push_back(file("0101", "good"));

        let taken = names(&mut turns);

        assert_eq!(taken[..3], ["/spool/flood-0000", "/spool/good", "/spool/flood-0001"]);
        assert_eq!(taken.len(), 1_001);
        assert!(taken[2..].is_sorted(), "each municipality's files keep their order");
    }

    #[test]
    fn a_file_stands_in_line_once_and_may_come_again_when_it_was_taken() {
        let mut turns = Turns::default();
        turns.push_back(file("0751", "b"));
        turns.push_back(file("0751", "b"));
        turns.push_front(file("0751", "a"));
        assert!(turns.contains(Path::new("/spool/a")));

        assert_eq!(names(&mut turns), ["/spool/a", "/spool/b"]);

        assert!(!turns.contains(Path::new("/spool/a")));
        turns.push_back(file("0751", "a"));
        assert_eq!(names(&mut turns), ["/spool/a"]);
    }

    #[test]
    fn what_may_not_be_taken_keeps_its_place_and_holds_back_nothing_else() {
        let mut turns = Turns::default();
        ["a", "b"].iter().for_each(|name| turns.push_back(file("0751", name)));
        turns.push_back(file("0101", "c"));

        let is_c = |next: &ToTake| next.path() == Path::new("/spool/c");
        assert_eq!(turns.pop(is_c).map(|next| next.path()), Some("/spool/c".into()));
        assert!(turns.pop(is_c).is_none());

        assert_eq!(names(&mut turns), ["/spool/a", "/spool/b"]);
    }
}
