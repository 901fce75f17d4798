//! Suspicious activity as text: what was found and why, the rules, and what a change of one would
//! have found.

use super::figures::{count, counted, minute, percent};
use super::line::{Line, Palette, text, wrapped};
use crate::domain::Assessment;
use crate::store::findings::Finding;
use crate::store::rules::{Found, Rule};
use anstyle::Style;
use chrono::{DateTime, Utc};

/// Where a finding's rule begins, and what it is on.
const RULE: usize = 10;
const WHO: usize = 34;
const WHEN: usize = 48;

/// A rule on the history, as it is and with other parameters.
pub struct Backtest {
    pub rule: Rule,
    /// The rule with the change.
    pub meant: Rule,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// Users who paid, or tried to, in that time.
    pub users: i64,
    pub as_is: Vec<Found>,
    pub changed: Vec<Found>,
}

/// Whether something is found on the same user or code in a stretch of time that overlaps.
pub fn is_in(found: &Found, others: &[Found]) -> bool {
    others.iter().any(|other| {
        (other.user_id, &other.failure_code) == (found.user_id, &found.failure_code)
            && other.first_at <= found.last_at
            && found.first_at <= other.last_at
    })
}

fn style_of(severity: &str, palette: Palette) -> Style {
    match severity {
        "critical" => palette.bad,
        "warning" => palette.warning,
        _ => palette.dim,
    }
}

/// Findings in the order given, of so many.
pub fn list(
    findings: &[Finding],
    total: i64,
    since: DateTime<Utc>,
    width: usize,
    palette: Palette,
) -> String {
    if findings.is_empty() {
        let told = format!("Nothing suspicious was found since {} UTC.", minute(since));
        return text([Line::new().text(told)], width);
    }
    let mut lines: Vec<Line> = findings.iter().flat_map(|f| finding(f, width, palette)).collect();
    let shown = counted(findings.len() as u64, "finding");
    let total = count(u64::try_from(total).unwrap_or(0));
    lines.push(Line::new());
    lines.push(Line::new().text(format!("{shown} of {total} since {} UTC.", minute(since))));
    lines.push(Line::new().styled(palette.dim, "`failures --user ID` shows a user's payments."));
    text(lines, width)
}

fn finding(found: &Finding, width: usize, palette: Palette) -> Vec<Line> {
    let head = Line::new()
        .styled(style_of(&found.severity, palette), &found.severity)
        .until(RULE)
        .styled(palette.strong, &found.rule)
        .until(WHO)
        .text(who(found.user_id))
        .until(WHEN)
        .text(when(found.first_at, found.last_at));
    let mut lines = vec![head];
    let reason = wrapped(&found.reason, width.saturating_sub(RULE));
    lines.extend(reason.into_iter().map(|piece| Line::new().until(RULE).text(piece)));
    if let (true, Some(until), Some(by)) =
        (found.is_snoozed, found.snoozed_until, &found.snoozed_by)
    {
        let why = found.snooze_reason.as_deref().unwrap_or_default();
        let told = format!("snoozed by {by} until {} UTC: {why}", minute(until));
        lines.push(Line::new().until(RULE).styled(palette.dim, told));
    } else if !found.is_latest {
        lines.push(Line::new().until(RULE).styled(palette.dim, "a later finding has more"));
    }
    lines
}

/// The reason names the code, where it is one.
fn who(user: Option<i64>) -> String {
    user.map_or_else(|| "all".to_owned(), |id| format!("user {id}"))
}

/// `2026-11-20 02:40 to 04:10`.
fn when(first: DateTime<Utc>, last: DateTime<Utc>) -> String {
    if first.date_naive() == last.date_naive() {
        return format!("{} to {}", minute(first), last.format("%H:%M"));
    }
    format!("{} to {}", minute(first), last.format("%m-%d %H:%M"))
}

/// The rules, in the order given.
pub fn rules(rules: &[Rule], width: usize) -> String {
    let told = rules.iter().flat_map(|rule| {
        let stands = if rule.enabled { "" } else { "  (not enabled)" };
        [
            Line::new().text(format!("{:<23}", rule.name)).text(parameters(rule)).text(stands),
            Line::new().until(2).text(&rule.description),
        ]
    });
    text(told, width)
}

fn parameters(rule: &Rule) -> String {
    let at_least = match rule.at_least {
        1 => String::new(),
        number => format!(", at least {number} failures"),
    };
    let Rule { severity, threshold, time_window, .. } = rule;
    format!("{severity:<9} from {threshold} on within {time_window}{at_least}")
}

/// A change of a rule.
pub fn changed(before: &Rule, after: &Rule) -> String {
    let stands = |rule: &Rule| {
        let enabled = if rule.enabled { "enabled" } else { "not enabled" };
        format!("{}, {enabled}", parameters(rule))
    };
    format!("{}\n  was  {}\n  is   {}\n", after.name, stands(before), stands(after))
}

/// What a change of a rule would have found.
pub fn backtest(told: &Backtest, limit: usize, width: usize, palette: Palette) -> String {
    let Backtest { rule, meant, .. } = told;
    let both = told.changed.iter().filter(|found| is_in(found, &told.as_is)).count();
    let span = format!("  {} to {} UTC", minute(told.since), minute(told.until));
    let mut lines = vec![
        Line::new().styled(palette.strong, &rule.name).styled(palette.dim, span),
        Line::new()
            .text(format!("  as it is  {}: ", parameters(rule)))
            .styled(palette.strong, counted(told.as_is.len() as u64, "finding")),
        Line::new().text(format!("  changed   {}: ", parameters(meant))).styled(
            palette.strong,
            format!("{}, {both} in both", counted(told.changed.len() as u64, "finding")),
        ),
    ];
    let mut flagged: Vec<i64> = told.changed.iter().filter_map(|found| found.user_id).collect();
    flagged.sort_unstable();
    flagged.dedup();
    if !flagged.is_empty() {
        let (flagged, users) = (flagged.len() as u64, u64::try_from(told.users).unwrap_or(0));
        let share = percent(flagged, users);
        let users = counted(users, "user");
        let told = format!("  changed, {} of {users} who paid ({share})", count(flagged));
        lines.push(Line::new().text(told));
    }
    lines.push(Line::new());
    for found in told.changed.iter().take(limit) {
        let mark = if is_in(found, &told.as_is) { "" } else { "only changed" };
        lines.push(
            Line::new()
                .text(when(found.first_at, found.last_at))
                .until(30)
                .text(who(found.user_id))
                .until(48)
                .styled(palette.warning, mark),
        );
        let reason = wrapped(&found.reason, width.saturating_sub(2));
        lines.extend(reason.into_iter().map(|piece| Line::new().until(2).text(piece)));
    }
    if told.changed.len() > limit {
        lines.push(Line::new().text(format!("and {} more", told.changed.len() - limit)));
    }
    text(lines, width)
}

/// What a run's look at the payments came to, for its summary.
pub(super) fn assessed(assessment: &Assessment, width: usize, palette: Palette) -> Vec<Line> {
    let mut lines = Vec::new();
    let news = assessment.news();
    if news > 0 {
        let title = format!("{} of suspicious activity", counted(news, "new finding"));
        lines.push(
            Line::new().styled(palette.strong, title).styled(palette.dim, ": see `suspicious`"),
        );
    }
    for rule in assessment.rules.iter().filter(|rule| rule.news() > 0) {
        lines.push(
            Line::new()
                .text(format!("  {:<22} {:>6}  ", rule.rule, count(rule.news())))
                .styled(style_of(&rule.severity, palette), &rule.severity),
        );
    }
    let unevaluated = assessment.unevaluated();
    let unevaluated = unevaluated.map(|(rule, why)| format!("rule {rule} not evaluated: {why}"));
    for why in unevaluated.chain(assessment.errors.iter().cloned()) {
        let pieces = wrapped(&why, width.saturating_sub(2));
        lines.extend(pieces.into_iter().map(|p| Line::new().until(2).styled(palette.bad, p)));
    }
    if !lines.is_empty() {
        lines.insert(0, Line::new());
    }
    lines
}
