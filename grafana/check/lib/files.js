// The files that Grafana reads, from a folder laid out as ours is. Findings are lines of text:
// `path: where: what`.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @returns {{ dashboards: File[], provisioning: File[] }} where File is { path, text } */
export function read(folder) {
  const provisioning = ['datasources', 'dashboards', 'alerting'];
  return {
    dashboards: list(folder, 'dashboards', '.json'),
    provisioning: provisioning.flatMap((kind) => list(folder, `provisioning/${kind}`, '.yaml')),
  };
}

function list(folder, place, extension) {
  if (!existsSync(join(folder, place))) {
    return [];
  }
  const names = readdirSync(join(folder, place)).sort();
  return names
    .filter((name) => name.endsWith(extension))
    .map((name) => ({
      path: `${place}/${name}`,
      text: readFileSync(join(folder, place, name), 'utf8'),
    }));
}

/** What occurs more than once. */
export function repeated(values) {
  const seen = new Set();
  return [...new Set(values.filter((value) => seen.has(value) || !seen.add(value)))];
}
