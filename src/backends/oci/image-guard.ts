/**
 * Images that may become bottles.
 *
 * Scope: existence in the local store; annotations that make a runtime restore, unconfine or reconfigure a container.
 * Fail-safe direction: a key with a prefix that a runtime acts on is refused whatever its value.
 */
import { type StoredImage, TerokError } from '../../core/index.ts';
import { describeImageAgain } from './image-description.ts';
import type { ImageDescription } from './inspect.ts';
import type { PodmanHost } from './podman-host.ts';

const ACTING_PREFIXES = [
  'io.podman.annotations.',
  'run.oci.',
  'krun.',
  'org.criu.',
  'org.systemd.',
  'module.wasm.',
  'io.kubernetes.cri-o.',
];

/** Returns the image; the caller compares its id with the container's. Throws IMAGE_UNAVAILABLE where it does not exist here, REFUSED where it must not be run. */
export async function requireSafeImage(
  host: PodmanHost,
  reference: string,
  options: { readonly signal?: AbortSignal } = {},
): Promise<ImageDescription> {
  const description = await describeImageAgain(host, reference, options);
  if (description === undefined)
    throw new TerokError('IMAGE_UNAVAILABLE', `The image \`${reference}\` does not exist here.`, {
      hint: 'Build it with `terok image build`.',
    });
  assertSafeImage(description.image, reference);
  return description;
}

export function assertSafeImage(image: Pick<StoredImage, 'annotations' | 'labels'>, reference: string): void {
  const keys = [...Object.keys(image.annotations), ...Object.keys(image.labels)];
  const bad = keys.find((key) => ACTING_PREFIXES.some((prefix) => key.toLowerCase().startsWith(prefix)));
  if (bad === undefined) return;
  throw new TerokError('REFUSED', `The image \`${reference}\` carries \`${bad}\`, which would change how the runtime confines it.`, {
    context: { image: reference, annotation: bad },
    hint: 'Do not use this image; build one from a source that you trust.',
  });
}
