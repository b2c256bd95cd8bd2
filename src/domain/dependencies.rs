//! What services depend on: a failure behind a failed dependency is not their own.

use std::collections::{BTreeMap, HashSet};

/// By the name of a service, what it depends on directly.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Dependencies(pub BTreeMap<String, Vec<String>>);

impl Dependencies {
    fn direct(&self, service: &str) -> &[String] {
        self.0.get(service).map_or(&[], Vec::as_slice)
    }

    /// What a service depends on, directly and through others, the nearest first, each once. Never itself.
    pub fn of(&self, service: &str) -> Vec<String> {
        let mut seen = HashSet::from([service]);
        let mut found: Vec<&String> = Vec::new();
        let mut next = 0;
        let mut from = service;
        loop {
            found.extend(self.direct(from).iter().filter(|one| seen.insert(one.as_str())));
            let Some(one) = found.get(next) else { break };
            (from, next) = (one, next + 1);
        }
        found.into_iter().cloned().collect()
    }

    /// A way that leads from a service back to itself, that service first and last. Of several loops, one.
    pub fn find_loop(&self) -> Option<Vec<String>> {
        // Those from which no loop can be reached.
        let mut clear: HashSet<&str> = HashSet::new();
        for start in self.0.keys() {
            // The way, and at each of its services how many dependencies were followed.
            let mut way: Vec<(&str, usize)> = vec![(start, 0)];
            while let Some((service, followed)) = way.last_mut() {
                let service = *service;
                let Some(next) = self.direct(service).get(*followed) else {
                    clear.insert(service);
                    way.pop();
                    continue;
                };
                *followed += 1;
                if let Some(from) = way.iter().position(|(one, _)| one == next) {
                    let round = way[from..].iter().map(|(one, _)| (*one).to_owned());
                    return Some(round.chain([next.clone()]).collect());
                }
                if !clear.contains(next.as_str()) {
                    way.push((next, 0));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(lines: &[(&str, &[&str])]) -> Dependencies {
        let owned = |(name, on): &(&str, &[&str])| ((*name).to_owned(), on.iter().map(|s| (*s).to_owned()).collect());
        Dependencies(lines.iter().map(owned).collect())
    }

    #[test]
    fn what_a_service_depends_on_is_found_nearest_first_and_once() {
        let all = of(&[("web", &["api", "cache"]), ("api", &["db", "cache"]), ("db", &["host"])]);
        assert_eq!(all.of("web"), ["api", "cache", "db", "host"]);
        assert_eq!(all.of("host"), Vec::<String>::new());
        assert_eq!(all.find_loop(), None);
    }

    #[test]
    fn a_loop_is_named_from_its_first_service_to_its_first_service() {
        let all = of(&[("a", &["b"]), ("b", &["x", "c"]), ("c", &["d"]), ("d", &["b"]), ("x", &[])]);
        assert_eq!(all.find_loop().unwrap(), ["b", "c", "d", "b"]);
        assert_eq!(of(&[("a", &["a"])]).find_loop().unwrap(), ["a", "a"]);
    }

    proptest! {
        /// Whatever depends on whatever: both questions end, and a service depends on itself only where there is a loop.
        #[test]
        fn a_loop_is_found_where_a_service_reaches_itself(edges in proptest::collection::vec((0..12_u8, 0..12_u8), 0..24)) {
            let mut all = Dependencies::default();
            for (from, to) in &edges {
                all.0.entry(from.to_string()).or_default().push(to.to_string());
            }
            let reaches_itself = |name: &String| {
                all.direct(name).iter().any(|one| one == name || all.of(one).contains(name))
            };
            prop_assert_eq!(all.find_loop().is_some(), all.0.keys().any(reaches_itself));
            for name in all.0.keys() {
                let found = all.of(name);
                prop_assert!(!found.contains(name));
                prop_assert_eq!(found.iter().collect::<HashSet<_>>().len(), found.len());
            }
        }
    }
}
