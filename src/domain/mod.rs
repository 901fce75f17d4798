//! The nouns: what a payment, a subscription, a discrepancy, an operation and a run are.
//!
//! Pure data and pure rules: nothing here does I/O, reads a clock or draws a random number.

pub mod account;
pub mod assessment;
pub mod discrepancy;
pub mod money;
pub mod operation;
pub mod payment;
pub mod record;
pub mod run;
pub mod stated;
pub mod stretch;
pub mod subscription;
pub mod text;

pub use account::Account;
pub use assessment::{Assessed, Assessment};
pub use discrepancy::{Discrepancy, Field, Kind, Reason};
pub use money::Currency;
pub use operation::{Action, Operation, Outcome, State, Subject};
pub use payment::{PaymentState, StatementPayment};
pub use record::{Owner, RowState, StatementRecord};
pub use run::{RunId, Status};
pub use stated::Stated;
pub use stretch::{Moment, Per, Stretch, StretchError};
pub use subscription::{StatementSubscription, SubscriptionState};
