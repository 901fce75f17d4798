// Finds fault with what is in a folder of Grafana's files, by default the one above:
//   node check.js [FOLDER]            exit code 1 if there is any
//   node check.js --format [FOLDER]   writes the dashboards in the one form that is accepted

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonical, checkDashboards } from './lib/dashboards.js';
import { read } from './lib/files.js';
import { checkProvisioning } from './lib/provisioning.js';
import { checkTypes } from './lib/types.js';

const words = process.argv.slice(2);
const isFormatting = words[0] === '--format';
const folder = words.at(isFormatting ? 1 : 0) ?? fileURLToPath(new URL('..', import.meta.url));
const { dashboards, provisioning } = read(folder);

if (isFormatting) {
  for (const { path, text } of dashboards) {
    writeFileSync(join(folder, path), canonical(text));
  }
} else {
  const shape = checkDashboards(dashboards);
  const broken = shape.some((finding) => finding.includes(': no JSON: '));
  const findings = [
    ...shape,
    ...(broken ? [] : checkTypes(dashboards)),
    ...(broken ? [] : checkProvisioning(provisioning, dashboards)),
  ];
  findings.forEach((finding) => console.log(finding));
  console.log(
    `${dashboards.length} dashboards and ${provisioning.length} provisioning files in ${folder}: ` +
      `${findings.length} findings`,
  );
  // An empty folder proves nothing.
  process.exitCode = findings.length > 0 || dashboards.length + provisioning.length === 0 ? 1 : 0;
}
