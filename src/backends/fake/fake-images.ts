import { createHash } from 'node:crypto';
import { type ImageStore, type StoredImage, TerokError } from '../../core/index.ts';

/** Images that are names only: nothing is unpacked, nothing is run. */
export function createFakeImageStore(references: readonly string[]): ImageStore {
  const images = new Map<string, StoredImage>();
  const add = async (reference: string, labels: Readonly<Record<string, string>>): Promise<StoredImage> => {
    const id = `sha256:${createHash('sha256')
      .update(JSON.stringify([reference, labels]))
      .digest('hex')}`;
    const image = { id, references: [reference], createdAt: new Date().toISOString(), bytes: 0, labels, annotations: {} };
    images.set(reference, image);
    return image;
  };
  for (const reference of references) void add(reference, {});
  return {
    inspect: async (reference) => images.get(reference) ?? [...images.values()].find(({ id }) => id === reference),
    importRootfs: (_tarFile, reference, labels) => add(reference, labels),
    loadArchive: (_file, reference) => add(reference, {}),
    pull: async (source) => {
      throw new TerokError('IMAGE_UNAVAILABLE', `The fake backend pulls nothing, so \`${source}\` is not available.`);
    },
    build: ({ reference, labels }) => add(reference, labels),
    list: async (label) =>
      [...images.values()].filter(
        ({ labels }) => label in labels || Object.entries(labels).some(([name, value]) => label === `${name}=${value}`),
      ),
    remove: async (reference) => void images.delete(reference),
  };
}
