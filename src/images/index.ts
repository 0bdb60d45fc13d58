export type { ImageAgent } from './agent-layer.ts';
export { readHostSources } from './apt-sources.ts';
export { type BaseImage, type BaseSetting, toBaseImage } from './base-image.ts';
export { type BuildImagesOptions, buildImages, type ImageRequest, type ImagesResult, type LayerResult } from './build-images.ts';
export { listImages, type PruneOptions, pruneImages, type TerokImage } from './list-images.ts';
export type { ImageProgress, OnImageProgress } from './progress.ts';
