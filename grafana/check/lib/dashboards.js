// What no type can say about a dashboard: that ids are unique, that panels don't overlap, that
// links lead somewhere, that a reader is told what they see.

import { basename } from 'node:path';
import { repeated } from './files.js';
import { isUnit } from './units.js';

const COLUMNS = 24;

/** Panels that show numbers, and so say of what. */
const NUMERIC = new Set([
  'barchart',
  'bargauge',
  'gauge',
  'heatmap',
  'histogram',
  'piechart',
  'stat',
  'timeseries',
  'trend',
]);

/** grafana/grafana, pkg/tsdb/grafana-postgresql-datasource/macros.go */
const MACROS = new Set([
  '__time',
  '__timeEpoch',
  '__timeFilter',
  '__timeFrom',
  '__timeTo',
  '__timeGroup',
  '__timeGroupAlias',
  '__unixEpochFilter',
  '__unixEpochNanoFilter',
  '__unixEpochNanoFrom',
  '__unixEpochNanoTo',
  '__unixEpochGroup',
  '__unixEpochGroupAlias',
]);

/** All dashboards, because they link to each other. */
export function checkDashboards(files) {
  const findings = [];
  const parsed = [];
  for (const { path, text } of files) {
    try {
      parsed.push({ path, text, dashboard: JSON.parse(text) });
    } catch (error) {
      findings.push(`${path}: no JSON: ${error.message}`);
    }
  }
  const uids = new Set(parsed.map(({ dashboard }) => dashboard.uid));
  for (const { path, text, dashboard } of parsed) {
    const found = [
      ...checkForm(path, text, dashboard),
      ...checkPlaces(dashboard),
      ...checkPanels(dashboard),
      ...checkVariables(dashboard),
      ...checkLinks(text, uids),
    ];
    findings.push(...found.map((finding) => `${path}: ${finding}`));
  }
  return findings;
}

export function canonical(text) {
  return `${JSON.stringify(JSON.parse(text), null, 2)}\n`;
}

function* checkForm(path, text, dashboard) {
  if (text !== canonical(text)) {
    yield 'is formatted otherwise than by `npm run format`';
  }
  if (dashboard.uid !== basename(path, '.json')) {
    yield `uid: ${dashboard.uid} is not the file's name`;
  }
  if (!/^[a-zA-Z0-9_-]{1,40}$/.test(dashboard.uid)) {
    yield 'uid: at most 40 of a-z, A-Z, 0-9, - and _';
  }
  if (dashboard.id !== null) {
    yield 'id: is given by the Grafana that it lives in, so null here';
  }
  if (dashboard.schemaVersion !== 42) {
    yield `schemaVersion: ${dashboard.schemaVersion} is not 42`;
  }
  if (dashboard.timezone !== 'utc') {
    yield `timezone: ${dashboard.timezone} is not utc, in which records are`;
  }
  if (!dashboard.tags?.includes('payment-monitor')) {
    yield 'tags: the links between the dashboards need payment-monitor';
  }
  for (const key of ['__inputs', '__requires', '__elements']) {
    if (key in dashboard) {
      yield `${key}: is only read by the import of a person`;
    }
  }
}

/** Panels in a collapsed row are laid out by themselves. */
function* checkPlaces(dashboard) {
  const rows = (dashboard.panels ?? []).filter((panel) => panel.panels?.length > 0);
  for (const panels of [dashboard.panels ?? [], ...rows.map((row) => row.panels)]) {
    for (const [index, panel] of panels.entries()) {
      const { x, y, w, h } = panel.gridPos ?? {};
      if (![x, y, w, h].every(Number.isInteger) || x < 0 || y < 0 || w < 1 || h < 1) {
        yield `${name(panel)}: gridPos: whole numbers, please`;
        continue;
      }
      if (x + w > COLUMNS) {
        yield `${name(panel)}: gridPos: ends at column ${x + w} of ${COLUMNS}`;
      }
      const under = panels
        .slice(index + 1)
        .filter((other) => overlap(panel.gridPos, other.gridPos));
      yield* under.map((other) => `${name(panel)}: gridPos: overlaps with ${name(other)}`);
    }
  }
  for (const row of rows.filter((row) => !row.collapsed)) {
    yield `${name(row)}: panels: only a collapsed row has its panels inside`;
  }
}

function overlap(one, other) {
  const apart = (start, size) =>
    one[start] + one[size] <= other?.[start] || other?.[start] + other?.[size] <= one[start];
  return other !== undefined && !apart('x', 'w') && !apart('y', 'h');
}

function* checkPanels(dashboard) {
  const panels = allPanels(dashboard);
  yield* repeated(panels.map((panel) => panel.id)).map((id) => `panel ${id}: two have this id`);
  for (const panel of panels) {
    const found = [...checkWords(panel), ...checkQueries(panel, panels), ...checkFields(panel)];
    yield* found.map((finding) => `${name(panel)}: ${finding}`);
  }
}

function* checkWords(panel) {
  if (!panel.title?.trim()) {
    yield 'title: is missing';
  }
  if (panel.type !== 'row' && !panel.description?.trim()) {
    yield 'description: is missing';
  }
}

function* checkQueries(panel, panels) {
  const targets = panel.targets ?? [];
  yield* repeated(targets.map((target) => target.refId)).map((id) => `refId ${id}: twice`);
  for (const target of targets) {
    const { uid } = target.datasource ?? {};
    if (uid !== panel.datasource?.uid && panel.datasource?.uid !== '-- Mixed --') {
      yield `refId ${target.refId}: asks ${uid}, though the panel asks ${panel.datasource?.uid}`;
    }
    if (uid === '-- Dashboard --' && !panels.some((other) => other.id === target.panelId)) {
      yield `refId ${target.refId}: there is no panel ${target.panelId}`;
    }
  }
  for (const target of targets) {
    yield* checkMacros(target.rawSql ?? '').map((macro) => `refId ${target.refId}: ${macro}`);
  }
  if (targets.length > 0 && targets.every((target) => target.hide)) {
    yield 'targets: every query is hidden';
  }
}

/** Grafana takes any `$name(` for a macro, and ends it at the first closing parenthesis. */
export function checkMacros(sql) {
  const macros = [...sql.matchAll(/\$(\w+)\(([^)]*)/g)];
  return macros
    .filter(([, macro, inside]) => !MACROS.has(macro) || inside.includes('('))
    .map(([macro, name]) =>
      MACROS.has(name) ? `${macro} has a parenthesis inside` : `there is no macro $${name}`,
    );
}

function* checkFields(panel) {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  if (NUMERIC.has(panel.type) && !defaults.unit) {
    yield 'unit: is missing, and this panel shows numbers';
  }
  const properties = overrides.flatMap((override) => override.properties ?? []);
  const values = (id) => properties.filter((property) => property.id === id).map((p) => p.value);
  for (const unit of [defaults.unit, ...values('unit')]) {
    if (typeof unit === 'string' && unit !== '' && !isUnit(unit)) {
      yield `unit: Grafana has no ${unit}, and would show it as a suffix`;
    }
  }
  for (const { steps = [] } of [defaults.thresholds ?? {}, ...values('thresholds')]) {
    const limits = steps.map((step) => step.value ?? -Infinity);
    if (steps.length > 0 && limits[0] !== -Infinity) {
      yield 'thresholds: the first step is for everything below the second: null';
    }
    if (limits.some((limit, index) => index > 0 && limit <= limits[index - 1])) {
      yield 'thresholds: steps rise';
    }
  }
}

function* checkVariables(dashboard) {
  const names = (dashboard.templating?.list ?? []).map((variable) => variable.name);
  yield* repeated(names).map((name) => `variable ${name}: twice`);
  for (const panel of allPanels(dashboard)) {
    if (panel.repeat && !names.includes(panel.repeat)) {
      yield `${name(panel)}: repeat: there is no variable ${panel.repeat}`;
    }
  }
}

/** Addresses in links and in what queries return. */
function* checkLinks(text, uids) {
  const linked = new Set(
    [...text.matchAll(/(?<![\w/])\/?d\/([a-z][\w-]*)/g)].map(([, uid]) => uid),
  );
  yield* [...linked].filter((uid) => !uids.has(uid)).map((uid) => `link: no dashboard ${uid}`);
}

function allPanels(dashboard) {
  return (dashboard.panels ?? []).flatMap((panel) => [panel, ...(panel.panels ?? [])]);
}

function name(panel) {
  return `panel ${panel.id} (${panel.title ?? panel.type})`;
}
