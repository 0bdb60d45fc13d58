import type { CallOptions, ImageStore, StoredImage } from '../core/index.ts';

export interface TerokImage {
  readonly reference: string;
  readonly layer: string;
  readonly id: string;
  readonly bytes: number;
  readonly createdAt: string;
  readonly agents: readonly string[];
}

const OWN_REFERENCE = /^localhost\/terok\/(?:l0|l1|base):[0-9a-f]{12}$/;

/** Every tag that terok made. */
export async function listImages(store: ImageStore, options: CallOptions = {}): Promise<readonly TerokImage[]> {
  const images = await store.list('terok.layer', options);
  return images.flatMap((image) =>
    image.references.filter((reference) => OWN_REFERENCE.test(reference)).map((reference) => toTerokImage(image, reference)),
  );
}

export interface PruneOptions extends CallOptions {
  readonly store: ImageStore;
  /** References or ids that bottles or the current configuration need; what these are built on is kept too */
  readonly keep: readonly string[];
}

/** Removes terok's images that nothing needs, agent layers before what they are built on, and gives what was removed. */
export async function pruneImages({ store, keep, ...call }: PruneOptions): Promise<readonly TerokImage[]> {
  const images = await store.list('terok.layer', call);
  const needed = new Set(keep);
  for (const image of images) {
    const base = image.labels['terok.base'];
    if (base !== undefined && isNeeded(image, needed)) needed.add(base);
  }
  const unneeded = images.filter((image) => !isNeeded(image, needed));
  const removable = unneeded.flatMap((image) =>
    image.references.filter((reference) => OWN_REFERENCE.test(reference)).map((reference) => toTerokImage(image, reference)),
  );
  const ordered = removable.sort((a, b) => (a.layer > b.layer ? -1 : 1));
  for (const { reference } of ordered) await store.remove(reference, call);
  return ordered;
}

function isNeeded(image: StoredImage, needed: ReadonlySet<string>): boolean {
  return needed.has(image.id) || image.references.some((reference) => needed.has(reference));
}

function toTerokImage(image: StoredImage, reference: string): TerokImage {
  const { labels, id, bytes, createdAt } = image;
  return {
    reference,
    layer: labels['terok.layer'] ?? 'unknown',
    id,
    bytes,
    createdAt,
    agents: (labels['terok.agents'] ?? '').split(',').filter((name) => name !== ''),
  };
}
