// Dashboards against their type: each file becomes a module that assigns it, unchanged, to
// `Dashboard`, and so does the query in each link to Explore. As a literal it may not have a key that nobody declared, at any depth, nor one twice.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { explorations } from './explore.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');
const MODULES = { Dashboard: 'dashboard', Panes: 'explore' };

/** All files in one go: starting the compiler takes longer than the work. */
export function checkTypes(dashboards) {
  if (dashboards.length === 0) {
    return [];
  }
  const links = dashboards.map(explorations);
  const modules = [...dashboards, ...links.flatMap((link) => link.modules)];
  mkdirSync(join(ROOT, 'generated'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'generated/'));
  try {
    const paths = new Map();
    modules.forEach(({ path, text, type = 'Dashboard' }, index) => {
      paths.set(`${index}.ts`, path);
      const head = `import type { ${type} } from '../../types/${MODULES[type]}'; export const it: ${type} =`;
      writeFileSync(join(folder, `${index}.ts`), `${head}\n${text}`);
    });
    const settings = { extends: '../../tsconfig.json', include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    return [...links.flatMap((link) => link.findings), ...compile(folder, paths)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compile(folder, paths) {
  const run = spawnSync(process.execPath, [COMPILER, '-p', folder, '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const findings = [];
  for (const line of run.stdout.split('\n')) {
    const place = line.match(/^(.*\.ts)\((\d+),\d+\): error (TS\d+: .*)$/);
    if (place) {
      const [, module, number, message] = place;
      // The head took the first line.
      const path = paths.get(basename(module)) ?? module;
      findings.push(`${path}:${Number(number) - 1}: ${message}`);
    } else if (line.startsWith('  ') && findings.length > 0) {
      findings[findings.length - 1] += `\n  ${line}`;
    } else if (line !== '') {
      findings.push(line);
    }
  }
  if (run.status !== 0 && findings.length === 0) {
    throw new Error(`the compiler could not be run: ${run.stderr || run.error}`);
  }
  return findings;
}
