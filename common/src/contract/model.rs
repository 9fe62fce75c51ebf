//! The states in which a run can be, and the steps from one to the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use super::{Contract, Event, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Status {
    NotStarted,
    Running,
    Ended,
}

/// Where a run stands. A chunk is one or more tasks that go to a worker together; chunks are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct State {
    /// Of each task. Can be seen.
    pub(super) tasks: Vec<Status>,
    /// How many steps main has done. Can be seen.
    pub(super) step: usize,
    /// Whether main has left the pool's scope. Can be seen.
    pub(super) left: bool,
    /// How many chunks were handed out. Cannot be seen.
    handed_out: usize,
    /// The chunks whose results have come; in the order in which they came if that makes a difference. Cannot be
    /// seen.
    pub(super) arrived: Vec<usize>,
}

/// All the states in which a run may be after what was seen of it.
pub(super) type States = BTreeSet<State>;

/// The steps: this is the contract.
impl Contract {
    /// What can happen next that is seen.
    fn seen(&self, state: &State) -> Vec<(Event, State)> {
        let mut next = Vec::new();
        let working = (1..=self.tasks).filter(|_| !state.left);
        for task in working {
            let (event, status) = match state.tasks[task - 1] {
                Status::NotStarted if self.can_start(state, task) => {
                    (Event::Start(task), Status::Running)
                }
                Status::Running => (Event::End(task), Status::Ended),
                _ => continue,
            };
            let mut after = state.clone();
            after.tasks[task - 1] = status;
            next.push((event, after));
        }
        let comes_back = match self.steps.get(state.step) {
            None => None,
            Some(Step::Passes(event)) => Some(*event),
            Some(Step::Leaves) => Some(Event::Left),
            Some(Step::Next) => self.results(state).nth(state.step).map(Event::Yield),
            Some(Step::Waits(event, tasks) | Step::WaitsForAWhile(event, tasks))
                if self.have_arrived(state, tasks) =>
            {
                Some(*event)
            }
            Some(Step::Waits(..) | Step::WaitsForAWhile(..)) if state.left => {
                Some(Event::Terminated)
            }
            Some(Step::WaitsForAWhile(..)) => Some(Event::Timeout),
            Some(Step::Waits(..)) => None,
        };
        if let Some(event) = comes_back {
            let left = state.left || event == Event::Left;
            next.push((event, State { step: state.step + 1, left, ..state.clone() }));
        }
        next
    }

    /// What can happen next that nobody sees.
    fn unseen(&self, state: &State) -> Vec<State> {
        let mut next = Vec::new();
        if state.left {
            return next;
        }
        let chunks = self.tasks.div_ceil(self.chunksize);
        let busy = state.handed_out - state.arrived.len();
        let chunk = state.handed_out;
        if chunk < chunks && busy < self.workers && self.sent_in(chunk) <= state.step {
            next.push(State { handed_out: chunk + 1, ..state.clone() });
        }
        for chunk in 0..state.handed_out {
            let ended = |task| state.tasks[task - 1] == Status::Ended;
            if self.tasks_of(chunk).all(ended) && !state.arrived.contains(&chunk) {
                let mut after = state.clone();
                after.arrived.push(chunk);
                if !self.reads_what_comes() {
                    after.arrived.sort_unstable(); // all orders are the same to main
                }
                next.push(after);
            }
        }
        next
    }

    /// Handed out, and those before it in its chunk have ended.
    fn can_start(&self, state: &State, task: usize) -> bool {
        let chunk = self.chunk_of(task);
        let mut before = *self.tasks_of(chunk).start()..task;
        chunk < state.handed_out && before.all(|task| state.tasks[task - 1] == Status::Ended)
    }

    pub(super) fn chunk_of(&self, task: usize) -> usize {
        (task - 1) / self.chunksize
    }

    pub(super) fn tasks_of(&self, chunk: usize) -> RangeInclusive<usize> {
        chunk * self.chunksize + 1..=self.tasks.min((chunk + 1) * self.chunksize)
    }

    /// In which of main's steps a chunk is sent, that is, after how many others.
    pub(super) fn sent_in(&self, chunk: usize) -> usize {
        if !self.all_at_once() {
            let call = |step: &Step| match step {
                Step::Passes(event) | Step::Waits(event, _) => event.parts().1 == Some(chunk + 1),
                _ => false,
            };
            return self.steps.iter().position(call).expect("each task has a call of its own");
        }
        let Some(items) = self.buffersize else { return 0 };
        // Each of imap's steps reads one result.
        (chunk + 1).saturating_sub((items / self.chunksize).max(1)) * self.chunksize
    }

    fn have_arrived(&self, state: &State, tasks: &RangeInclusive<usize>) -> bool {
        tasks.clone().all(|task| state.arrived.contains(&self.chunk_of(task)))
    }

    /// The tasks whose results have come, in that order.
    pub(super) fn results(&self, state: &State) -> impl Iterator<Item = usize> {
        state.arrived.iter().flat_map(|&chunk| self.tasks_of(chunk))
    }

    /// Main has done all, and so have the workers, if there still are any.
    pub(super) fn complete(&self, state: &State) -> bool {
        let idle = || state.tasks.iter().all(|&status| status == Status::Ended);
        state.step == self.steps.len() && (state.left || idle())
    }
}

/// One state after another: a run of which all is known.
impl Contract {
    pub(super) fn start_state(&self) -> State {
        State {
            tasks: vec![Status::NotStarted; self.tasks],
            step: 0,
            left: false,
            handed_out: 0,
            arrived: Vec::new(),
        }
    }

    /// Takes every step that can be taken before another task ends, and notes those that are seen. Main leaves when all
    /// tasks have ended, or when it has given up waiting for them.
    pub(super) fn hurry(&self, mut state: State, order: &mut Vec<Event>) -> State {
        loop {
            if let Some(after) = self.unseen(&state).into_iter().next() {
                state = after;
                continue;
            }
            let idle = state.tasks.iter().all(|&status| status == Status::Ended);
            let leaves = idle || order.contains(&Event::Timeout);
            let mut next = self.seen(&state);
            next.retain(|(event, _)| match event {
                Event::End(_) | Event::Timeout => false,
                Event::Left => leaves,
                _ => true,
            });
            let start = |event: &Event| matches!(event, Event::Start(_));
            let first = next.into_iter().min_by_key(|(event, _)| (start(event), *event));
            let Some((event, after)) = first else { return state };
            order.push(event);
            state = after;
        }
    }

    /// The state after the event, if it can be seen next.
    pub(super) fn step(&self, state: &State, event: Event) -> Option<State> {
        let seen = self.seen(state).into_iter();
        seen.filter(|(seen, _)| *seen == event).map(|(_, after)| after).next()
    }
}

/// Sets of states: what is known to who only sees the events.
impl Contract {
    pub(super) fn begin(&self, keep: &impl Fn(&State) -> bool) -> States {
        self.close(vec![self.start_state()], keep)
    }

    /// The states in which the run may be after the event, of those to be kept; none if it is impossible.
    pub(super) fn after(
        &self,
        states: &States,
        event: Event,
        keep: &impl Fn(&State) -> bool,
    ) -> States {
        let seen = states.iter().flat_map(|state| self.seen(state));
        let after = seen.filter(|(seen, _)| *seen == event).map(|(_, after)| after);
        self.close(after.collect(), keep)
    }

    /// What may be seen next.
    pub(super) fn next(&self, states: &States) -> BTreeSet<Event> {
        states.iter().flat_map(|state| self.seen(state)).map(|(event, _)| event).collect()
    }

    /// These states and all that can follow unseen.
    fn close(&self, states: Vec<State>, keep: &impl Fn(&State) -> bool) -> States {
        reach(states, |state| {
            let mut next = self.unseen(state);
            next.retain(keep);
            next
        })
    }
}

fn reach(mut to_do: Vec<State>, next: impl Fn(&State) -> Vec<State>) -> States {
    let mut states = States::new();
    while let Some(state) = to_do.pop() {
        if !states.contains(&state) {
            to_do.extend(next(&state));
            states.insert(state);
        }
    }
    states
}

/// All that can be seen: a path from the first node to a complete one is an order.
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
}

pub(super) struct Node {
    pub(super) next: BTreeMap<Event, usize>,
    pub(super) complete: bool,
}

impl Graph {
    /// A node has a lower number than those that follow it.
    pub(super) fn new(contract: &Contract) -> Graph {
        let mut all = vec![contract.begin(&|_| true)];
        let mut known = HashMap::from([(all[0].clone(), 0)]);
        let mut nodes = Vec::new();
        // An event starts a task, ends one or is a step of main's, so all ways to a node are equally long, and nodes
        // that are found first are numbered first.
        while nodes.len() < all.len() {
            let states = all[nodes.len()].clone();
            let mut next = BTreeMap::new();
            for event in contract.next(&states) {
                let after = contract.after(&states, event, &|_| true);
                let number = *known.entry(after).or_insert_with_key(|after| {
                    all.push(after.clone());
                    all.len() - 1
                });
                next.insert(event, number);
            }
            let complete = states.iter().any(|state| contract.complete(state));
            nodes.push(Node { next, complete });
        }
        Graph { nodes }
    }
}
