//! Services that report by themselves: nothing is checked, and what does not come is noticed.
//!
//! A request finds its service among [`Pushes`] by its token and hands a [`PushReport`] to the service's loop. There a
//! report becomes a result like that of a check, and so does a report that is due and does not come.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `report` | what is reported, what becomes of it, and whom a token belongs to |
//! | `due` | when the next report is due, whatever clocks and restarts do |
//! | `runs` | runs that have begun and not ended |
//! | `push_loop` | the loop of one service |

mod due;
mod push_loop;
mod report;
mod runs;

pub(super) use push_loop::PushLoop;
pub(super) use report::inbox;
pub use report::{Event, PushReport, PushService, Pushes, Taken};
