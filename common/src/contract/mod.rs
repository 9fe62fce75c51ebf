//! The ordering contract: every order in which the events of a call can be seen.
//!
//! Run `map` twice and the lines may come in two orders. Which orders can there be? A [`Contract`] knows them all,
//! for one call, so many tasks and so many workers:
//!
//! ```
//! use common::contract::{Contract, orders};
//!
//! let map = Contract::map(2, 1); // two tasks, one worker
//! assert_eq!(map.orders(), orders("start 1, end 1, start 2, end 2, return"));
//! assert_eq!(Contract::map(2, 2).count(), 6);
//!
//! // And of an order that cannot be, it says why.
//! let order = &orders("start 1, start 2, end 1, end 2, return")[0];
//! let impossible = map.check(order).unwrap_err();
//! assert_eq!(
//!     impossible.to_string(),
//!     "start 2 while the only worker was busy: task 1 comes first and has not ended"
//! );
//! ```
//!
//! The contract is made from what the calls promise, and knows nothing of how the pool keeps it. The promises:
//!
//! 1. A worker runs one task at a time, or one chunk, from front to back.
//! 2. Tasks are handed out in the order of the input, each to a worker that is free.
//! 3. A task says that it ends before its result is sent, and its worker is free when that has been sent.
//! 4. Main makes its calls one after another. What each of them waits for is in the table below.
//! 5. When main has left the pool's scope, no worker does anything.
//!
//! | main has seen | when |
//! |---|---|
//! | `return` of `map`, `starmap` | all results have come |
//! | `return 2` of `apply` | result 2 has come |
//! | `return` of an asynchronous call, `started 2` | at once |
//! | `yield 2` of `imap` | result 2 has come, after `yield 1` |
//! | `yield 2` of `imap_unordered` | result 2 has come, after all that came before it |
//! | `got`, `waited`, `joined` | the result has come, or all have |
//! | `timeout` | at any time while the result has not come |
//!
//! Two things happen that nobody sees: a task is *handed out*, and its result *comes*. So "start 2" may be seen before
//! "start 1", although task 1 was handed out first; and `imap_unordered` may yield 1 before 2, although "end 2"
//! was seen before "end 1". The model takes these two steps whenever they are possible, keeps all the states in
//! which a run may be after what was seen of it, and allows what one of them allows.
//!
//! * `event`: what can be seen
//! * this file: the calls, and what can be asked of a contract
//! * `model`: the states and the steps, that is, the promises above
//! * `reasons`: why an order is impossible, in words
//! * `table`: what is guaranteed, possible and impossible, in words

mod event;
mod model;
mod reasons;
mod table;

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;

pub use event::{Event, NotAnEvent};
use model::{Graph, State};
pub(crate) use reasons::list;
pub use table::Before;

/// All orders of events of one call, or of one loop of calls, and what main does afterwards.
///
/// It is written like the program it is about:
///
/// ```
/// use common::contract::Contract;
///
/// Contract::map(4, 2); // pool of 2, map over 4 items
/// Contract::imap(4, 2).chunksize(2).buffersize(2);
/// Contract::apply_async(4, 2).get(); // four calls, then four times get()
/// Contract::map_async(5, 5).get_timeout().leave(); // get(timeout=2), then the end of `with`
/// Contract::map_async(5, 5).wait().leave().get_timeout();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    call: &'static str,
    tasks: usize,
    workers: usize,
    chunksize: usize,
    /// How many items main may have sent and not read, if that is bounded.
    buffersize: Option<usize>,
    /// What main does.
    steps: Vec<Step>,
}

/// Something that main does, and how it comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// At once.
    Passes(Event),
    /// When the results of these tasks have come.
    Waits(Event, RangeInclusive<usize>),
    /// The same, or before that with [`Event::Timeout`].
    WaitsForAWhile(Event, RangeInclusive<usize>),
    /// With the result that comes next, whichever it is.
    Next,
    /// When the workers are gone.
    Leaves,
}

/// The calls.
impl Contract {
    fn new(call: &'static str, tasks: usize, workers: usize, steps: Vec<Step>) -> Contract {
        assert!(workers > 0, "a pool has at least one worker");
        Contract { call, tasks, workers, chunksize: 1, buffersize: None, steps }
    }

    /// With the chunk size that Python and the pool choose: a quarter of each worker's share, rounded up.
    fn in_chunks(self) -> Contract {
        Contract { chunksize: self.tasks.div_ceil(4 * self.workers).max(1), ..self }
    }

    /// `start` for each of so many processes, then `join` for each. It is `apply_async` and `get` with a
    /// worker for each task.
    pub fn process(processes: usize) -> Contract {
        let starts = (1..=processes).map(|i| Step::Passes(Event::Started(i)));
        let joins = (1..=processes).map(|i| Step::Waits(Event::Joined(i), i..=i));
        Contract::new("start", processes, processes.max(1), starts.chain(joins).collect())
    }

    /// `map` over so many items.
    ///
    /// # Panics
    ///
    /// This and the other calls: if there are no workers.
    pub fn map(tasks: usize, workers: usize) -> Contract {
        let steps = vec![Step::Waits(Event::Return(None), 1..=tasks)];
        Contract::new("map", tasks, workers, steps).in_chunks()
    }

    /// `starmap` over so many items. Its orders are those of `map`.
    pub fn starmap(tasks: usize, workers: usize) -> Contract {
        Contract { call: "starmap", ..Contract::map(tasks, workers) }
    }

    /// `imap` over so many items, read to its end. It is at most 8 chunks for each worker ahead of its
    /// reader; Python's `imap`, which has no bound, is `imap(…).buffersize(usize::MAX)`.
    pub fn imap(tasks: usize, workers: usize) -> Contract {
        let steps = (1..=tasks).map(|i| Step::Waits(Event::Yield(i), i..=i)).collect();
        let buffersize = Some(8 * workers);
        Contract { buffersize, ..Contract::new("imap", tasks, workers, steps) }
    }

    /// `imap_unordered` over so many items, read to its end.
    pub fn imap_unordered(tasks: usize, workers: usize) -> Contract {
        let steps = vec![Step::Next; tasks];
        Contract { call: "imap_unordered", steps, ..Contract::imap(tasks, workers) }
    }

    /// `apply` in a loop, so many times.
    pub fn apply(tasks: usize, workers: usize) -> Contract {
        let steps = (1..=tasks).map(|i| Step::Waits(Event::Return(Some(i)), i..=i));
        Contract::new("apply", tasks, workers, steps.collect())
    }

    /// `map_async` over so many items.
    pub fn map_async(tasks: usize, workers: usize) -> Contract {
        let steps = vec![Step::Passes(Event::Return(None))];
        Contract::new("map_async", tasks, workers, steps).in_chunks()
    }

    /// `starmap_async` over so many items. Its orders are those of `map_async`.
    pub fn starmap_async(tasks: usize, workers: usize) -> Contract {
        Contract { call: "starmap_async", ..Contract::map_async(tasks, workers) }
    }

    /// `apply_async` in a loop, so many times.
    pub fn apply_async(tasks: usize, workers: usize) -> Contract {
        let steps = (1..=tasks).map(|i| Step::Passes(Event::Return(Some(i))));
        Contract::new("apply_async", tasks, workers, steps.collect())
    }

    /// `apply_async` in a loop, so many times, with a `wait` inside the loop.
    pub fn apply_async_wait(tasks: usize, workers: usize) -> Contract {
        let both = |i| {
            let event = Some(i);
            [Step::Passes(Event::Return(event)), Step::Waits(Event::Waited(event), i..=i)]
        };
        Contract::new("apply_async", tasks, workers, (1..=tasks).flat_map(both).collect())
    }
}

/// Options, and what main does after the call.
impl Contract {
    /// So many items are one task for a worker.
    ///
    /// # Panics
    ///
    /// If the size is 0, or if a call of the contract has only one item.
    pub fn chunksize(self, items: usize) -> Contract {
        assert!(items > 0, "chunksize must be at least 1");
        assert!(self.all_at_once(), "{} sends one item: there are no chunks", self.call);
        let buffersize = self.buffersize.map(|_| items.saturating_mul(8 * self.workers));
        Contract { chunksize: items, buffersize, ..self }
    }

    /// So many items may `imap` have taken from its input ahead of what was read, in whole chunks, at least one. Say
    /// it after [`chunksize`](Contract::chunksize).
    ///
    /// # Panics
    ///
    /// If the size is 0, or if the call is not `imap` or `imap_unordered`.
    pub fn buffersize(self, items: usize) -> Contract {
        assert!(items > 0, "buffersize must be at least 1");
        assert!(self.buffersize.is_some(), "{} has no buffersize", self.call);
        Contract { buffersize: Some(items), ..self }
    }

    /// Then `get` for each handle.
    ///
    /// # Panics
    ///
    /// This, `wait` and `get_timeout`: if the call gives no handle.
    pub fn get(self) -> Contract {
        self.for_each_handle(|of, tasks| Step::Waits(Event::Got(of), tasks))
    }

    /// Then `wait` for each handle.
    pub fn wait(self) -> Contract {
        self.for_each_handle(|of, tasks| Step::Waits(Event::Waited(of), tasks))
    }

    /// Then `get` with a timeout for each handle. How long that is, is not in the contract: the result may
    /// come before or not.
    pub fn get_timeout(self) -> Contract {
        self.for_each_handle(|of, tasks| Step::WaitsForAWhile(Event::Got(of), tasks))
    }

    /// Then the end of the pool's scope, which ends the workers. What main asks for after it, it gets if the result had
    /// come; [`Event::Terminated`] if not, where Python waits for ever.
    ///
    /// # Panics
    ///
    /// If there is no pool.
    pub fn leave(mut self) -> Contract {
        assert!(self.call != "start", "processes have no pool to leave");
        self.steps.push(Step::Leaves);
        self
    }

    fn for_each_handle(
        mut self,
        step: impl Fn(Option<usize>, RangeInclusive<usize>) -> Step,
    ) -> Contract {
        assert!(self.call.ends_with("_async"), "{} gives no handle to ask", self.call);
        match self.all_at_once() {
            true => self.steps.push(step(None, 1..=self.tasks)),
            false => self.steps.extend((1..=self.tasks).map(|i| step(Some(i), i..=i))),
        }
        self
    }

    /// Whether one call has all items.
    fn all_at_once(&self) -> bool {
        self.call != "start" && !self.call.starts_with("apply")
    }

    /// Whether the order of main's reading is that in which the results come.
    pub(crate) fn reads_what_comes(&self) -> bool {
        self.steps.contains(&Step::Next)
    }
}

/// What can be asked.
impl Contract {
    /// All orders, sorted. There are soon very many: [`count`](Contract::count) first.
    ///
    /// ```
    /// use common::contract::{Contract, orders};
    ///
    /// let apply = Contract::apply(2, 2); // two workers, and yet:
    /// assert_eq!(apply.orders(), orders("start 1, end 1, return 1, start 2, end 2, return 2"));
    /// ```
    pub fn orders(&self) -> Vec<Vec<Event>> {
        fn walk(graph: &Graph, node: usize, so_far: &mut Vec<Event>, orders: &mut Vec<Vec<Event>>) {
            if graph.nodes[node].complete {
                orders.push(so_far.clone());
            }
            for (&event, &next) in &graph.nodes[node].next {
                so_far.push(event);
                walk(graph, next, so_far, orders);
                so_far.pop();
            }
        }
        let mut orders = Vec::new();
        walk(&Graph::new(self), 0, &mut Vec::new(), &mut orders);
        orders
    }

    /// How many orders there are, without making them.
    ///
    /// ```
    /// use common::contract::Contract;
    ///
    /// assert_eq!(Contract::map(8, 1).count(), 1);
    /// assert_eq!(Contract::map(8, 2).count(), 24_576);
    /// ```
    pub fn count(&self) -> u128 {
        fn from(graph: &Graph, node: usize, known: &mut HashMap<usize, u128>) -> u128 {
            if let Some(&count) = known.get(&node) {
                return count;
            }
            let Graph { nodes } = graph;
            let onward = nodes[node].next.values().map(|&next| from(graph, next, known));
            let count = onward.sum::<u128>() + u128::from(nodes[node].complete);
            known.insert(node, count);
            count
        }
        from(&Graph::new(self), 0, &mut HashMap::new())
    }

    /// Whether a run may show these events in this order, from its first to its last.
    ///
    /// # Errors
    ///
    /// The first event that cannot be where it is, and why.
    ///
    /// ```
    /// use common::contract::{Contract, orders};
    ///
    /// let order = &orders("start 2, end 2, start 1, end 1, yield 2, yield 1")[0];
    /// assert_eq!(Contract::imap_unordered(2, 2).check(order), Ok(()));
    ///
    /// let impossible = Contract::imap(2, 2).check(order).unwrap_err();
    /// assert_eq!(impossible.position, 4); // counted from 0
    /// assert_eq!(impossible.reason, "yield 2 before yield 1: imap yields in input order");
    /// ```
    pub fn check(&self, order: &[Event]) -> Result<(), Impossible> {
        if !self.reads_what_comes() {
            return self.follow(order, |_| true);
        }
        // Main reads results in the order in which they come. While it lags behind, they may have come in any order,
        // and that is a great many states; only one order agrees with what main reads in the end.
        let read = |event: &Event| if let Event::Yield(task) = event { Some(*task) } else { None };
        let read: Vec<usize> = order.iter().filter_map(read).collect();
        let agrees =
            |state: &State| self.results(state).zip(&read).all(|(came, read)| came == *read);
        // Why an order is impossible is to be told from what was seen up to there.
        self.follow(order, agrees).or_else(|_| self.follow(order, |_| true))
    }

    /// Goes through the order, with the states that lead on.
    fn follow(&self, order: &[Event], leads_on: impl Fn(&State) -> bool) -> Result<(), Impossible> {
        let mut states = self.begin(&leads_on);
        for (position, &event) in order.iter().enumerate() {
            let next = self.after(&states, event, &leads_on);
            if next.is_empty() {
                let reason = self.why_not(&order[..position], &states, event);
                return Err(Impossible { position, reason });
            }
            states = next;
        }
        match states.iter().any(|state| self.complete(state)) {
            true => Ok(()),
            false => {
                Err(Impossible { position: order.len(), reason: self.what_is_missing(&states) })
            }
        }
    }

    /// Whether the tasks can end in this order, the first that ends named first: what `--finish 2,3,1,4` asks for.
    ///
    /// # Errors
    ///
    /// The first task that cannot, and why; or that these are not all the tasks, each once.
    ///
    /// ```
    /// use common::contract::Contract;
    ///
    /// assert_eq!(Contract::map(4, 2).can_finish(&[2, 3, 1, 4]), Ok(()));
    /// assert_eq!(
    ///     Contract::map(4, 2).can_finish(&[3, 1, 2, 4]).unwrap_err().reason,
    ///     "with two workers 3 cannot finish first: it starts only when 1 or 2 has finished"
    /// );
    /// ```
    pub fn can_finish(&self, order: &[usize]) -> Result<(), Impossible> {
        self.eager(order).map(drop)
    }

    /// Of the orders in which the tasks end like this, the one in which all else comes as soon as it can: results,
    /// then what main does with them, then the next starts. No `get` times out, and main leaves the pool last.
    ///
    /// # Errors
    ///
    /// Those of [`can_finish`](Contract::can_finish).
    ///
    /// ```
    /// use common::contract::{Contract, orders};
    ///
    /// let eager = Contract::imap(3, 2).eager(&[2, 1, 3]).unwrap();
    /// let text = "start 1, start 2, end 2, start 3, end 1, yield 1, yield 2, end 3, yield 3";
    /// assert_eq!(eager, orders(text)[0]);
    /// ```
    pub fn eager(&self, ends: &[usize]) -> Result<Vec<Event>, Impossible> {
        self.eager_with_patience(ends, ends.len())
    }

    /// The same with a main whose patience is at an end when so many tasks have ended. If it waits in `get_timeout` then,
    /// that times out; and if it leaves the pool after that, it leaves at once, and the other tasks never end.
    ///
    /// # Errors
    ///
    /// Those of [`can_finish`](Contract::can_finish).
    ///
    /// ```
    /// use common::contract::{Contract, orders};
    ///
    /// let get = Contract::map_async(2, 2).get_timeout().leave().get();
    /// let text = "return, start 1, start 2, end 2, timeout, left, terminated";
    /// assert_eq!(get.eager_with_patience(&[2, 1], 1).unwrap(), orders(text)[0]);
    /// ```
    pub fn eager_with_patience(
        &self,
        ends: &[usize],
        patience: usize,
    ) -> Result<Vec<Event>, Impossible> {
        self.is_permutation(ends)?;
        let mut order = Vec::new();
        let mut state = self.hurry(self.start_state(), &mut order);
        for (position, &task) in ends.iter().enumerate() {
            if position == patience
                && let Some(after) = self.step(&state, Event::Timeout)
            {
                order.push(Event::Timeout);
                state = self.hurry(after, &mut order);
            }
            if state.left {
                break;
            }
            let Some(after) = self.step(&state, Event::End(task)) else {
                let reason = self.why_not_finish(&ends[..position], state.step, task);
                return Err(Impossible { position, reason });
            };
            order.push(Event::End(task));
            state = self.hurry(after, &mut order);
        }
        Ok(order)
    }

    /// The tasks whose results main has with this event: all of them with the `return` of `map`, none with that of
    /// `map_async`.
    ///
    /// ```
    /// use common::contract::{Contract, Event};
    ///
    /// assert_eq!(Contract::map(3, 2).brings(Event::Return(None)), [1, 2, 3]);
    /// assert_eq!(Contract::imap(3, 2).brings(Event::Yield(2)), [2]);
    /// assert!(Contract::map_async(3, 2).get().brings(Event::Return(None)).is_empty());
    /// ```
    pub fn brings(&self, event: Event) -> Vec<usize> {
        let tasks = |step: &Step| match step {
            Step::Waits(back, tasks) | Step::WaitsForAWhile(back, tasks) if *back == event => {
                Some(tasks.clone().collect())
            }
            Step::Next => Some(event.parts().1.into_iter().collect()),
            _ => None,
        };
        match event {
            Event::Start(_) | Event::End(_) => Vec::new(),
            _ => self.steps.iter().find_map(tasks).unwrap_or_default(),
        }
    }
}

/// Why an order of events cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Impossible {
    /// Where in the order, counted from 0; its length if the order stops too early.
    pub position: usize,
    /// What is wrong there, in words.
    pub reason: String,
}

/// What is asked, as in a heading: "map, 4 tasks, 2 workers".
impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let Contract { call, tasks, workers, chunksize, .. } = self;
        if *call == "start" {
            return write!(f, "{tasks} process{}", if *tasks == 1 { "" } else { "es" });
        }
        write!(f, "{call}, {tasks} task{}, {workers} worker{}", plural(*tasks), plural(*workers))?;
        if *chunksize > 1 {
            write!(f, ", chunks of {chunksize}")?;
        }
        match self.buffersize {
            Some(items) if items < self.tasks => write!(f, ", buffersize {items}")?,
            _ => {}
        }
        let after = if self.all_at_once() { 1 } else { self.tasks };
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Leaves => write!(f, ", leave")?,
                Step::Waits(Event::Got(None | Some(1)), _) => write!(f, ", get")?,
                Step::Waits(Event::Waited(Some(1)), _) if index < after => {
                    write!(f, ", wait in the loop")?
                }
                Step::Waits(Event::Waited(None | Some(1)), _) => write!(f, ", wait")?,
                Step::WaitsForAWhile(Event::Got(None | Some(1)), _) => write!(f, ", get_timeout")?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Orders as text: an order on each line, its events with commas between them.
///
/// ```
/// use common::contract::{Event, orders};
///
/// assert_eq!(orders("start 1, end 1"), [[Event::Start(1), Event::End(1)]]);
/// ```
///
/// # Panics
///
/// If something in it is no event.
#[track_caller]
pub fn orders(text: &str) -> Vec<Vec<Event>> {
    let event = |text: &str| text.parse().unwrap_or_else(|error: NotAnEvent| panic!("{error}"));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.split(',').map(event).collect()).collect()
}
