// Provisioning files against their schemas, and then what one file says against what others do.

import { readFileSync } from 'node:fs';
import Ajv from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { isDeepStrictEqual } from 'node:util';
import { checkAnnotation } from './annotations.js';
import { checkMacros } from './dashboards.js';
import { repeated } from './files.js';

const ajv = new Ajv({
  allErrors: true,
  discriminator: true,
  // A description of one of several shapes needn't say again that it is an object, nor how long.
  strictTypes: false,
  strictRequired: false,
  strictTuples: false,
  validateFormats: false,
});
const validators = Object.fromEntries(
  ['common', 'datasources', 'dashboards', 'alerting'].map((name) => {
    const text = readFileSync(new URL(`../schemas/${name}.json`, import.meta.url), 'utf8');
    ajv.addSchema(JSON.parse(text));
    return [name, () => ajv.getSchema(`${name}.json`)];
  }),
);

/** `dashboards` are those that rules may point to: [{ path, text }]. */
export function checkProvisioning(files, dashboards) {
  const findings = [];
  const read = { datasources: [], dashboards: [], alerting: [] };
  for (const { path, text } of files) {
    const kind = path.split('/').at(-2);
    const found = [];
    const content = readYaml(text, found);
    if (content !== undefined) {
      const isValid = validators[kind]();
      if (!isValid(content)) {
        found.push(...isValid.errors.map(explain));
      }
      read[kind].push({ path, content });
    }
    findings.push(...found.map((finding) => `${path}: ${finding}`));
  }
  if (findings.length > 0) {
    return findings;
  }
  // Only files of the right shape are looked at together.
  return [
    ...checkDatasources(read.datasources.flatMap((file) => file.content.datasources)),
    ...checkFolders(read),
    ...checkRules(read.alerting, dashboards),
    ...checkNotifications(read.alerting),
  ];
}

/**
 * Grafana's reader is one of YAML 1.1, where `22:00` is a number and `on` a boolean. What the two
 * versions read differently is quoted.
 */
function readYaml(text, found) {
  try {
    const content = parse(text, { merge: true });
    if (!isDeepStrictEqual(content, parse(text, { version: '1.1', merge: true }))) {
      found.push('something is read differently by YAML 1.1 and 1.2: quote it');
    }
    return content;
  } catch (error) {
    found.push(`no YAML: ${error.message}`);
    return undefined;
  }
}

function explain({ instancePath, message, params }) {
  const about = params.additionalProperty ?? params.allowedValues ?? params.allowedValue ?? '';
  return `${instancePath || '/'}: ${message}${about === '' ? '' : `: ${JSON.stringify(about)}`}`;
}

function* checkDatasources(datasources) {
  yield* repeated(datasources.map(({ uid }) => uid)).map((uid) => `data source ${uid}: twice`);
  yield* repeated(datasources.map(({ name }) => name)).map((name) => `data source ${name}: twice`);
  if (datasources.length > 0 && datasources.filter(({ isDefault }) => isDefault).length !== 1) {
    yield 'data sources: one, and not more, is the default';
  }
}

/**
 * Rules find their folder by its title only, dashboards by the uid if there is one: of a title that
 * has a uid Grafana would make a second folder.
 */
function* checkFolders({ alerting, dashboards }) {
  const groups = alerting.flatMap(({ content }) => content.groups ?? []);
  const ofRules = new Set(groups.map(({ folder }) => folder));
  for (const { folder, folderUid } of dashboards.flatMap(({ content }) => content.providers)) {
    if (folderUid !== undefined && ofRules.has(folder)) {
      yield `folder ${folder}: with a uid it would be there twice, once for the rules`;
    }
  }
}

function* checkRules(files, dashboards) {
  const groups = files.flatMap(({ path, content }) =>
    (content.groups ?? []).map((group) => ({ path, ...group })),
  );
  yield* repeated(groups.map(({ folder, name }) => `${folder}/${name}`)).map(
    (group) => `group ${group}: twice`,
  );
  const rules = groups.flatMap(({ path, rules }) => rules.map((rule) => ({ path, ...rule })));
  yield* repeated(rules.map(({ uid }) => uid)).map((uid) => `rule ${uid}: twice`);
  yield* repeated(rules.map(({ title }) => title)).map((title) => `rule ${title}: twice`);
  const panels = new Map(dashboards.map(({ text }) => panelsById(JSON.parse(text))));
  for (const group of groups) {
    const interval = seconds(group.interval);
    if (interval === 0 || interval % 10 !== 0) {
      yield `${group.path}: ${group.name}: interval: Grafana evaluates every 10 s, or a multiple`;
    }
  }
  for (const rule of rules) {
    const found = checkRule(rule, panels);
    yield* [...found].map((finding) => `${rule.path}: ${rule.uid}: ${finding}`);
  }
}

function panelsById(dashboard) {
  const panels = (dashboard.panels ?? []).flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  return [dashboard.uid, new Set(panels.map(({ id }) => id))];
}

function* checkRule(rule, panels) {
  const { from, to } = rule.data[0].relativeTimeRange;
  if (from <= to) {
    yield `relativeTimeRange: from ${from} s ago is not before ${to} s ago`;
  }
  const { runbook_url: runbook, dashboard } = rule.annotations;
  if (!runbook.endsWith(`#${rule.uid}`)) {
    yield `runbook_url: leads to ${runbook.split('#').at(-1)}`;
  }
  for (const [, uid] of dashboard.matchAll(/\bd\/([a-z-]+)/g)) {
    if (!panels.has(uid)) {
      yield `dashboard: there is no ${uid}`;
    }
  }
  for (const [name, said] of Object.entries(rule.annotations)) {
    yield* [...checkAnnotation(said)].map((fault) => `${name}: ${fault}`);
  }
  for (const { refId, model } of rule.data) {
    if (model.refId !== refId) {
      yield `data: ${refId} calls itself ${model.refId} inside`;
    }
    yield* checkMacros(model.rawSql ?? '').map((macro) => `data: ${refId}: ${macro}`);
  }
  if (rule.dashboardUid !== undefined && !panels.get(rule.dashboardUid)?.has(rule.panelId)) {
    yield `dashboardUid: ${rule.dashboardUid} has no panel ${rule.panelId}`;
  }
  const sql = rule.data[0].model.rawSql;
  // A column of text becomes a label.
  if (rule.labels.severity === undefined && !/\bAS severity\b/i.test(sql ?? '')) {
    yield 'labels: severity comes neither from here nor from the query';
  }
  // A rule with a row for each offender has none when all is well.
  const isListing = sql !== undefined && !/^\s*select\s+1\b/i.test(sql);
  if (isListing && rule.noDataState === 'NoData') {
    yield 'noDataState: NoData would be an alert of its own whenever there is nothing to tell';
  }
}

function* checkNotifications(files) {
  const all = (key) => files.flatMap(({ content }) => content[key] ?? []);
  const points = all('contactPoints');
  const uids = points.flatMap(({ receivers }) => receivers.map(({ uid }) => uid));
  yield* repeated(uids).map((uid) => `receiver ${uid}: twice`);
  yield* repeated(points.map(({ name }) => name)).map((name) => `contact point ${name}: twice`);
  const names = new Set(points.map(({ name }) => name));
  const times = new Set(all('muteTimes').map(({ name }) => name));
  const policies = all('policies');
  if (policies.length > 1) {
    yield 'policies: an organization has one tree, and the last file would win';
  }
  const settings = all('groups').flatMap(({ rules }) => rules.map((r) => r.notification_settings));
  for (const route of [...policies.flatMap(branches), ...settings.filter((s) => s !== undefined)]) {
    if (!names.has(route.receiver)) {
      yield `policies: there is no contact point ${route.receiver}`;
    }
    for (const key of ['group_interval', 'repeat_interval']) {
      if (route[key] !== undefined && seconds(route[key]) === 0) {
        yield `policies: ${key}: Alertmanager accepts no interval of 0`;
      }
    }
    const repeat = seconds(route.repeat_interval ?? '1y');
    if (repeat < seconds(route.group_interval ?? '0s')) {
      yield `policies: ${route.receiver}: a message is repeated at most once each group_interval`;
    }
    const used = [...(route.mute_time_intervals ?? []), ...(route.active_time_intervals ?? [])];
    yield* used.filter((name) => !times.has(name)).map((name) => `policies: no mute time ${name}`);
  }
  yield* checkTemplates(points, all('templates'));
}

/** A route and all below it, which inherit its intervals. */
function branches(route) {
  const { group_interval, repeat_interval } = route;
  const below = (route.routes ?? []).map((inner) => ({
    group_interval,
    repeat_interval,
    ...inner,
  }));
  return [route, ...below.flatMap(branches)];
}

/** Grafana's own begin with `default.`, `slack.default.` and the like. */
function* checkTemplates(points, templates) {
  const text = templates.map(({ template }) => template).join('\n');
  const find = (word, where) =>
    [...where.matchAll(new RegExp(`\\{\\{-?\\s*${word}\\s+"([^"]+)"`, 'g'))].map(
      ([, name]) => name,
    );
  const defined = find('define', text);
  yield* repeated(defined).map((name) => `template ${name}: defined twice`);
  const used = [
    ...find('template', text),
    ...find('template', JSON.stringify(points, null, 0).replaceAll('\\"', '"')),
  ];
  for (const name of new Set(used)) {
    if (!defined.includes(name) && !/(^|\.)default\./.test(name)) {
      yield `template ${name}: is used and not defined`;
    }
  }
}

function seconds(duration) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };
  const parts = [...duration.matchAll(/(\d+)(ms|[smhdwy])/g)];
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit], 0);
}
