//! Where records arrive: counts them, checks that they belong together, and hands them on.
//! It leaves out how they were found in a file and how completeness is judged.

use super::completeness::{Evidence, Page};
use super::error::{Flow, Halt, StatementError};
use super::facts::{MALFORMED_EXAMPLES_MAX, Malformed};
use super::listing_url::{Lists, lists};
use super::stripe::{Names, PageFields};
use super::{Record, StatementCustomer};
use crate::domain::text;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// How many kinds of ignored objects are told apart.
const IGNORED_KINDS_MAX: usize = 1_000;

/// What takes the records.
pub(super) type Each<'a> = &'a mut dyn FnMut(Record) -> ControlFlow<()>;

pub(super) struct Intake<'a> {
    each: Each<'a>,
    is_strict: bool,
    file: CurrentFile,
    /// The mode, and what stated it first.
    mode: Option<(bool, String)>,
    /// Records of the list page that is being read.
    in_page: PageContent,
    pub totals: Totals,
    pub names: Names,
}

/// What has been counted so far.
#[derive(Default)]
pub(super) struct Totals {
    pub payments: u64,
    pub subscriptions: u64,
    pub customers: u64,
    pub ignored: BTreeMap<String, u64>,
    pub malformed: u64,
    pub malformed_examples: Vec<Malformed>,
    pub payment_evidence: Evidence,
    pub subscription_evidence: Evidence,
    pub earliest_payment: Option<DateTime<Utc>>,
    pub earliest_subscription: Option<DateTime<Utc>>,
    /// List pages of any kind, and tables with a known header.
    pub containers: u64,
}

impl Totals {
    /// Whether anything at all was recognised.
    pub fn is_nothing(&self) -> bool {
        self.payments + self.subscriptions + self.customers + self.containers == 0
    }
}

#[derive(Default)]
struct CurrentFile {
    index: usize,
    name: String,
    records: u64,
    is_something: bool,
    first_malformed: Option<(u64, String)>,
}

#[derive(Default)]
struct PageContent {
    payments: u64,
    subscriptions: u64,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Loose,
    InPage,
}

impl<'a> Intake<'a> {
    pub fn new(each: Each<'a>, is_strict: bool, mode: Option<(bool, String)>) -> Self {
        Self {
            each,
            is_strict,
            file: CurrentFile::default(),
            mode,
            in_page: PageContent::default(),
            totals: Totals::default(),
            names: Names::default(),
        }
    }

    pub fn begin_file(&mut self, index: usize, name: &str) {
        self.file = CurrentFile { index, name: name.to_owned(), ..CurrentFile::default() };
    }

    /// The number of records in the file so far, whatever became of them.
    pub fn file_records(&self) -> u64 {
        self.file.records
    }

    /// Where nothing but malformed records was found in the file: the first one.
    pub fn only_malformed(&self) -> Option<&(u64, String)> {
        self.file.first_malformed.as_ref().filter(|_| !self.file.is_something)
    }

    /// Takes a valid record.
    pub fn record(&mut self, record: Record, origin: Origin) -> Flow {
        self.file.records += 1;
        self.file.is_something = true;
        match &record {
            Record::Payment(payment) => {
                let totals = &mut self.totals;
                totals.payments += 1;
                keep_earliest(&mut totals.earliest_payment, payment.created_at);
                count(&mut totals.payment_evidence, &mut self.in_page.payments, origin);
            }
            Record::Subscription(subscription) => {
                let totals = &mut self.totals;
                totals.subscriptions += 1;
                keep_earliest(&mut totals.earliest_subscription, subscription.created_at);
                let in_page = &mut self.in_page.subscriptions;
                count(&mut totals.subscription_evidence, in_page, origin);
            }
            Record::Customer(StatementCustomer { .. }) => self.totals.customers += 1,
        }
        match (self.each)(record) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Halt::Stopped),
        }
    }

    /// Counts an object of a kind that is not used.
    pub fn ignored(&mut self, kind: &str) {
        self.file.records += 1;
        self.file.is_something = true;
        let ignored = &mut self.totals.ignored;
        let is_new = !ignored.contains_key(kind);
        let is_fit = text::identifier("object", kind).is_ok();
        let kind =
            if is_new && (!is_fit || ignored.len() >= IGNORED_KINDS_MAX) { "other" } else { kind };
        *ignored.entry(kind.to_owned()).or_default() += 1;
    }

    /// Counts a record that can't be used.
    pub fn malformed(&mut self, line: u64, reason: String) -> Flow {
        self.file.records += 1;
        self.totals.malformed += 1;
        let file = self.file.name.clone();
        if self.is_strict {
            return Err(StatementError::Malformed { file, line, reason }.into());
        }
        self.file.first_malformed.get_or_insert_with(|| (line, reason.clone()));
        if self.totals.malformed_examples.len() < MALFORMED_EXAMPLES_MAX {
            self.totals.malformed_examples.push(Malformed { file, line, reason });
        }
        Ok(())
    }

    /// Takes note of a record's mode; all must have the same.
    pub fn mode(&mut self, line: u64, livemode: bool) -> Flow {
        match &self.mode {
            None => {
                self.mode = Some((livemode, format!("{}, line {line},", self.file.name)));
                Ok(())
            }
            Some((expected, _)) if *expected == livemode => Ok(()),
            Some((expected, by)) => Err(StatementError::MixedModes {
                file: self.file.name.clone(),
                line,
                found: mode_name(livemode),
                expected: mode_name(*expected),
                by: by.clone(),
            }
            .into()),
        }
    }

    pub fn livemode(&self) -> Option<bool> {
        self.mode.as_ref().map(|(livemode, _)| *livemode)
    }

    /// Takes note of a table whose header is known: a file of it may have no rows.
    pub fn table(&mut self) {
        self.totals.containers += 1;
        self.file.is_something = true;
    }

    /// Ends a list page, whose elements came before.
    pub fn page(&mut self, fields: &PageFields) {
        self.totals.containers += 1;
        self.file.is_something = true;
        let content = std::mem::take(&mut self.in_page);
        let page = Page { file: self.file.index, has_more: fields.has_more };
        let lists = match &fields.url {
            Some(url) => lists(url),
            None => match (content.payments, content.subscriptions) {
                (1.., 0) => Lists::Payments,
                (0, 1..) => Lists::Subscriptions,
                _ => Lists::Other,
            },
        };
        let (payments, subscriptions) =
            (&mut self.totals.payment_evidence, &mut self.totals.subscription_evidence);
        let is_payments = matches!(lists, Lists::Payments | Lists::SomePayments(_));
        let is_subscriptions = matches!(lists, Lists::Subscriptions | Lists::SomeSubscriptions(_));
        match lists {
            Lists::Payments => payments.pages.push(page),
            Lists::Subscriptions => subscriptions.pages.push(page),
            Lists::SomePayments(why) => payments.doubt = Some(why),
            Lists::SomeSubscriptions(why) => subscriptions.doubt = Some(why),
            Lists::Other => {}
        }
        let file = &self.file.name;
        if content.payments > 0 && !is_payments {
            payments.doubt = Some(format!("a list page in {file} holds more than payments"));
        }
        if content.subscriptions > 0 && !is_subscriptions {
            let why = format!("a list page in {file} holds more than subscriptions");
            subscriptions.doubt = Some(why);
        }
    }
}

fn keep_earliest(earliest: &mut Option<DateTime<Utc>>, time: DateTime<Utc>) {
    *earliest = Some(earliest.map_or(time, |earlier| earlier.min(time)));
}

fn count(evidence: &mut Evidence, in_page: &mut u64, origin: Origin) {
    match origin {
        Origin::Loose => evidence.loose += 1,
        Origin::InPage => {
            evidence.paged += 1;
            *in_page += 1;
        }
    }
}

fn mode_name(livemode: bool) -> &'static str {
    if livemode { "live" } else { "test" }
}
