// Rules about dashboards find each of these, and nothing in the sample.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedDashboard, samples } from '../fixtures/load.js';
import { checkDashboards } from '../lib/dashboards.js';

const MISTAKES = {
  'panels that overlap': [(d, panel) => (panel(4).gridPos.y = 4), /overlaps with panel 4/],
  'panels that overlap in a folded row': [(d, panel) => (panel(9).gridPos.x = 11), /overlaps/],
  'a panel that is wider than the grid': [
    (d, panel) => (panel(3).gridPos.w = 13),
    /column 25 of 24/,
  ],
  'two panels with one id': [(d, panel) => (panel(9).id = 3), /two have this id/],
  'two queries with one refId': [
    (d, panel) => panel(3).targets.push(panel(3).targets[0]),
    /refId A: twice/,
  ],
  'a query of another data source than the panel': [
    (d, panel) => (panel(3).datasource = panel(2).datasource),
    /though the panel asks/,
  ],
  'a macro that Grafana does not have': [
    (d, panel) => (panel(3).targets[0].rawSql = 'SELECT $__timefilter(a)'),
    /no macro \$__timefilter/,
  ],
  'a macro that ends too early': [
    (d, panel) => (panel(3).targets[0].rawSql = 'SELECT $__timeFilter(coalesce(a, b))'),
    /parenthesis inside/,
  ],
  'a panel without a title': [(d, panel) => (panel(3).title = ' '), /title: is missing/],
  'a panel without a description': [
    (d, panel) => delete panel(3).description,
    /description: is missing/,
  ],
  'numbers without a unit': [
    (d, panel) => delete panel(3).fieldConfig.defaults.unit,
    /unit: is missing/,
  ],
  'a unit that Grafana does not have': [
    (d, panel) => (panel(3).fieldConfig.defaults.unit = 'seconds'),
    /no seconds/,
  ],
  'an override with a unit that Grafana does not have': [
    (d, panel) => (panel(4).fieldConfig.overrides[1].properties[0].value = 'msec'),
    /no msec/,
  ],
  'thresholds that fall': [
    (d, panel) => panel(2).fieldConfig.defaults.thresholds.steps.reverse(),
    /thresholds/,
  ],
  'panels in a row that is open': [
    (d, panel) => (panel(7).collapsed = false),
    /only a collapsed row/,
  ],
  'a panel that is repeated for nothing': [
    (d, panel) => (panel(2).repeat = 'host'),
    /no variable host/,
  ],
  'only hidden queries': [(d, panel) => (panel(3).targets[0].hide = true), /every query is hidden/],
  'two variables of one name': [(d) => (d.templating.list[1].name = 'run'), /variable run: twice/],
  'a link to a dashboard that does not exist': [
    (d, panel) =>
      (panel(4).fieldConfig.overrides[0].properties[0].value[0].url = '/d/runz?var-run=1'),
    /no dashboard runz/,
  ],
  'a uid that is not the name of the file': [(d) => (d.uid = 'simple'), /not the file's name/],
  'an id': [(d) => (d.id = 7), /id: /],
  'an old schema': [(d) => (d.schemaVersion = 39), /39 is not 42/],
  "the reader's time zone": [(d) => (d.timezone = 'browser'), /timezone/],
  'no tag to be linked by': [(d) => (d.tags = []), /tags/],
  'inputs for a person': [(d) => (d.__inputs = []), /__inputs/],
};

test('nothing is found in the sample', () => {
  assert.deepEqual(checkDashboards(samples.dashboards), []);
});

for (const [mistake, [change, expected]] of Object.entries(MISTAKES)) {
  test(`${mistake}: found`, () => {
    const found = checkDashboards([changedDashboard(change)]);
    assert.match(found.join('\n'), expected);
  });
}

test('another layout of the same JSON is found', () => {
  const [{ path, text }] = samples.dashboards;
  const found = checkDashboards([{ path, text: JSON.stringify(JSON.parse(text), null, 4) }]);
  assert.match(found.join('\n'), /formatted otherwise/);
});

test('what is no JSON is a finding, and no crash', () => {
  assert.match(checkDashboards([{ path: 'a.json', text: '{' }]).join('\n'), /no JSON/);
});
