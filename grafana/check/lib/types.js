// Dashboards against their type: each file becomes a module that assigns it, unchanged, to
// `Dashboard`. As a literal it may not have a key that nobody declared, at any depth, nor one twice.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');
const HEAD =
  'import type { Dashboard } from "../../types/dashboard"; export const dashboard: Dashboard =\n';

/** All files in one go: starting the compiler takes longer than the work. */
export function checkTypes(dashboards) {
  if (dashboards.length === 0) {
    return [];
  }
  mkdirSync(join(ROOT, 'generated'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, 'generated/'));
  try {
    const paths = new Map();
    dashboards.forEach(({ path, text }, index) => {
      const module = `${index}.ts`;
      paths.set(module, path);
      writeFileSync(join(folder, module), HEAD + text);
    });
    const settings = { extends: '../../tsconfig.json', include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    return compile(folder, paths);
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
