import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { createPodmanBackend } from '../../src/backends/podman/index.ts';
import { resolvePaths } from '../../src/core/index.ts';
import { describeUnless } from '../support/describe-unless.ts';
import { findTestImage, openTestHost } from './podman-fixture/test-bottle.ts';

const found =
  process.getuid?.() === 0
    ? await findTestImage(createPodmanBackend({ paths: resolvePaths(), env: process.env }))
    : { reason: 'rootful Podman needs root' };
const image = 'image' in found ? found.image : '';
const NAME = 'localhost/terok-known-images:test';
const CONTAINER = `tpb-known-${process.pid}`;

describeUnless('reason' in found ? found.reason : undefined, 'images that were described before', () => {
  it('are told by what their name stands for at the moment', async () => {
    await using host = await openTestHost({ image });
    const { images } = host.backend;
    try {
      await host.podman.call('name', ['tag', image, NAME]);
      const first = await images.inspect(NAME);
      expect(first).toMatchObject({ references: expect.arrayContaining([NAME]) });
      expect(await images.inspect(NAME)).toEqual({ ...first, references: expect.arrayContaining([NAME]) });

      const dir = path.join(host.paths.runtime, 'images');
      const [note = ''] = await readdir(dir);
      await writeFile(path.join(dir, note), 'damaged');
      expect((await images.inspect(NAME))?.id).toBe(first?.id);

      await host.podman.call('create', ['create', '--name', CONTAINER, '--network', 'none', image, 'true']);
      await host.podman.call('commit', ['commit', '--quiet', CONTAINER, NAME]);
      const second = await images.inspect(NAME);
      expect(second?.id).toMatch(/^sha256:/);
      expect(second?.id).not.toBe(first?.id);
    } finally {
      await host.podman.run(['rm', '--force', CONTAINER]);
      await images.remove(NAME);
    }
    expect(await images.inspect(NAME)).toBeUndefined();
  });
});
