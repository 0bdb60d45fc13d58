import { z } from 'zod';

const namedList = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);

/** The parts of an OCI runtime configuration (`config.json`) that decide what a container may do. Everything else must be absent or harmless. */
export const ociConfigSchema = z.object({
  process: z.object({
    args: namedList,
    cwd: z.string(),
    env: namedList,
    user: z.object({ uid: z.number(), gid: z.number(), additionalGids: z.array(z.number()).nullish() }),
    capabilities: z
      .object({ bounding: namedList, effective: namedList, inheritable: namedList, permitted: namedList, ambient: namedList })
      .nullish(),
    rlimits: z.array(z.object({ type: z.string(), hard: z.number(), soft: z.number() })).nullish(),
    noNewPrivileges: z.boolean().nullish(),
  }),
  root: z.object({ path: z.string() }),
  hostname: z.string().nullish(),
  mounts: z
    .array(z.object({ destination: z.string(), type: z.string().nullish(), source: z.string().nullish(), options: namedList }))
    .nullish(),
  hooks: z.record(z.string(), z.unknown()).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
  linux: z.object({
    namespaces: z.array(z.object({ type: z.string(), path: z.string().nullish() })),
    resources: z
      .object({
        devices: z.array(z.object({ allow: z.boolean() }).loose()).nullish(),
        memory: z.object({ limit: z.number().nullish(), swap: z.number().nullish() }).nullish(),
        cpu: z.object({ quota: z.number().nullish(), period: z.number().nullish() }).nullish(),
        pids: z.object({ limit: z.number().nullish() }).nullish(),
      })
      .nullish(),
    seccomp: z
      .object({
        defaultAction: z.string(),
        defaultErrnoRet: z.number().nullish(),
        architectures: namedList,
        flags: namedList,
        listenerPath: z.string().nullish(),
        syscalls: z
          .array(
            z.object({
              names: z.array(z.string()),
              action: z.string(),
              errnoRet: z.number().nullish(),
              args: z.array(z.object({ index: z.number(), value: z.number(), valueTwo: z.number().nullish(), op: z.string() })).nullish(),
            }),
          )
          .nullish(),
      })
      .nullish(),
    devices: z.array(z.object({ path: z.string() }).loose()).nullish(),
    sysctl: z.record(z.string(), z.string()).nullish(),
    maskedPaths: namedList,
    readonlyPaths: namedList,
    personality: z.unknown().optional(),
    intelRdt: z.unknown().optional(),
  }),
});

export type OciConfig = z.infer<typeof ociConfigSchema>;
