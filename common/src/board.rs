//! A board in memory that a process shares with its forks: which note is whose.
//!
//! The owner posts notes; any fork claims the oldest. A claim is one compare-and-swap, which writes the claimant
//! beside the number of the note. So there is no moment at which a note is taken and nobody knows by whom: when
//! a fork dies, the board says what it held. A note that comes to a fork by another way is assigned to it here, and
//! claimed when the fork begins. There is no lock that a dead process could keep, and nobody waits for anybody.
//!
//! ```text
//! posted ───────┬──► claimed ──► done ──► (the place is free)
//! assigned to 3 ┘   by 3 └─► revoked ──────▲
//!   └─────── withdrawn, lost ──────────────┘
//! ```
//!
//! Forks claim, and say that they are done. All else is the owner's, who keeps in [`Posts`] what the notes are about.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::os::SharedWords;

/// So many notes may be posted at once.
const PLACES: usize = 64;

/// A note takes so many words; the first says how long it is.
const WORDS: usize = 32;

/// No note has more bytes.
pub(crate) const LONGEST: usize = (WORDS - 1) * size_of::<u64>();

/// What has become of a note.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Posted,
    Assigned(usize),
    Claimed(usize),
    Done(usize),
    Revoked(usize),
}

/// Bits for who it is.
const WHO: u32 = 16;
/// So many forks can be told apart.
pub(crate) const FORKS: usize = 1 << WHO;
/// Bits for all that is beside the number: so the oldest note is the smallest of their words.
const STATE: u32 = WHO + 3;

fn word(number: u64, state: State) -> u64 {
    let (kind, who) = match state {
        State::Posted => (0, 0),
        State::Assigned(who) => (1, who),
        State::Claimed(who) => (2, who),
        State::Done(who) => (3, who),
        State::Revoked(who) => (4, who),
    };
    number << STATE | kind << WHO | who as u64
}

fn is_posted(word: u64) -> bool {
    word != 0 && word & ((1 << STATE) - 1) == 0
}

/// The memory.
pub(crate) struct Board {
    /// What has become of the note at each place: of the posted, and of the one that each fork is assigned.
    states: SharedWords,
    /// The posted notes.
    notes: SharedWords,
}

/// A note that this process has claimed.
pub(crate) struct Note {
    pub(crate) number: u64,
    place: usize,
    bytes: [u8; LONGEST],
    length: usize,
}

impl Deref for Note {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Board {
    /// For so many forks, which count from 0.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    ///
    /// # Panics
    ///
    /// If they are more than [`FORKS`].
    pub(crate) fn new(forks: usize) -> nix::Result<Self> {
        assert!(forks <= FORKS, "a board for {forks}");
        let states = SharedWords::new(PLACES + forks)?;
        Ok(Board { states, notes: SharedWords::new(PLACES * WORDS)? })
    }

    fn note(&self, place: usize) -> &[AtomicU64] {
        &self.notes[place * WORDS..][..WORDS]
    }

    /// Whether there is a posted note that nobody has claimed.
    pub(crate) fn has_notes(&self) -> bool {
        self.states[..PLACES].iter().any(|state| is_posted(state.load(Ordering::Acquire)))
    }

    /// Where the oldest of them is, and its number.
    fn oldest(&self) -> Option<(usize, u64)> {
        let states = self.states[..PLACES].iter().map(|state| state.load(Ordering::Acquire));
        let posted = states.enumerate().filter(|(_, word)| is_posted(*word));
        posted.min_by_key(|(_, word)| *word).map(|(place, word)| (place, word >> STATE))
    }

    /// It is this fork's now.
    // ANCHOR: claim
    pub(crate) fn claim(&self, who: usize) -> Option<Note> {
        loop {
            let (place, number) = self.oldest()?;
            if let Some(note) = self.claim_at(place, number, who) {
                return Some(note);
            }
        }
    }

    /// If it is still the oldest, and still there. While the places were looked at, an older one may have come
    /// to a place seen before. Whoever sees a note sees all that were posted earlier, so a second look is sure.
    fn claim_at(&self, place: usize, number: u64, who: usize) -> Option<Note> {
        let claimed = self.oldest() == Some((place, number))
            && self.turn(place, number, State::Posted, State::Claimed(who));
        claimed.then(|| self.read(place, number))
    }
    // ANCHOR_END: claim

    fn read(&self, place: usize, number: u64) -> Note {
        let (length, words) = self.note(place).split_first().expect("a note has words");
        let length = (length.load(Ordering::Relaxed) as usize).min(LONGEST);
        let mut bytes = [0; LONGEST];
        for (to, from) in bytes[..length].chunks_mut(8).zip(words) {
            to.copy_from_slice(&from.load(Ordering::Relaxed).to_ne_bytes()[..to.len()]);
        }
        Note { number, place, bytes, length }
    }

    /// The note that this fork was assigned is its own now, unless it was revoked. It has no bytes.
    pub(crate) fn begin(&self, number: u64, who: usize) -> Option<Note> {
        let place = PLACES + who;
        self.turn(place, number, State::Assigned(who), State::Claimed(who)).then_some(Note {
            number,
            place,
            bytes: [0; LONGEST],
            length: 0,
        })
    }

    /// The claimant is done; false if the note was revoked.
    pub(crate) fn done(&self, note: &Note, who: usize) -> bool {
        self.turn(note.place, note.number, State::Claimed(who), State::Done(who))
    }

    /// What was in one state is in another; false if it was not.
    fn turn(&self, place: usize, number: u64, from: State, to: State) -> bool {
        let (from, to) = (word(number, from), word(number, to));
        let (turned, not) = (Ordering::AcqRel, Ordering::Relaxed);
        self.states[place].compare_exchange(from, to, turned, not).is_ok()
    }

    fn state(&self, place: usize) -> State {
        let word = self.states[place].load(Ordering::Acquire);
        let who = (word & ((1 << WHO) - 1)) as usize;
        match word >> WHO & 7 {
            0 => State::Posted,
            1 => State::Assigned(who),
            2 => State::Claimed(who),
            3 => State::Done(who),
            _ => State::Revoked(who),
        }
    }
}

/// The owner's record: what the notes on the board are about.
pub(crate) struct Posts<T> {
    /// By their numbers, each with its place.
    notes: BTreeMap<u64, (usize, T)>,
    /// The last number.
    number: u64,
    free: Vec<usize>,
}

impl<T> Default for Posts<T> {
    fn default() -> Self {
        Posts { notes: BTreeMap::new(), number: 0, free: (0..PLACES).rev().collect() }
    }
}

impl<T> Posts<T> {
    /// Whether another note may be posted.
    pub(crate) fn has_place(&self) -> bool {
        !self.free.is_empty()
    }

    /// Posts a note.
    ///
    /// # Panics
    ///
    /// If there is no place, or the note is longer than [`LONGEST`].
    pub(crate) fn post(&mut self, board: &Board, bytes: &[u8], about: T) {
        assert!(bytes.len() <= LONGEST, "a note of {} bytes", bytes.len());
        let place = self.free.pop().expect("there is a place");
        let (length, words) = board.note(place).split_first().expect("a note has words");
        length.store(bytes.len() as u64, Ordering::Relaxed);
        for (to, from) in words.iter().zip(bytes.chunks(8)) {
            let mut word = [0; 8];
            word[..from.len()].copy_from_slice(from);
            to.store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
        self.put(board, place, State::Posted, about);
    }

    /// A number with which a fork can be told something, and the note that it is assigned if that is one.
    pub(crate) fn assign(&mut self, board: &Board, who: usize, about: Option<T>) -> u64 {
        match about {
            Some(about) => self.put(board, PLACES + who, State::Assigned(who), about),
            None => self.number += 1,
        }
        self.number
    }

    fn put(&mut self, board: &Board, place: usize, state: State, about: T) {
        self.number += 1;
        self.notes.insert(self.number, (place, about));
        board.states[place].store(word(self.number, state), Ordering::Release);
    }

    /// Takes a note away that nobody looks at any more.
    fn take(&mut self, board: &Board, number: u64) -> Option<T> {
        let (place, about) = self.notes.remove(&number)?;
        board.states[place].store(0, Ordering::Relaxed);
        if place < PLACES {
            self.free.push(place);
        }
        Some(about)
    }

    /// Takes the notes away of which something can be said: what each was about, and that, the oldest first.
    fn take_all<S>(
        &mut self,
        board: &Board,
        say: impl Fn(u64, usize, &T) -> Option<S>,
    ) -> Vec<(T, S)> {
        // The youngest first: whoever claims meanwhile takes the oldest, and none is passed over.
        let notes = self.notes.iter().rev();
        let said = notes.filter_map(|(&n, (place, about))| Some((n, say(n, *place, about)?)));
        let said: Vec<_> = said.collect();
        said.into_iter().rev().filter_map(|(n, said)| Some((self.take(board, n)?, said))).collect()
    }

    /// What the note was about that a fork says it has done; `None` if it has not.
    pub(crate) fn done(&mut self, board: &Board, number: u64, who: usize) -> Option<T> {
        let (place, _) = self.notes.get(&number)?;
        (board.state(*place) == State::Done(who)).then(|| self.take(board, number))?
    }

    /// Takes those of some notes away that nobody has claimed, the oldest first.
    pub(crate) fn withdraw(&mut self, board: &Board, which: impl Fn(&T) -> bool) -> Vec<T> {
        let taken = self.take_all(board, |number, place, about| {
            let taken = which(about) && board.turn(place, number, State::Posted, State::Revoked(0));
            taken.then_some(())
        });
        taken.into_iter().map(|(about, ())| about).collect()
    }

    /// Whether a fork holds one of some notes, and has not done it. If so it must do nothing more.
    pub(crate) fn revoke(&self, board: &Board, who: usize, which: impl Fn(&T) -> bool) -> bool {
        self.notes.iter().filter(|(_, (_, about))| which(about)).any(|(&number, &(place, _))| {
            let revoked = State::Revoked(who);
            [State::Assigned(who), State::Claimed(who)]
                .into_iter()
                .any(|held| board.turn(place, number, held, revoked))
        })
    }

    /// What a fork held that is dead, and whether it had begun it.
    pub(crate) fn lost(&mut self, board: &Board, who: usize) -> Vec<(T, bool)> {
        self.take_all(board, |_, place, _| match board.state(place) {
            State::Assigned(held_by) => (held_by == who).then_some(false),
            State::Claimed(held_by) | State::Done(held_by) | State::Revoked(held_by) => {
                (held_by == who).then_some(true)
            }
            State::Posted => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn notes_of_every_length_are_claimed_in_order_and_freed() {
        let (board, mut posts) = (Board::new(1).unwrap(), Posts::default());
        let bytes = |length: usize| (0..length).map(|i| (i * 7) as u8).collect::<Vec<_>>();
        for length in 0..=LONGEST {
            posts.post(&board, &bytes(length), length);
            posts.post(&board, &[], usize::MAX);
            for (expected, about) in [(bytes(length), length), (Vec::new(), usize::MAX)] {
                let note = board.claim(0).unwrap();
                assert_eq!(*note, expected);
                assert_eq!(posts.done(&board, note.number, 0), None, "it has not said so");
                assert!(board.done(&note, 0));
                assert_eq!(posts.done(&board, note.number, 0), Some(about));
                assert_eq!(posts.done(&board, note.number, 0), None, "only once");
            }
            assert!(!board.has_notes() && board.claim(0).is_none());
        }
    }

    #[test]
    fn a_note_that_is_not_the_oldest_is_not_claimed() {
        let (board, mut posts) = (Board::new(1).unwrap(), Posts::default());
        posts.post(&board, &[], 'a');
        posts.post(&board, &[], 'b');
        assert_eq!(board.oldest(), Some((0, 1)));
        assert!(board.claim_at(1, 2, 0).is_none(), "whoever saw b alone looks again");
        assert!(board.claim_at(0, 1, 0).is_some());
        assert!(board.claim_at(0, 1, 0).is_none(), "it is gone");
        assert!(board.claim_at(1, 2, 0).is_some());
    }

    #[test]
    fn nobody_is_done_with_what_is_anothers() {
        let (board, mut posts) = (Board::new(2).unwrap(), Posts::default());
        posts.post(&board, &[], 'a');
        let note = board.claim(1).unwrap();
        assert!(!board.done(&note, 0));
        assert!(board.done(&note, 1));
        assert_eq!(posts.done(&board, note.number, 0), None);
        assert_eq!(posts.done(&board, note.number + 1, 1), None);
        assert_eq!(posts.done(&board, note.number, 1), Some('a'));
    }

    #[test]
    fn what_a_dead_fork_held_is_known_and_nothing_else_is_lost() {
        let (board, mut posts) = (Board::new(3).unwrap(), Posts::default());
        "abcd".chars().for_each(|about| posts.post(&board, &[], about));
        let [a, b, _] = [0, 1, 0].map(|who| board.claim(who).unwrap());
        assert!(board.done(&a, 0)); // and died before it could tell
        posts.assign(&board, 0, Some('x'));
        let y = posts.assign(&board, 2, Some('y'));
        assert_eq!(posts.lost(&board, 0), [('a', true), ('c', true), ('x', false)]);
        assert_eq!(posts.lost(&board, 0), []);
        assert!(board.begin(y, 2).is_some());
        assert_eq!(posts.lost(&board, 2), [('y', true)]);
        assert!(board.done(&b, 1));
        assert_eq!(posts.done(&board, b.number, 1), Some('b'));
        assert_eq!(board.claim(1).map(|note| note.number), Some(4), "d is still there");
    }

    #[test]
    fn what_is_withdrawn_is_never_claimed_and_what_is_revoked_is_never_done() {
        let (board, mut posts) = (Board::new(2).unwrap(), Posts::default());
        "abc".chars().for_each(|about| posts.post(&board, &[], about));
        let a = board.claim(0).unwrap();
        assert_eq!(posts.withdraw(&board, |about| "ab".contains(*about)), ['b']);
        assert!(!posts.revoke(&board, 1, |_| true), "it holds nothing");
        assert!(!posts.revoke(&board, 0, |about| *about == 'c'), "it does not hold that");
        assert!(posts.revoke(&board, 0, |about| *about == 'a'));
        assert!(!posts.revoke(&board, 0, |_| true), "only once");
        assert!(!board.done(&a, 0));
        assert_eq!(board.claim(1).map(|note| note.number), Some(3));
        let x = posts.assign(&board, 0, Some('x'));
        assert!(posts.revoke(&board, 0, |about| *about == 'x'));
        assert!(board.begin(x, 0).is_none());
        assert_eq!(posts.lost(&board, 0), [('a', true), ('x', true)]);
    }

    #[test]
    fn of_many_claimants_each_note_has_one_and_none_is_passed_over() {
        const NOTES: u64 = 20_000;
        let board = Board::new(3).unwrap();
        let start = Barrier::new(4);
        let (sender, done) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            for who in 0..3 {
                let (board, start, sender) = (&board, &start, sender.clone());
                scope.spawn(move || {
                    start.wait();
                    loop {
                        let Some(note) = board.claim(who) else {
                            thread::yield_now();
                            continue;
                        };
                        if note.is_empty() {
                            return;
                        }
                        let older = board.oldest().filter(|oldest| oldest.1 < note.number);
                        assert_eq!(older, None, "older than {}", note.number);
                        assert!(board.done(&note, who));
                        sender.send((note.number, who)).unwrap();
                    }
                });
            }
            drop(sender);
            let mut posts = Posts::default();
            start.wait();
            let mut seen = 0;
            let (mut posted, mut answered) = (0, 0);
            while answered < NOTES {
                while posted < NOTES && posts.has_place() {
                    posts.post(&board, &[1], posted);
                    posted += 1;
                }
                let (number, who) = done.recv().unwrap();
                assert_eq!(posts.done(&board, number, who), Some(number - 1));
                answered += 1;
                seen += number;
            }
            assert_eq!(seen, NOTES * (NOTES + 1) / 2);
            (0..3).for_each(|_| posts.post(&board, &[], NOTES)); // the end
        });
    }
}
