import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { resolvePaths, type TerokPaths } from '../../src/core/index.ts';
import { writeRecord } from '../../src/core/resolve/index.ts';
import { ensureGate, type ImportedRepository, importSource } from '../../src/projects/git/index.ts';
import { identifyProject, type Project } from '../../src/projects/index.ts';
import { createTerok, type Terok } from '../../src/tasks/index.ts';
import { writeTask } from '../../src/tasks/task-record.ts';
import { Secret, Vault } from '../../src/vault/index.ts';
import { Forge } from '../support/forge.ts';
import { GitLab, mustGit } from './git-harness.ts';

export interface ForgeProject extends AsyncDisposable {
  readonly lab: GitLab;
  readonly forge: Forge;
  readonly paths: TerokPaths;
  readonly env: NodeJS.ProcessEnv;
  readonly terok: Terok;
  readonly vault: Vault;
  readonly vaultDir: string;
  readonly project: Project;
  readonly source: string;
  readonly gate: string;
  readonly imported: ImportedRepository;
}

export interface ForgeProjectWish {
  /** The global configuration */
  readonly settings?: string;
  /** The project also has the API of the forge */
  readonly api?: boolean;
}

/** A project whose upstream is a forge on loopback, with one task, `shop`, that has ended. */
export async function openForgeProject({ settings = '', api = false }: ForgeProjectWish = {}): Promise<ForgeProject> {
  const lab = await GitLab.create();
  const forge = await Forge.start();
  await forge.createRepository('team/shop');
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: lab.root };
  for (const name of ['CONFIG', 'DATA', 'STATE', 'CACHE', 'RUNTIME']) env[`TEROK_${name}_DIR`] = path.join(lab.root, name.toLowerCase());
  const paths = resolvePaths(env);
  await mkdir(paths.config, { recursive: true });
  await writeFile(path.join(paths.config, 'config.yml'), settings);
  await mkdir(path.join(paths.state, 'bottles', 'shop'), { recursive: true });
  const source = await lab.userRepository('shop');
  await mustGit(source, ['push', '--quiet', forge.directory('team/shop'), 'main']);
  const vaultDir = path.join(paths.data, 'secrets');
  const vault = new Vault(vaultDir);
  await vault.set('forge', new Secret(forge.token));
  const terok = createTerok({ env });
  const forgeApi = { kind: 'gitea', api: `${forge.url}/api/v1`, secret: 'forge' } as const;
  await terok.git.setUpstream(source, { url: forge.remote('team/shop'), secret: 'forge', ...(api ? { forge: forgeApi } : {}) });
  const project = await identifyProject(paths, source);
  const gate = await ensureGate(project.dataDir, source);
  const imported = await importSource({ gate, source, slug: 'shop' });
  if (imported.kind !== 'git') throw new Error('no repository');
  const now = new Date().toISOString();
  // A bottle without a record is one that was never started, which terok removes after a minute
  await writeRecord(paths, { version: 1, slug: 'shop', project: project.id, backend: 'podman', createdAt: now, phase: 'planned' });
  await writeTask(paths, {
    version: 1,
    slug: 'shop',
    project: { ...project },
    backend: 'podman',
    image: 'none',
    argv: ['true'],
    gate,
    base: { branch: 'main', commit: imported.baseCommit },
    startedAt: now,
    finishedAt: now,
    notes: [],
  });
  const dispose = async (): Promise<void> => {
    await forge[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  };
  return { lab, forge, paths, env, terok, vault, vaultDir, project, source, gate, imported, [Symbol.asyncDispose]: dispose };
}
