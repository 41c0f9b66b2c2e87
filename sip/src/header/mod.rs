//! Typed headers, one per file; each is read from the value of one header field, lazily.

mod cseq;
mod error;
mod name;
mod name_addr;
mod params;
mod via;

pub use cseq::CSeq;
pub use error::{Expected, HeaderError};
pub use name::HeaderName;
pub use name_addr::{Contact, NameAddr};
pub use params::{Param, Params};
pub use via::{BRANCH_COOKIE, Via};
