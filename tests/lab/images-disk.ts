import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { createPodmanHost, type PodmanHost } from '../../src/backends/oci/index.ts';
import { resolvePaths } from '../../src/core/index.ts';
import { labCacheDir } from './build-lab.ts';
import { makeDisk } from './disks.ts';

const IMAGES_MIB = 12_288;
const TRANSFER_MS = 10 * 60_000;

/** A disk with Podman's storage that holds these images of the host; made again when one of them changes. */
export async function imagesDisk(references: readonly string[], signal: AbortSignal): Promise<string> {
  const host = await createPodmanHost({ env: process.env, runtimeDir: resolvePaths(process.env).runtime });
  const ids = await Promise.all(
    references.map((reference) => host.call('find the image', ['image', 'inspect', '--format', '{{.Id}}', reference])),
  );
  const key = createHash('sha256')
    .update(JSON.stringify([references, ids, IMAGES_MIB]))
    .digest('hex')
    .slice(0, 16);
  const target = path.join(labCacheDir(), `images-${key}.img`);
  if (existsSync(target)) return target;
  await mkdir(labCacheDir(), { recursive: true, mode: 0o700 });
  const staging = await mkdtemp(path.join(labCacheDir(), 'building-'));
  try {
    const file = path.join(staging, 'images.img');
    await makeDisk({ file, from: await fillStorage(host, references, { staging, signal }), mebibytes: IMAGES_MIB, signal });
    await rename(file, target);
    return target;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function fillStorage(
  host: PodmanHost,
  references: readonly string[],
  { staging, signal }: { readonly staging: string; readonly signal: AbortSignal },
): Promise<string> {
  const options = { timeoutMs: TRANSFER_MS, signal };
  const storage = path.join(staging, 'storage');
  await mkdir(storage);
  for (const reference of references) {
    const archive = path.join(staging, 'image.tar');
    await host.call('save the image', ['save', '--quiet', '--output', archive, reference], options);
    const own = ['--root', storage, '--runroot', path.join(staging, 'run'), '--storage-driver', 'overlay'];
    await host.call('load the image', [...own, 'load', '--quiet', '--input', archive], options);
    await rm(archive);
  }
  // the lab's own Podman makes its database anew, for the place where it finds the storage
  await Promise.all(
    ['libpod', 'db.sql', 'defaultNetworkBackend'].map((name) => rm(path.join(storage, name), { recursive: true, force: true })),
  );
  return storage;
}
