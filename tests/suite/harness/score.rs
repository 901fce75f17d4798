//! How well the rules find what was planted: every rule on one generated company.

use chrono::{DateTime, Duration, Utc};
use payment_monitor::demo::{Demo, PATTERNS, Planted};
use payment_monitor::store::rules::{self, Change, Found};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// What the rules found, and should have found, in one company's last week.
#[derive(Debug, Default)]
pub struct Score {
    /// For each rule, which is named as the pattern that it is for.
    pub rules: BTreeMap<&'static str, OfRule>,
    /// Ordinary users, and those of them on whom any rule has a finding.
    pub ordinary: u64,
    pub false_users: u64,
}

/// Findings of one rule.
#[derive(Debug, Default, Clone)]
pub struct OfRule {
    /// Whether it found what was planted for it.
    pub recalled: bool,
    /// On a planted user, or while something was planted; and all others.
    pub right: u64,
    pub wrong: Vec<String>,
}

/// Evaluates every rule on the last week of a company that is loaded.
pub async fn score(connection: &mut PgConnection, demo: &Demo, now: DateTime<Utc>) -> Score {
    let mut score = Score::default();
    let users: BTreeSet<i64> = demo.planted.iter().filter_map(|planted| planted.user_id).collect();
    let mut false_users = BTreeSet::new();
    for rule in PATTERNS {
        let week = (now - Duration::days(7), now);
        let found = rules::evaluate(connection, rule, week, &Change::default()).await.unwrap();
        let planted = demo.planted.iter().find(|planted| planted.pattern == rule).unwrap();
        let mut of_rule = OfRule {
            recalled: found.iter().any(|found| is_of(found, planted)),
            ..OfRule::default()
        };
        for found in found {
            let is_right = match found.user_id {
                Some(user) => users.contains(&user),
                None => demo.planted.iter().any(|planted| overlaps(&found, planted)),
            };
            if is_right {
                of_rule.right += 1;
            } else {
                false_users.extend(found.user_id);
                of_rule.wrong.push(format!("{:?} {}", found.user_id, found.reason));
            }
        }
        score.rules.insert(rule, of_rule);
    }
    score.ordinary = (demo.company.users.len() - users.len()) as u64;
    score.false_users = false_users.len() as u64;
    score
}

fn is_of(found: &Found, planted: &Planted) -> bool {
    let same = found.user_id == planted.user_id
        && (planted.failure_code.is_none()
            || found.failure_code.as_deref() == planted.failure_code);
    same && overlaps(found, planted)
}

fn overlaps(found: &Found, planted: &Planted) -> bool {
    found.first_at <= planted.to && planted.from <= found.last_at
}
