// Schemas and rules find each of these in provisioning files, and nothing in the samples.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { changedProvisioning, misspelt, samples, yaml } from '../fixtures/load.js';
import { checkProvisioning } from '../lib/provisioning.js';

const rule = (content, index = 0) => content.groups[0].rules[index];
const query = (content, index = 0) => rule(content, index).data[0];
const slack = (content) => content.contactPoints[0].receivers[0];
const source = (content, index) => content.datasources[index];

const ALERTING = {
  'a misspelt key of a rule': [
    (c) => rename(rule(c), 'execErrState', 'execErrorState'),
    /execErrorState/,
  ],
  'a key of the API instead of the file': [
    (c) => (rule(c, 1).keep_firing_for = '5m'),
    /keep_firing_for/,
  ],
  'a misspelt key of a group': [(c) => rename(c.groups[0], 'interval', 'intervall'), /intervall/],
  'a misspelt key of a model': [(c) => rename(query(c).model, 'rawSql', 'rawSQL'), /rawSQL/],
  'a uid of 41 characters': [(c) => (rule(c).uid = 'a'.repeat(41)), /40/],
  'a uid with a character that Grafana refuses': [
    (c) => (rule(c).uid = 'run.failed'),
    /uid: must match/,
  ],
  'an annotation with braces of the environment': [
    (c) => (rule(c).annotations.summary = '${labels.host}'),
    /summary: must NOT be valid/,
  ],
  'a rule without an annotation': [(c) => delete rule(c).annotations.description, /description/],
  'a state that does not exist': [(c) => (rule(c).noDataState = 'Ok'), /noDataState/],
  'an unknown data source': [
    (c) => (query(c).datasourceUid = 'payment-monitor-mimir'),
    /datasourceUid/,
  ],
  'SQL as a time series': [(c) => (query(c).model.format = 'time_series'), /format/],
  'PromQL over a range': [
    (c) => Object.assign(query(c, 1).model, { instant: false, range: true }),
    /instant/,
  ],
  'a text instead of a switch': [(c) => (query(c, 1).model.instant = 'true'), /instant/],
  'a reduce between query and threshold': [
    (c) => rule(c).data.splice(1, 0, { refId: 'R' }),
    /data/,
  ],
  'a threshold that comes before a query': [(c) => rule(c, 1).data.reverse(), /data/],
  'a query that is named otherwise inside': [
    (c) => (query(c, 2).model.refId = 'V'),
    /A calls itself V/,
  ],
  'a query for the annotations under another name': [
    (c) => (rule(c, 2).data[1].refId = 'A'),
    /refId/,
  ],
  'a rule without a severity': [(c) => delete rule(c).labels.severity, /severity/],
  'another threshold than more than nothing': [
    (c) => (rule(c).data[1].model.conditions[0].evaluator.params = [1]),
    /params/,
  ],
  'a condition that is not there': [(c) => (rule(c).condition = 'C'), /condition/],
  'a duration that Prometheus does not know': [(c) => (rule(c).for = '1.5m'), /for: must match/],
  'a number as a duration': [(c) => (rule(c).for = 5), /for: must be string/],
  'a label that nothing routes': [(c) => (rule(c).labels.team = 'pay'), /team/],
  'a severity that nothing routes': [(c) => (rule(c).labels.severity = 'high'), /severity/],
  'an empty address for Slack': [(c) => (slack(c).settings.url = ''), /url: must match/],
  'an address for Slack with a default': [
    (c) => (slack(c).settings.url = '${SLACK_WEBHOOK_URL:-x}'),
    /url: must match/,
  ],
  'an address for Slack that is written out': [
    (c) => (slack(c).settings.url = 'https://hooks.slack.com/services/x'),
    /url: must match/,
  ],
  'a setting that Slack does not have': [(c) => (slack(c).settings.channel = '#alerts'), /channel/],
  'a lone dollar in a message': [
    (c) => (slack(c).settings.text = '{{ range $a := .Alerts }}{{ end }}'),
    /text: must match/,
  ],
  'a receiver without a uid': [(c) => delete slack(c).uid, /uid/],
  'a group to mention that does not exist': [
    (c) => (slack(c).settings.mentionChannel = 'everyone'),
    /mentionChannel/,
  ],
  'a misspelt key of a route': [
    (c) => rename(c.policies[0].routes[0], 'object_matchers', 'objectMatchers'),
    /objectMatchers/,
  ],
  'a route for everything': [
    (c) => delete c.policies[0].routes[0].object_matchers,
    /object_matchers/,
  ],
  'a root with a matcher': [(c) => (c.policies[0].matchers = ['a = b']), /matchers/],
  'a misspelt weekday': [(c) => (c.muteTimes[0].time_intervals[0].weekdays = ['mon']), /weekdays/],
  'a time that does not exist': [
    (c) => (c.muteTimes[0].time_intervals[0].times[0].end_time = '25:00'),
    /end_time/,
  ],
  'a key that no file has': [(c) => (c.templating = []), /templating/],
  // Between the files:
  'two rules with one uid': [(c) => (rule(c, 1).uid = 'run-failed'), /rule run-failed: twice/],
  "another rule's section of the runbook": [
    (c) => (rule(c).annotations.runbook_url = 'https://example.org/docs/runbook.md#run-missed'),
    /leads to run-missed/,
  ],
  'a dashboard that does not exist': [(c) => (rule(c).annotations.dashboard = 'd/runs'), /no runs/],
  'a panel that does not exist': [(c) => (rule(c, 1).panelId = 99), /no panel 99/],
  'an interval that Grafana refuses': [(c) => (c.groups[0].interval = '15s'), /every 10 s/],
  'a stretch of time that is backwards': [
    (c) => (query(c).relativeTimeRange = { from: 0, to: 600 }),
    /not before/,
  ],
  'an alert for nothing to tell': [
    (c) => {
      query(c).model.rawSql = 'SELECT failed FROM run_summary';
      rule(c).noDataState = 'NoData';
    },
    /noDataState/,
  ],
  'a macro that ends too early': [
    (c) => (query(c).model.rawSql = 'SELECT 1 AS a WHERE $__timeFilter(f(b))'),
    /parenthesis inside/,
  ],
  'a function that no template has': [
    (c) => (rule(c).annotations.summary = '{{ humanizePercent $values.A.Value }}'),
    /no function humanizePercent/,
  ],
  'a block that does not end': [
    (c) => (rule(c).annotations.summary = '{{ if $labels.a }}x'),
    /an end is missing/,
  ],
  'a text in a template that does not end': [
    (c) => (rule(c).annotations.summary = '{{ printf "%d 1 }}'),
    /does not end/,
  ],
  'braces that are left open': [
    (c) => (rule(c).annotations.summary = '{{ $labels.a }'),
    /counterparts/,
  ],
  'an interval of nothing': [(c) => (c.policies[0].group_interval = '0s'), /no interval of 0/],
  'a repetition that is shorter than its group': [
    (c) => (c.policies[0].routes[0].repeat_interval = '1m'),
    /at most once each group_interval/,
  ],
  'a receiver that does not exist': [
    (c) => (c.policies[0].routes[0].receiver = 'mail'),
    /no contact point mail/,
  ],
  'a mute time that does not exist': [
    (c) => (c.policies[0].routes[1].mute_time_intervals = ['noon']),
    /no mute time noon/,
  ],
  'a template that does not exist': [
    (c) => (slack(c).settings.title = '{{ template "sample.titel" . }}'),
    /sample.titel/,
  ],
};

const DATASOURCES = {
  'a misspelt key': [(c) => rename(source(c, 0), 'isDefault', 'isdefault'), /isdefault/],
  'a misspelt key of jsonData': [
    (c) => rename(source(c, 0).jsonData, 'sslmode', 'sslMode'),
    /sslMode/,
  ],
  'a setting of another plugin': [(c) => (source(c, 1).jsonData.maxLines = 5), /maxLines/],
  'an encryption that does not exist': [
    (c) => (source(c, 0).jsonData.sslmode = 'prefer'),
    /sslmode/,
  ],
  'a password': [(c) => (source(c, 0).secureJsonData.password = 'secret'), /password: must match/],
  'a lone dollar in a link': [
    (c) => (source(c, 2).jsonData.derivedFields[0].url = '${__value.raw}'),
    /url: must match/,
  ],
  'a default that Grafana does not know': [
    (c) => (source(c, 3).url = '${TEMPO_URL:-http://tempo:3200}'),
    /url: must match/,
  ],
  'traces to logs of no data source': [
    (c) => (source(c, 3).jsonData.tracesToLogsV2.datasourceUid = 'loki'),
    /datasourceUid/,
  ],
  'a query that is not used': [
    (c) => (source(c, 3).jsonData.tracesToLogsV2.customQuery = false),
    /query/,
  ],
  'a shift that hides traces': [
    (c) => (source(c, 3).jsonData.traceQuery = { timeShiftEnabled: true }),
    /timeShiftEnabled/,
  ],
  'a correlation that makes Grafana panic': [
    (c) => delete source(c, 0).correlations[0].description,
    /description/,
  ],
  'a correlation with nothing behind it': [
    (c) => delete source(c, 0).correlations[0].targetUID,
    /targetUID/,
  ],
  'a type of data source that is not ours': [(c) => (source(c, 2).type = 'mimir'), /type/],
  'no default': [(c) => (source(c, 0).isDefault = false), /the default/],
};

const DASHBOARDS = {
  'a misspelt key': [
    (c) => rename(c.providers[0], 'allowUiUpdates', 'allowUIUpdates'),
    /allowUIUpdates/,
  ],
  'no path': [(c) => delete c.providers[0].options.path, /path/],
  'a uid of the folder that rules are in': [
    (c) => (c.providers[0].folderUid = 'payment-monitor'),
    /folder Payment monitor: .* twice/,
  ],
};

test('nothing is found in the samples', () => {
  assert.deepEqual(checkProvisioning(samples.provisioning, samples.dashboards), []);
});

for (const [kind, mistakes] of Object.entries({ ALERTING, DATASOURCES, DASHBOARDS })) {
  for (const [mistake, [change, expected]] of Object.entries(mistakes)) {
    test(`${kind.toLowerCase()}: ${mistake}: found`, () => {
      const files = changedProvisioning(kind.toLowerCase(), change);
      const found = checkProvisioning(files, samples.dashboards);
      assert.match(found.join('\n'), expected);
    });
  }
}

test('any key that is misspelt is found, at any depth', () => {
  let count = 0;
  const whole = samples.provisioning.map(({ path, text }) => ({ path, text: yaml(parse(text)) }));
  assert.deepEqual(checkProvisioning(whole, samples.dashboards), []);
  for (const { path, text } of samples.provisioning) {
    for (const { place, copy } of misspelt(parse(text))) {
      const found = checkProvisioning([{ path, text: yaml(copy) }], samples.dashboards);
      assert.notDeepEqual(found, [], `${path}: ${place}`);
      count += 1;
    }
  }
  assert.ok(count > 200, `${count} keys`);
});

test('what YAML 1.1 and 1.2 read differently is found', () => {
  const path = 'provisioning/alerting/times.yaml';
  const text =
    'apiVersion: 1\nmuteTimes:\n  - orgId: 1\n    name: on\n    time_intervals:\n' +
    "      - times: [{ start_time: 22:00, end_time: '24:00' }]\n";
  assert.match(checkProvisioning([{ path, text }], []).join('\n'), /quote it/);
});

test('what is no YAML is a finding, and no crash', () => {
  const file = { path: 'provisioning/alerting/broken.yaml', text: 'a: [' };
  assert.match(checkProvisioning([file], []).join('\n'), /no YAML/);
});

function rename(object, from, to) {
  object[to] = object[from];
  delete object[from];
}
