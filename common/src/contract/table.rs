//! What is guaranteed, possible and impossible, in words: the three columns of the book's tables.
//!
//! Nothing here knows what a call promises. All is read from the set of its orders.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Graph;
use super::reasons::{list, number, some_of};
use super::{Contract, Event};

/// How often one event comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// In every order that has both.
    Always,
    /// In some orders, and in others it is the other way round.
    Sometimes,
    /// In none.
    Never,
}

/// The sentences.
impl Contract {
    /// How often `first` comes before `second`, in all orders that have both.
    ///
    /// ```
    /// use common::contract::{Before, Contract, Event::*};
    ///
    /// let map = Contract::map(4, 2);
    /// assert_eq!(map.before(End(4), Return(None)), Before::Always);
    /// assert_eq!(map.before(Start(2), Start(1)), Before::Sometimes);
    /// assert_eq!(map.before(End(2), Start(2)), Before::Never);
    /// ```
    pub fn before(&self, first: Event, second: Event) -> Before {
        Facts::of(self).before(first, second)
    }

    /// What is so in every run.
    ///
    /// ```
    /// use common::contract::Contract;
    ///
    /// let map = Contract::map(3, 2);
    /// assert_eq!(
    ///     map.guaranteed(),
    ///     [
    ///         "start i comes before end i, for every task i",
    ///         "return comes after end 1, end 2 and end 3",
    ///         "start 3 comes after end 1 or end 2",
    ///     ]
    /// );
    /// ```
    pub fn guaranteed(&self) -> Vec<String> {
        Facts::of(self).rules().iter().map(Rule::holds).collect()
    }

    /// What is so in some runs, and in others not.
    ///
    /// ```
    /// use common::contract::Contract;
    ///
    /// let map = Contract::map(3, 2);
    /// assert_eq!(
    ///     map.possible(),
    ///     [
    ///         "any two starts may come in either order",
    ///         "start i may come before or after end j, for any two tasks i and j",
    ///         "any two ends may come in either order",
    ///     ]
    /// );
    /// ```
    pub fn possible(&self) -> Vec<String> {
        Facts::of(self).open()
    }

    /// What is so in no run: the same as [`guaranteed`](Contract::guaranteed), seen from the other side.
    ///
    /// ```
    /// use common::contract::Contract;
    ///
    /// let map = Contract::map(3, 2);
    /// assert_eq!(
    ///     map.impossible(),
    ///     [
    ///         "end i before start i",
    ///         "return before end 1, end 2 or end 3",
    ///         "start 3 before both end 1 and end 2",
    ///     ]
    /// );
    /// ```
    pub fn impossible(&self) -> Vec<String> {
        let facts = Facts::of(self);
        facts.rules().iter().map(Rule::broken).chain(facts.exclusive()).collect()
    }
}

/// What is true of all orders of a contract.
struct Facts {
    events: BTreeSet<Event>,
    /// Pairs of which the first comes before the second in some order.
    pairs: BTreeSet<(Event, Event)>,
    /// For each event, all the sets of events after which it can come.
    after: BTreeMap<Event, BTreeSet<BTreeSet<Event>>>,
    /// Events that some orders do not have.
    missing: BTreeSet<Event>,
}

impl Facts {
    fn of(contract: &Contract) -> Facts {
        let Graph { nodes } = Graph::new(contract);
        // What was seen on the ways to a node. Different ways have seen the same tasks, but perhaps a
        // timeout in place of a result. The nodes are sorted: a way leads to ever higher ones.
        let mut seen = vec![BTreeSet::new(); nodes.len()];
        seen[0].insert(BTreeSet::new());
        let mut facts = Facts {
            events: BTreeSet::new(),
            pairs: BTreeSet::new(),
            after: BTreeMap::new(),
            missing: BTreeSet::new(),
        };
        let mut complete = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let ways = std::mem::take(&mut seen[index]);
            for (&event, &next) in &node.next {
                facts.events.insert(event);
                facts.after.entry(event).or_default().extend(ways.iter().cloned());
                for before in &ways {
                    facts.pairs.extend(before.iter().map(|&before| (before, event)));
                    seen[next].insert(before.iter().copied().chain([event]).collect());
                }
            }
            if node.complete {
                complete.extend(ways);
            }
        }
        let all = |event: &&Event| complete.iter().all(|order| order.contains(event));
        facts.missing = facts.events.iter().filter(|event| !all(event)).copied().collect();
        facts
    }

    fn before(&self, first: Event, second: Event) -> Before {
        match (self.pairs.contains(&(first, second)), self.pairs.contains(&(second, first))) {
            (true, true) => Before::Sometimes,
            (true, false) => Before::Always,
            (false, _) => Before::Never,
        }
    }

    /// Whether an order that has `second` has `first` before it.
    fn needs(&self, second: Event, first: Event) -> bool {
        self.after[&second].iter().all(|before| before.contains(&first))
    }

    fn rules(&self) -> Vec<Rule> {
        let needed = |&(first, second): &(Event, Event)| self.needs(second, first);
        let direct = |&(first, last): &(Event, Event)| {
            let between = |&event: &Event| needed(&(first, event)) && needed(&(event, last));
            !self.events.iter().any(between)
        };
        let pairs = self.pairs.iter().copied();
        let mut pairs = pairs.filter(needed).filter(direct).collect::<BTreeSet<_>>();

        // Rules that say the same of every task.
        let mut rules = Vec::new();
        for (first, second) in self.kinds() {
            for distance in [0, 1] {
                let all = self.all_pairs(first, second, |i, j| i + distance == j);
                if all.len() > 1 && all.is_subset(&pairs) {
                    pairs.retain(|pair| !all.contains(pair));
                    rules.push(match (distance, first == second) {
                        (0, _) => Rule::Each(first, second),
                        (_, true) => Rule::InOrder(self.of_kind(first).collect()),
                        (_, false) => Rule::EachNext(first, second),
                    });
                }
            }
        }
        // Rules about a certain event.
        for &event in &self.events {
            let first = pairs.iter().filter(|pair| pair.1 == event).map(|pair| pair.0);
            let first = first.collect::<Vec<_>>();
            if !first.is_empty() {
                rules.push(Rule::After(event, first.len(), first));
            }
        }
        rules.extend(self.choices());
        for &event in &self.events {
            let never_after = |&other: &Event| {
                self.before(other, event) == Before::Always && !self.needs(event, other)
            };
            let others = self.events.iter().copied().filter(never_after).collect::<BTreeSet<_>>();
            if !others.is_empty() {
                rules.push(Rule::NoneAfter(event, self.names(&others, "")));
            }
        }
        rules
    }

    /// Events that come after one or some of others, no matter which: "start 3 comes after end 1 or end 2".
    fn choices(&self) -> Vec<Rule> {
        let mut rules = Vec::new();
        for kind in ["end", "yield"] {
            let mut known = Vec::new();
            for (&event, after) in &self.after {
                let open = |first: &Event| first.parts().0 == kind && !self.needs(event, *first);
                let sets = after.iter().map(|set| set.iter().copied().filter(open).collect());
                let sets = sets.collect::<BTreeSet<BTreeSet<Event>>>();
                let needed = sets.iter().map(BTreeSet::len).min().unwrap_or_default();
                if needed > 0 {
                    known.push((event, needed, sets));
                }
            }
            for (event, needed, sets) in &known {
                // What "end 3" needs because "start 3" needs it, need not be said again.
                let follows = |(first, n, _): &(Event, usize, _)| {
                    n >= needed && first != event && self.needs(*event, *first)
                };
                let smallest = sets.iter().filter(|set| set.len() == *needed);
                let of = smallest.flatten().copied().collect::<BTreeSet<_>>();
                let enough = |set: &BTreeSet<Event>| set.intersection(&of).count() >= *needed;
                if !known.iter().any(follows) && sets.iter().all(enough) {
                    rules.push(Rule::After(*event, *needed, of.into_iter().collect()));
                }
            }
        }
        rules
    }

    /// Events that no order has both of.
    fn exclusive(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for (&first, &second) in self.all_events_twice() {
            let pairs = [(first, second), (second, first)];
            if first < second && !pairs.iter().any(|pair| self.pairs.contains(pair)) {
                sentences.push(format!("{first} and {second} in one run"));
            }
        }
        sentences
    }

    /// What may be so or so.
    fn open(&self) -> Vec<String> {
        let open = |&(a, b): &(Event, Event)| a < b && self.before(a, b) == Before::Sometimes;
        let mut pairs = self.pairs.iter().copied().filter(open).collect::<BTreeSet<_>>();
        let mut sentences = Vec::new();
        for (a, b) in self.kinds().filter(|&(a, b)| self.first(a) <= self.first(b)) {
            if a == b {
                let all = self.all_pairs(a, b, |i, j| i < j);
                if !all.is_empty() && all.is_subset(&pairs) {
                    pairs.retain(|pair| !all.contains(pair));
                    sentences.push(match all.first() {
                        Some((i, j)) if all.len() == 1 => {
                            format!("{i} and {j} may come in either order")
                        }
                        _ => format!("any two {a}s may come in either order"),
                    });
                }
                continue;
            }
            let mut holds = |relation: fn(usize, usize) -> bool| {
                let all = self.all_pairs(a, b, relation);
                let holds = all.len() > 1 && all.is_subset(&pairs);
                if holds {
                    pairs.retain(|pair| !all.contains(pair));
                }
                holds
            };
            let so = |i, j, of| format!("{a} {i} may come before or after {b} {j}, for {of}");
            if holds(|_, _| true) {
                sentences.push(so("i", "j", "any tasks i and j, the same or two"));
            } else if holds(|i, j| i != j) {
                sentences.push(so("i", "j", "any two tasks i and j"));
            }
            if holds(|i, j| i == j) {
                sentences.push(so("i", "i", "every task i"));
            }
            if holds(|i, j| i < j) {
                sentences.push(so("i", "j", "any two tasks i < j"));
            }
            if holds(|i, j| i > j) {
                sentences.push(so("i", "j", "any two tasks i > j"));
            }
        }
        for &event in &self.events {
            let others = pairs.iter().filter(|pair| pair.1 == event).map(|pair| pair.0);
            let others = others.collect::<BTreeSet<_>>();
            if !others.is_empty() {
                let others = list(&self.names(&others, "any "), "and");
                sentences.push(format!("{event} may come before or after {others}"));
            }
        }
        if !self.missing.is_empty() {
            let missing = list(&self.names(&self.missing, "any "), "and");
            sentences.push(format!("{missing} may be missing"));
        }
        sentences
    }
}

/// Ways to speak of many events at once.
impl Facts {
    /// All pairs of names of events with a number: ("start", "end").
    fn kinds(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let kinds = self.events.iter().filter(|event| event.parts().1.is_some());
        let mut kinds = kinds.map(|event| event.parts().0).collect::<Vec<_>>();
        kinds.dedup();
        let second = kinds.clone();
        kinds.into_iter().flat_map(move |a| second.clone().into_iter().map(move |b| (a, b)))
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = Event> {
        self.events.iter().copied().filter(move |event| event.parts().0 == kind)
    }

    fn first(&self, kind: &str) -> Option<Event> {
        self.of_kind(kind).next()
    }

    fn all_events_twice(&self) -> impl Iterator<Item = (&Event, &Event)> {
        self.events.iter().flat_map(|a| self.events.iter().map(move |b| (a, b)))
    }

    /// All pairs of these kinds whose numbers are so related.
    fn all_pairs(
        &self,
        a: &str,
        b: &str,
        relation: impl Fn(usize, usize) -> bool,
    ) -> BTreeSet<(Event, Event)> {
        let is = |event: &Event, kind: &str, number: &mut usize| {
            *number = event.parts().1.unwrap_or_default();
            event.parts().0 == kind
        };
        let (mut i, mut j) = (0, 0);
        let pairs = self.all_events_twice();
        let pairs = pairs.filter(|(x, y)| is(x, a, &mut i) && is(y, b, &mut j) && relation(i, j));
        pairs.map(|(&x, &y)| (x, y)).collect()
    }

    /// "start" if all starts are among the events, "start 1" if not; with `all` before what stands for many.
    fn names(&self, events: &BTreeSet<Event>, all: &str) -> Vec<String> {
        let mut names = Vec::new();
        for &event in events {
            let kind = event.parts().0;
            let many = self.of_kind(kind).count() > 1;
            let name = match many && self.of_kind(kind).all(|event| events.contains(&event)) {
                true => format!("{all}{kind}"),
                false => event.to_string(),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// Something that is so in every run.
enum Rule {
    /// The first comes before the second, for each task.
    Each(&'static str, &'static str),
    /// The first comes before the second of the next task.
    EachNext(&'static str, &'static str),
    InOrder(Vec<Event>),
    /// The event comes after so many of these, or more.
    After(Event, usize, Vec<Event>),
    /// These do not come after the event.
    NoneAfter(Event, Vec<String>),
}

impl Rule {
    fn holds(&self) -> String {
        match self {
            Rule::Each(a, b) => format!("{a} i comes before {b} i, for every task i"),
            Rule::EachNext(a, b) => {
                format!("{a} i comes before {b} i+1, for every task i but the last")
            }
            Rule::InOrder(events) => format!("{} come in this order", list(events, "and")),
            Rule::After(event, needed, of) => {
                format!("{event} comes after {}", some_of(*needed, of))
            }
            Rule::NoneAfter(event, others) => {
                let others = others.iter().map(|other| format!("no {other}")).collect::<Vec<_>>();
                format!("after {event} comes {}", list(&others, "and"))
            }
        }
    }

    /// The same rule, by what would break it.
    fn broken(&self) -> String {
        match self {
            Rule::Each(a, b) => format!("{b} i before {a} i"),
            Rule::EachNext(a, b) => format!("{b} i+1 before {a} i"),
            Rule::InOrder(events) => format!("{} in another order", list(events, "and")),
            Rule::After(event, needed, of) => {
                let others = list(of, "and");
                match (*needed, of.len()) {
                    (n, all) if n == all => format!("{event} before {}", list(of, "or")),
                    (1, 2) => format!("{event} before both {others}"),
                    (1, _) => format!("{event} before all of {others}"),
                    (n, all) => format!("{event} before {} of {others}", number(all - n + 1)),
                }
            }
            Rule::NoneAfter(event, others) => format!("{} after {event}", list(others, "or")),
        }
    }
}
