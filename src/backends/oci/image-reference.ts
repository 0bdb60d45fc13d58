import { TerokError } from '../../core/index.ts';

const IMAGE_REFERENCE =
  /^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*(?::\d{1,5})?\/)*[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$|^sha256:[0-9a-f]{64}$/;

/** Throws INVALID_CONFIG for what is no reference to an image, such as an option of Podman or a transport. */
export function assertImageReference(image: string): void {
  if (IMAGE_REFERENCE.test(image)) return;
  throw new TerokError('INVALID_CONFIG', `\`${image.slice(0, 200)}\` is not an image reference.`, {
    hint: 'Write it as `registry/name:tag`, `localhost/name:tag` or `sha256:…`.',
  });
}
