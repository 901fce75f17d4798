// Templates in alerts' annotations, in Go's language: that blocks end, and that functions exist.
// One that fails leaves the annotation as it is written, for whoever was woken up to read.

const BLOCKS = ['if', 'range', 'with', 'define', 'block'];
const WORDS = new Set([
  ...BLOCKS,
  ...['else', 'end', 'template', 'break', 'continue', 'nil', 'true', 'false'],
  // Go's
  ...['and', 'or', 'not', 'len', 'index', 'slice', 'print', 'printf', 'println', 'html', 'js'],
  ...['urlquery', 'call', 'eq', 'ne', 'lt', 'le', 'gt', 'ge'],
  // Prometheus', and Grafana's: pkg/services/ngalert/state/template/funcs.go
  ...['args', 'first', 'label', 'value', 'strvalue', 'sortByLabel', 'stripPort', 'stripDomain'],
  ...['humanize', 'humanize1024', 'humanizeDuration', 'humanizePercentage', 'humanizeTimestamp'],
  ...['title', 'toUpper', 'toLower', 'match', 'reReplaceAll', 'safeHtml', 'toTime', 'toDuration'],
  ...['now', 'parseDuration', 'pathPrefix', 'externalURL', 'graphLink', 'tableLink', 'tmpl'],
  ...['urlQueryEscape', 'filterLabels', 'filterLabelsRe', 'removeLabels', 'removeLabelsRe'],
  ...['mergeLabelValues'],
]);

export function* checkAnnotation(text) {
  let depth = 0;
  const actions = [...text.matchAll(/\{\{-?([\s\S]*?)-?\}\}/g)].map(([, action]) => action.trim());
  for (const action of actions) {
    const code = action.replace(/"(\\.|[^"\\])*"|`[^`]*`/g, '""');
    if (code.replaceAll('""', '').includes('"')) {
      yield `a text does not end: ${action}`;
    }
    const words = [...code.matchAll(/(?<![.$\w])[A-Za-z_]\w*/g)].map(([word]) => word);
    yield* words.filter((word) => !WORDS.has(word)).map((word) => `there is no function ${word}`);
    depth += BLOCKS.includes(words[0]) ? 1 : 0;
    depth -= words[0] === 'end' ? 1 : 0;
    if (depth < 0) {
      yield 'an end too many';
    }
  }
  if (depth > 0) {
    yield 'an end is missing';
  }
  if (/\{\{|\}\}/.test(text.replace(/\{\{-?[\s\S]*?-?\}\}/g, ''))) {
    yield 'braces without their counterparts';
  }
}
