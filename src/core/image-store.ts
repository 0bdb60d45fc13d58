import type { CallOptions } from './call-options.ts';

export interface StoredImage {
  /** Content address, `sha256:…` */
  readonly id: string;
  readonly references: readonly string[];
  readonly createdAt: string;
  readonly bytes: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface BuildImageOptions extends CallOptions {
  /** Absolute path of the directory with `Containerfile` */
  readonly contextDir: string;
  readonly reference: string;
  readonly labels: Readonly<Record<string, string>>;
  /** A line of the build's output */
  readonly onProgress?: (line: string) => void;
}

/** The images of a backend. Nothing here starts a bottle; build steps run without any network. */
export interface ImageStore {
  /** Undefined where the image does not exist; never pulls */
  inspect(reference: string, options?: CallOptions): Promise<StoredImage | undefined>;
  /** Makes an image of one layer from a tar archive of a root filesystem */
  importRootfs(tarFile: string, reference: string, labels: Readonly<Record<string, string>>, options?: CallOptions): Promise<StoredImage>;
  /** Loads an OCI or Docker archive and gives its image the reference */
  loadArchive(file: string, reference: string, options?: CallOptions): Promise<StoredImage>;
  pull(source: string, reference: string, options?: CallOptions): Promise<StoredImage>;
  build(options: BuildImageOptions): Promise<StoredImage>;
  list(label: string, options?: CallOptions): Promise<readonly StoredImage[]>;
  /** Removes a reference, and the image with its last one; nothing to remove is success */
  remove(reference: string, options?: CallOptions): Promise<void>;
}
