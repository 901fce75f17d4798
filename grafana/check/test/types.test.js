// The compiler finds each of these, and nothing in the sample. All are compiled at once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedDashboard, misspelt, samples } from '../fixtures/load.js';
import { checkTypes } from '../lib/types.js';

const MISTAKES = {
  'a misspelt key of an SQL query': [
    (d, panel) => rename(panel(3).targets[0], 'rawSql', 'rawSQL'),
    /rawSQL/,
  ],
  'a misspelt key of a PromQL query': [
    (d, panel) => rename(panel(2).targets[0], 'legendFormat', 'legendformat'),
    /legendformat/,
  ],
  'a misspelt key of a LogQL query': [
    (d, panel) => rename(panel(5).targets[0], 'maxLines', 'maxlines'),
    /maxlines/,
  ],
  'a misspelt key of a TraceQL query': [
    (d, panel) => rename(panel(6).targets[0], 'tableType', 'tabletype'),
    /tabletype/,
  ],
  'a key of another language in a query': [
    (d, panel) => (panel(2).targets[0].rawSql = 'SELECT 1'),
    /rawSql|targets|DataQuery/,
  ],
  'SQL that is asked of Prometheus': [
    (d, panel) => (panel(3).targets[0].datasource = panel(2).datasource),
    /datasource|expr|DataQuery|prometheus/,
  ],
  'a format that no query has': [
    (d, panel) => (panel(3).targets[0].format = 'timeseries'),
    /timeseries/,
  ],
  'an unknown data source': [
    (d, panel) => (panel(2).datasource.uid = 'payment-monitor-mimir'),
    /payment-monitor-mimir/,
  ],
  'a data source of the wrong type': [
    (d, panel) => (panel(2).datasource.type = 'loki'),
    /loki|datasource/,
  ],
  'a query without a data source': [
    (d, panel) => delete panel(2).targets[0].datasource,
    /datasource/,
  ],
  'a misspelt option': [
    (d, panel) => rename(panel(3).options, 'colorMode', 'colourMode'),
    /colourMode/,
  ],
  'a misspelt option, deep inside': [
    (d, panel) => rename(panel(2).options.legend, 'showLegend', 'showlegend'),
    /showlegend/,
  ],
  'an option of another panel': [(d, panel) => (panel(3).options.cellHeight = 'sm'), /cellHeight/],
  'an option that is not one of its values': [
    (d, panel) => (panel(3).options.graphMode = 'bars'),
    /bars/,
  ],
  'text where an option is a switch': [
    (d, panel) => (panel(4).options.showHeader = 'true'),
    /showHeader|string/,
  ],
  'a number as a unit': [(d, panel) => (panel(3).fieldConfig.defaults.unit = 5), /number/],
  'a misspelt key of the standard options': [
    (d, panel) => rename(panel(2).fieldConfig.defaults, 'thresholds', 'threshold'),
    /threshold/,
  ],
  "a misspelt key of a panel's own options": [
    (d, panel) => rename(panel(2).fieldConfig.defaults.custom, 'fillOpacity', 'fillopacity'),
    /fillopacity/,
  ],
  'own options of a panel that has none': [
    (d, panel) => (panel(3).fieldConfig.defaults.custom = { lineWidth: 1 }),
    /lineWidth|never/,
  ],
  'a mode that no thresholds have': [
    (d, panel) => (panel(2).fieldConfig.defaults.thresholds.mode = 'relative'),
    /relative/,
  ],
  'a colour scheme that does not exist': [
    (d, panel) => (panel(2).fieldConfig.defaults.color.mode = 'classic'),
    /classic/,
  ],
  'an override of a property that does not exist': [
    (d, panel) => (panel(4).fieldConfig.overrides[0].properties[1].id = 'custom.widht'),
    /widht/,
  ],
  'an override with a value of the wrong kind': [
    (d, panel) => (panel(4).fieldConfig.overrides[0].properties[1].value = '300'),
    /string/,
  ],
  'a matcher that does not exist': [
    (d, panel) => (panel(4).fieldConfig.overrides[0].matcher.id = 'byname'),
    /byname/,
  ],
  'a misspelt key of a data link': [
    (d, panel) => rename(panel(4).fieldConfig.overrides[0].properties[0].value[0], 'url', 'URL'),
    /URL/,
  ],
  'a transformation that does not exist': [
    (d, panel) => (panel(4).transformations[0].id = 'organise'),
    /organise/,
  ],
  'a misspelt option of a transformation': [
    (d, panel) => rename(panel(4).transformations[0].options, 'renameByName', 'renamebyName'),
    /renamebyName/,
  ],
  'an option of another transformation': [
    (d, panel) => (panel(4).transformations[0].options.sort = []),
    /sort/,
  ],
  'an option that Grafana has moved': [
    (d, panel) => (panel(4).fieldConfig.defaults.custom.cellOptions.wrapText = true),
    /wrapText/,
  ],
  'a type of panel that does not exist': [(d, panel) => (panel(2).type = 'graph'), /graph/],
  'a misspelt key of a panel': [(d, panel) => (panel(2).timefrom = '1h'), /timefrom/],
  'a misspelt key in a folded row': [(d, panel) => (panel(9).options.xfield = 'outcome'), /xfield/],
  'a misspelt key of a variable': [
    (d) => rename(d.templating.list[0], 'includeAll', 'includeall'),
    /includeall/,
  ],
  'a way to refresh that does not exist': [(d) => (d.templating.list[0].refresh = 3), /3|refresh/],
  'a variable of a type that does not exist': [(d) => (d.templating.list[2].type = 'text'), /text/],
  'a choice of a text field': [(d) => (d.templating.list[2].multi = true), /multi/],
  "a misspelt key of an annotation's query": [
    (d) => rename(d.annotations.list[0].target, 'rawSql', 'rawsql'),
    /rawsql/,
  ],
  'a misspelt key of the dashboard': [
    (d) => rename(d, 'graphTooltip', 'graphTooltips'),
    /graphTooltips/,
  ],
  'an old schema': [(d) => (d.schemaVersion = 39), /39/],
};

const changed = Object.entries(MISTAKES).map(([mistake, [change]]) =>
  changedDashboard(change, `${mistake}.json`),
);
const findings = checkTypes([...samples.dashboards, ...changed]);
const findingsOn = (path) => findings.filter((finding) => finding.startsWith(`${path}:`));

test('the compiler finds nothing in the sample', () => {
  assert.deepEqual(findingsOn(samples.dashboards[0].path), []);
});

for (const [mistake, [, expected]] of Object.entries(MISTAKES)) {
  test(`the compiler finds ${mistake}`, () => {
    const found = findingsOn(`${mistake}.json`);
    assert.notDeepEqual(found, []);
    assert.match(found.join('\n'), expected);
  });
}

test('the compiler finds any key that is misspelt, at any depth', () => {
  const mistakes = misspelt(JSON.parse(samples.dashboards[0].text));
  const found = checkTypes(
    mistakes.map(({ place, copy }) => ({ path: place, text: JSON.stringify(copy) })),
  );
  const seen = new Set(found.map((finding) => finding.split(':')[0]));
  const unseen = mistakes.map(({ place }) => place).filter((place) => !seen.has(place));
  // These are what people name: a value, and fields.
  const names = /mappings\.0\.options\.0$|(indexByName|renameByName)\.run_id$/;
  assert.ok(mistakes.length > 300, `${mistakes.length} keys`);
  assert.deepEqual(
    unseen.filter((place) => !names.test(place)),
    [],
  );
});

const explore = (change) =>
  changedDashboard((d, panel) => {
    const [, link] = panel(4).fieldConfig.overrides[0].properties[0].value;
    link.url = change(link.url);
  }, 'explore.json');

test('a misspelt key is found in a query that a link carries', () => {
  const file = explore((url) => url.replace('%22queryType%22', '%22querytype%22'));
  assert.match(checkTypes([file]).join('\n'), /a link to Explore.*querytype/);
});

test('a link to Explore that has no panes, or broken ones, is found', () => {
  const broken = explore((url) => url.replace('%7B', ''));
  assert.match(checkTypes([broken]).join('\n'), /a link to Explore: /);
  const empty = explore(() => '/explore?schemaVersion=1');
  assert.match(checkTypes([empty]).join('\n'), /panes are missing/);
});

test('a finding names the line of the file', () => {
  const file = changedDashboard((d) => (d.extra = 1), 'extra.json');
  const line = file.text.split('\n').findIndex((text) => text.includes('"extra"')) + 1;
  const [finding] = checkTypes([file]);
  assert.ok(finding.startsWith(`extra.json:${line}: `), finding);
});

test('a key that stands there twice is found, though JSON takes the last', () => {
  const text = samples.dashboards[0].text.replace(
    '"version": 1,',
    '"version": 1,\n  "version": 2,',
  );
  assert.match(checkTypes([{ path: 'twice.json', text }]).join('\n'), /TS1117/);
});

function rename(object, from, to) {
  object[to] = object[from];
  delete object[from];
}
