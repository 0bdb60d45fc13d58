import type { BottleUser, SeedFile } from '../../core/index.ts';

export const USER_IDS: Readonly<Record<BottleUser, number>> = { root: 0, agent: 1000 };

/** One tar archive with the seeds, owners and modes explicit; directories are left to what the image has. */
export async function packSeeds(seeds: readonly SeedFile[]): Promise<Buffer> {
  const { pack } = await import('tar-stream');
  const archive = pack();
  for (const seed of seeds) {
    const id = USER_IDS[seed.owner];
    archive.entry({ name: seed.path.slice(1), mode: seed.mode, uid: id, gid: id, mtime: new Date(0) }, Buffer.from(seed.content));
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
