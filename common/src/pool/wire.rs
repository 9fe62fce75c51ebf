//! What crosses the sockets: a task on the way out, its results on the way back.
//!
//! A message is there whole or not at all: the sockets keep its bounds, and what is too long for one
//! is in a sealed file ([`parcel`](crate::parcel)) whose descriptor comes with it. In `postcard`:
//!
//! * to a worker goes an [`Order`]; with a task come its arguments, one after another;
//! * a reply is a [`ReplyHeader`], and the results one after another, or a `Failure` in place of one;
//! * a worker's first reply has a `Result<(), Failure>`: whether its initializer went well.
//!
//! A function crosses as its address ([`Call`](crate::calls::Call)).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::calls::Header;
use crate::parcel::FEW;

/// No message is longer: a header, and what need not be in a file.
pub(super) const LONGEST: usize = 128 + FEW;

/// What a worker is told.
#[derive(Serialize, Deserialize)]
pub(super) enum Order {
    /// Tasks wait on the board. When there is nothing left, it is to say so with this number.
    Look(u64),
    /// This one comes with the message, its arguments too, or a file and where they are there. With
    /// the number of its note on the board.
    Run(u64, Header, Option<Range<usize>>),
}

/// What a worker says of its results.
#[derive(Serialize, Deserialize)]
pub(super) struct ReplyHeader {
    /// That of the task, or of the order to look; 0 when the worker has started.
    pub(super) number: u64,
    /// If they are in a file: how long it is.
    pub(super) file: Option<usize>,
}
