import { z } from 'zod';
import { type BottleStatus, messageOf, type RuntimeEntry, type StoredImage, TerokError } from '../../core/index.ts';

/** Labels that mark a container as terok's. */
export const LABELS = {
  slug: 'terok.slug',
  owner: 'terok.owner',
  backend: 'terok.backend',
  exec: 'terok.exec',
  attempt: 'terok.attempt',
} as const;

/** Parses JSON that Podman printed; something else than expected is RUNTIME_FAILED naming `what`. */
export function parsePodmanJson<T>(what: string, text: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new TerokError(
      'RUNTIME_FAILED',
      `Podman described ${what} in a form that terok does not understand: ${messageOf(error).slice(0, 500)}`,
      { cause: error },
    );
  }
}

const stringMap = z
  .record(z.string(), z.string())
  .nullish()
  .transform((map) => map ?? {});

const containerSchema = z.object({
  Id: z.string(),
  Name: z.string(),
  Image: z.string(),
  OCIConfigPath: z.string().optional(),
  State: z.object({
    Status: z.string(),
    Pid: z.number(),
    ExitCode: z.number(),
    OOMKilled: z.boolean().optional(),
    Error: z.string().nullish(),
  }),
  Config: z.object({ Labels: stringMap }),
  GraphDriver: z.object({ Name: z.string(), Data: stringMap }),
});

export type ContainerDescription = z.infer<typeof containerSchema>;

export function parseContainer(text: string): ContainerDescription {
  const [container] = parsePodmanJson('a container', text, z.array(containerSchema).min(1));
  if (container === undefined) throw new TerokError('RUNTIME_FAILED', 'Podman described no container.');
  return container;
}

const listSchema = z
  .array(z.object({ Names: z.array(z.string()), State: z.string(), ExitCode: z.number().nullish(), Labels: stringMap }))
  .nullable()
  .transform((entries) => entries ?? []);

/** Output of `podman ps --all --format json` → bottles; the slug of the label is the identity. */
export function parseContainerList(text: string): RuntimeEntry[] {
  return parsePodmanJson('its containers', text === '' ? '[]' : text, listSchema).flatMap((entry) => {
    const id = entry.Labels[LABELS.slug];
    return id === undefined ? [] : [{ id, status: toStatus(entry.State) }];
  });
}

/** Podman's words for states, of all versions, in terok's. */
export function toStatus(state: string): BottleStatus {
  switch (state.toLowerCase()) {
    case 'configured':
    case 'created':
    case 'initialized':
      return 'created';
    case 'running':
    case 'stopping':
      return 'running';
    case 'paused':
      return 'paused';
    case 'exited':
    case 'stopped':
      return 'stopped';
    case 'removing':
      return 'missing';
    default:
      return 'failed';
  }
}

const imageSchema = z.object({
  Id: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  Created: z.string(),
  Size: z.number(),
  Labels: stringMap,
  Annotations: stringMap,
  GraphDriver: z.object({ Name: z.string(), Data: stringMap }).optional(),
  Config: z.object({ Labels: stringMap }).nullish(),
});

/** An image and the directories that its layers are in, uppermost first; empty for storage drivers without such directories. */
export interface ImageDescription {
  readonly image: StoredImage;
  readonly layerDirs: readonly string[];
}

export function parseImages(text: string): ImageDescription[] {
  return parsePodmanJson('an image', text, z.array(imageSchema)).map((found) => ({
    image: {
      id: found.Id.startsWith('sha256:') ? found.Id : `sha256:${found.Id}`,
      references: found.RepoTags ?? [],
      createdAt: found.Created,
      bytes: found.Size,
      labels: { ...found.Labels, ...found.Config?.Labels },
      annotations: found.Annotations,
    },
    layerDirs: found.GraphDriver?.Name === 'overlay' ? layerDirsOf(found.GraphDriver.Data) : [],
  }));
}

function layerDirsOf(data: Readonly<Record<string, string>>): string[] {
  const lower = data.LowerDir?.split(':') ?? [];
  return [...(data.UpperDir === undefined ? [] : [data.UpperDir]), ...lower].filter((dir) => dir.startsWith('/'));
}
