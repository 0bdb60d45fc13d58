/*
 * Scope: what Podman said of an image before, found again by its id, which stands for content that never changes. The id comes from the
 * storage's own index, so that a start does not wait for Podman. Out of scope: whether the image may be used.
 * Fail-safe direction: where the index has another form than expected, or knows no such name, Podman is asked.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { ignoreCodes, parseJson, writeStateFile } from '../../core/index.ts';
import type { ImageDescription } from './inspect.ts';
import type { PodmanHost } from './podman-host.ts';

const indexSchema = z.array(z.object({ id: z.string().regex(/^[0-9a-f]{64}$/), names: z.array(z.string()).optional() }));

const stringMap = z.record(z.string(), z.string());
const descriptionSchema = z.strictObject({
  image: z.strictObject({
    id: z.string(),
    references: z.array(z.string()),
    createdAt: z.string(),
    bytes: z.number(),
    labels: stringMap,
    annotations: stringMap,
  }),
  layerDirs: z.array(z.string()),
});

/** What was remembered of the image that has this very name; undefined where Podman has to be asked. */
export async function recallImage(host: PodmanHost, reference: string): Promise<ImageDescription | undefined> {
  const { graphRoot, graphDriver } = host.facts;
  const text = await ignoreCodes(['ENOENT', 'EACCES'], () => readFile(path.join(graphRoot, `${graphDriver}-images/images.json`), 'utf8'));
  const found = parse(text, indexSchema)?.find(({ names }) => names?.includes(reference) === true);
  if (found === undefined) return undefined;
  const known = parse(await ignoreCodes(['ENOENT'], () => readFile(descriptionFile(host, found.id), 'utf8')), descriptionSchema);
  return known?.image.id === `sha256:${found.id}` ? { ...known, image: { ...known.image, references: found.names ?? [] } } : undefined;
}

export async function rememberImage(host: PodmanHost, description: ImageDescription): Promise<void> {
  const [, id] = /^sha256:([0-9a-f]{64})$/.exec(description.image.id) ?? [];
  if (id !== undefined) await writeStateFile(descriptionFile(host, id), description);
}

/** A note that cannot be read is made again: nothing is lost with it. */
function parse<T>(text: string | undefined, schema: z.ZodType<T>): T | undefined {
  return text === undefined ? undefined : schema.safeParse(parseJson(text)).data;
}

function descriptionFile(host: PodmanHost, id: string): string {
  return path.join(host.runtimeDir, 'images', `${id}.json`);
}
