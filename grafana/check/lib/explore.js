// Links to Explore carry a whole query, encoded in their address, which nobody can read there.

/** The panes of every such link in a dashboard: [{ path, text, type }], and what is no such link. */
export function explorations({ path, text }) {
  const modules = [];
  const findings = [];
  for (const address of new Set(addresses(JSON.parse(text)))) {
    const { searchParams } = new URL(address, 'http://grafana');
    try {
      const panes = JSON.parse(searchParams.get('panes'));
      if (searchParams.get('schemaVersion') !== '1') {
        throw new Error('schemaVersion is not 1');
      }
      if (panes === null) {
        throw new Error('panes are missing');
      }
      modules.push({
        path: `${path}: a link to Explore`,
        text: `${JSON.stringify(panes, null, 2)}\n`,
        type: 'Panes',
      });
    } catch (error) {
      findings.push(`${path}: a link to Explore: ${error.message}`);
    }
  }
  return { modules, findings };
}

function* addresses(value) {
  if (typeof value === 'string' && value.startsWith('/explore?')) {
    yield value;
  } else if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) {
      yield* addresses(item);
    }
  }
}
