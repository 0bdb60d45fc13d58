import { expect, test } from 'vitest';
import { selectBackendName } from '../../../src/core/config/index.ts';
import type { ProbeReport } from '../../../src/core/index.ts';

const backend = (name: string, report: ProbeReport) => ({ name, probe: () => Promise.resolve(report) });
const known = [backend('podman', { state: 'available', version: '5.4.2', notes: [] }), backend('krun', { state: 'absent', findings: [] })];

test('the flag decides over the environment, the project and the global configuration', async () => {
  const all = { flag: 'krun', env: 'podman', project: 'podman', global: 'podman' };
  expect(await selectBackendName(all, known)).toBe('krun');
  expect(await selectBackendName({ env: 'krun', project: 'podman', global: 'podman' }, known)).toBe('krun');
  expect(await selectBackendName({ project: 'krun', global: 'podman' }, known)).toBe('krun');
  expect(await selectBackendName({ global: 'krun' }, known)).toBe('krun');
});

test('without a wish, or with an empty one, it is podman', async () => {
  expect(await selectBackendName({}, known)).toBe('podman');
  expect(await selectBackendName({ env: '' }, known)).toBe('podman');
});

test('an unknown name lists what exists and what is usable here', async () => {
  await expect(selectBackendName({ env: 'docker' }, known)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'There is no backend `docker` (from `TEROK_BACKEND`); there are: `podman` (usable here), `krun` (absent).',
    hint: 'Use `--backend podman`.',
  });
});
