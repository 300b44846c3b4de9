//! The contract of every store, as it stands beside the store on disk. It takes its surroundings for those of the
//! library, so here they are.

pub use sluse::domain::agreement::Agreement;
pub use sluse::domain::change::{Change, ChangeSummary};
pub use sluse::domain::exchange::Fact;
pub use sluse::domain::identity::{FileId, Route};
pub use sluse::domain::moment::Moment;
pub use sluse::store::*;

#[allow(clippy::unwrap_used, clippy::panic, reason = "a test beside the code, where both are allowed")]
#[path = "../../src/store/contract.rs"]
pub mod contract;
