// The units that the dashboards use, of those in grafana/grafana,
// packages/grafana-data/src/valueFormats/categories.ts. Grafana shows an unknown one as a suffix.

const KNOWN = new Set([
  'none',
  'string',
  'short',
  'percent', // of 100
  'percentunit', // of 1
  'bool',
  'bool_yes_no',
  'bool_on_off',
  // data
  'bytes', // IEC
  'decbytes',
  'Bps',
  'pps', // packets
  'binBps',
  'bps',
  // time
  's',
  'ms',
  'µs',
  'ns',
  'm',
  'h',
  'd',
  'dtdurations', // 1 hour, 2 minutes
  'dtdurationms',
  'dthms',
  'clocks',
  // moments, as milliseconds since 1970
  'dateTimeAsIso',
  'dateTimeAsIsoNoDateIfToday',
  'dateTimeAsSystem',
  'dateTimeFromNow',
  // throughput
  'cps',
  'ops',
  'reqps',
  'rps',
  'wps',
  'iops',
  'eps', // events
  'mps', // messages
  'recps', // records
  'rowsps',
  'cpm',
  'opm',
  'rpm',
  'epm',
]);

/** Units that anybody may make. */
const OWN = /^(suffix|prefix|time|si|count|currency): ?\S/;

export function isUnit(unit) {
  return KNOWN.has(unit) || OWN.test(unit);
}
