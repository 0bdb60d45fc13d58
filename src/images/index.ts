export type { ImageAgent } from './agent-layer.ts';
export { type BaseImage, type BaseSetting, toBaseImage } from './base-image.ts';
export { buildImages, type BuildImagesOptions, type ImageRequest, type ImagesResult, type LayerResult } from './build-images.ts';
export { listImages, pruneImages, type PruneOptions, type TerokImage } from './list-images.ts';
export type { ImageProgress, OnImageProgress } from './progress.ts';
